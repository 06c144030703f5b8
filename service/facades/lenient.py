"""What do all façades have in common? Requests whose unknown names are passed over.

Clients send names that their own service has got since: a façade answers them with what it has.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

ModelName = Annotated[str, Field(max_length=256, description="As GET /v1/models lists them")]
TextOrFields = str | dict[str, JsonValue]


class FacadeRequest(BaseModel):
    """A request of another service's client."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class FacadeReply(BaseModel):
    """A reply as another service's client expects it."""

    model_config = ConfigDict(frozen=True)


class Text(FacadeReply):
    """A text of the request."""

    text: str


class Usage(FacadeReply):
    """About how many tokens were read."""

    prompt_tokens: int
    total_tokens: int


def told_as(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """What a façade's paths answer when something is wrong, for its description."""
    return {
        "4XX": {"model": model, "description": "The request cannot be answered"},
        "5XX": {"model": model, "description": "The service cannot answer"},
    }
