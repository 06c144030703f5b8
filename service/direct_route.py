"""How does a request that many send at once reach its route? Past what FastAPI does for others.

FastAPI finds out for each request what an endpoint's parameters are, and that takes longer than
everything else on the event loop. An endpoint here takes exactly the collection's name, a body and
the service. Whatever is wrong with a request is left to FastAPI, so replies are the same.
"""

from typing import Any, get_type_hints

from fastapi import Request, Response
from pydantic import TypeAdapter, ValidationError

from lexmax.service.guard import Answer
from lexmax.service.parts import seen_from
from lexmax.service.strict_json import StrictRoute


class DirectRoute(StrictRoute):
    """A route of an endpoint `(name, body, service)` that makes its reply itself."""

    def answering(self, answer: Answer) -> Answer:
        """`answer` for requests that cannot be used, the endpoint itself for others."""
        hints = get_type_hints(self.endpoint, include_extras=True)
        name, body = TypeAdapter[str](hints["name"]), TypeAdapter[Any](hints["body"])

        async def answer_directly(request: Request) -> Response:
            if request.scope["query_string"]:
                return await answer(request)
            try:
                given = {
                    "name": name.validate_python(request.path_params["name"]),
                    "body": body.validate_python(await request.json()),
                }
            except ValidationError:
                return await answer(request)
            reply: Response = await self.endpoint(**given, service=await seen_from(request))
            return reply

        return answer_directly
