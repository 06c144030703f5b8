"""What do all stages keep to? Values that never change, and that refuse unknown keys."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Signal: TypeAlias = Literal["sparse", "multivector", "pooled"]
SIGNALS: tuple[Signal, ...] = ("sparse", "multivector", "pooled")

# As `lexmax.conditions` reads it; which fields there are is known only to a collection.
Conditions: TypeAlias = dict[str, JsonValue] | str

Depth: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class Stage(BaseModel):
    """A part of a pipeline: what it does is its keys, and it never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
