"""What goes in and comes out, as JSON, when texts are encoded?"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_ModelName = Annotated[str, Field(min_length=1, max_length=128)]


class EncodeRequest(BaseModel):
    """Texts, and the models that are to encode them: at least one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    texts: list[str] = Field(min_length=1, examples=[["how are segments stored?"]])
    input_type: Literal["query", "document"] = Field(
        default="document", description="Most models encode the two differently"
    )
    sparse: _ModelName | None = Field(default=None, examples=["lexmax-sparse"])
    multivector: _ModelName | None = Field(default=None, examples=["minilm"])
    pooled: _ModelName | None = Field(default=None, examples=["minilm-pooled"])

    @model_validator(mode="after")
    def _some_model(self) -> "EncodeRequest":
        if not (self.sparse or self.multivector or self.pooled):
            raise ValueError("expected a model as sparse, multivector or pooled; name one")
        return self


class SparseVector(BaseModel):
    """Weights by term id, ids ascending."""

    indices: list[int]
    values: list[float]


class EncodeReply(BaseModel):
    """An entry a text, in the order of the request; null for what was not asked for."""

    sparse: list[SparseVector] | None
    multivector: list[list[list[float]]] | None = Field(description="Of each text, of each token")
    pooled: list[list[float]] | None
    timings_ms: dict[str, float]
