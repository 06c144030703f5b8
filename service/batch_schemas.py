"""What goes in and comes out, as JSON, when many searches are asked at once?"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lexmax.service.schemas import HitReply, SearchRequest, StageReply


class BatchedSearch(SearchRequest):
    """One of many searches, as POST /v1/collections/{name}/search takes it, without a time."""

    @model_validator(mode="after")
    def _without_time(self) -> "BatchedSearch":
        if self.timeout_ms is not None:
            raise ValueError("expected one timeout_ms for the batch, beside searches; move it")
        return self


class BatchSearchRequest(BaseModel):
    """Searches of one collection, all in the same state; alike ones share their stages."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    searches: list[BatchedSearch] = Field(min_length=1)
    ids_only: bool = Field(
        default=False, description="Leave out titles, texts, metadata and passages of the hits"
    )
    timeout_ms: float | None = Field(
        default=None, gt=0, description="When to leave out the stages that can be left out"
    )


class IdHitReply(BaseModel):
    """A document of a result, without its content."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    rank: int
    doc_id: str
    score: float
    scores: Mapping[str, float]
    relevance: float | None


class BatchedReply(BaseModel):
    """What one search found; `stages` and times are those of all searches that ran together."""

    model_config = ConfigDict(frozen=True)

    hits: list[HitReply | IdHitReply]
    pipeline: str
    generation: int = Field(description="The same for all")
    timings_ms: Mapping[str, float]
    stages: list[StageReply] = Field(description="In the order in which they ran")
    n_filtered: int | None = Field(description="Hits that were not relevant enough")
    partial: bool = Field(description="Whether time ran out before all stages had run")
    notes: list[str] = Field(description="What should be known, such as a stage left out")


class BatchSearchReply(BaseModel):
    """An entry a search, in the order of the request, all from the same state."""

    model_config = ConfigDict(frozen=True)

    results: list[BatchedReply]
