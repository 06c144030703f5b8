"""What is a service told to calibrate by, and what does it say of a calibration?"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from lexmax.calibration import MIN_QUERIES, CalibrationReport, CalibrationRules
from lexmax.relevance import Target
from lexmax.results import MAX_QUERY_CHARS

_Share = Annotated[float, Field(gt=0, le=1)]


class CalibrationOrder(BaseModel):
    """Judged queries, and what the threshold is to reach on those of them that are held out."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    queries: dict[
        Annotated[str, Field(max_length=512)], Annotated[str, Field(max_length=MAX_QUERY_CHARS)]
    ] = Field(
        min_length=MIN_QUERIES,
        description="Texts by the queries' ids",
        examples=[{"q1": "vitamin D and bone density"}],
    )
    qrels: dict[str, dict[str, int]] = Field(
        description="Grades by the documents' ids, by the queries'; what is not there is not "
        "relevant",
        examples=[{"q1": {"4983": 1}}],
    )
    name: str = Field(
        default="default", max_length=64, description="What searches call it by; replaces another"
    )
    pipeline: Annotated[str, Field(max_length=64)] | dict[str, JsonValue] | None = Field(
        default=None, description="Whose scores are calibrated, as of a search"
    )
    recall: _Share | None = Field(
        default=None,
        description="Share of the relevant hits that the threshold keeps; 0.95 unless told",
    )
    precision: _Share | None = Field(
        default=None, description="Share of what it keeps that is relevant; instead of recall"
    )
    depth: int = Field(default=100, ge=2, description="Hits of each query that are learnt from")
    relevant_from: int = Field(
        default=1, description="Grade from which on a document counts as relevant"
    )
    form: Literal["power", "linear", "square-root", "quadratic", "raw"] = Field(
        default="power", description="Of the map: docs/relevance.md"
    )

    @model_validator(mode="after")
    def _one_target(self) -> "CalibrationOrder":
        if self.recall is not None and self.precision is not None:
            raise ValueError("expected recall or precision, and not both; leave one out")
        return self

    @property
    def rules(self) -> CalibrationRules:
        """As a calibration takes them."""
        target = Target("recall", 0.95 if self.recall is None else self.recall)
        if self.precision is not None:
            target = Target("precision", self.precision)
        return CalibrationRules(
            form=self.form, target=target, depth=self.depth, relevant_from=self.relevant_from
        )


class CalibrationMade(BaseModel):
    """A calibration that searches can use: its name is that of a pipeline's relevance stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pipeline: str
    threshold: float = Field(description="The least relevance that a relevance stage lets through")
    target: str = Field(description="What the threshold was chosen for", examples=["recall=0.95"])
    n_queries: int = Field(description="That are judged and have something relevant")
    n_without: int = Field(description="Queries that were of no use")
    measured: Mapping[str, float] = Field(description="On queries that were held out")

    @staticmethod
    def of(report: CalibrationReport) -> "CalibrationMade":
        """What is told of it."""
        made = report.calibration
        return CalibrationMade(
            name=made.name,
            pipeline=made.version.pipeline_name,
            threshold=made.threshold,
            target=str(made.target),
            n_queries=made.n_queries,
            n_without=report.n_without,
            measured=made.measured,
        )
