"""Does a query string name only what its route takes? A misspelt `wait` is no `wait`.

Asked of paths of collections, which alone take anything there. Clients of other services send what
they like to façades, and probes to theirs.
"""

from fastapi import Request, Response
from fastapi.routing import APIRoute

from lexmax.service.guard import Answer
from lexmax.service.problems import INVALID_REQUEST, Refusal

_NATIVE = "/v1/collections"
_LONGEST = 40


def knowing_names(route: APIRoute, answer: Answer) -> Answer:
    """`answer`, for requests whose query string names nothing that `route` does not take."""
    if not route.path.startswith(_NATIVE):
        return answer
    known = sorted(field.alias for field in route.dependant.query_params)

    async def answer_known(request: Request) -> Response:
        if request.scope["query_string"]:
            _check(list(request.query_params), known)
        return await answer(request)

    return answer_known


def _check(names: list[str], known: list[str]) -> None:
    strange = next((name for name in names if name not in known), None)
    if strange is not None:
        expected = f"only {', '.join(known)}" if known else "none, as this route takes none"
        raise Refusal(
            INVALID_REQUEST,
            f"the query string: found {strange[:_LONGEST]!r}; expected {expected}; correct it, or "
            "put it into the body if it belongs there",
        )
