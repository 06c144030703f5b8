"""What is to be compared? Collections, indexes and systems, as a YAML matrix says them.

A system is an index and a pipeline over it; with a grid it is one system for each combination of
values, which stand in braces where they are used. A cell is one system on one collection.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from lexmax.eval.measures import DEFAULT_MEASURES

_NAME = r"^[^\s/\\{}][^/\\{}]{0,63}$"
Name: TypeAlias = Annotated[str, Field(pattern=_NAME)]
GridValue: TypeAlias = int | float | str
PipelineText: TypeAlias = str | dict[str, JsonValue]


class Section(BaseModel):
    """A part of a matrix: it never changes, and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CollectionSection(Section):
    """A test collection, or a folder of sub-collections that are averaged."""

    path: str = Field(min_length=1, description="Folder below --data, a path, or irds:NAME")
    name: Name | None = Field(default=None, description="In tables; by default the folder's")
    split: str = Field(default="test", description="The qrels that systems are measured by")
    calibrate_on: str | None = Field(
        default=None, description="A split to calibrate relevance on; by default other queries"
    )
    queries: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Take only so many of the judged queries, drawn by a fixed seed"
    )


class IndexSection(Section):
    """What a collection keeps: encoders, and what is built over token vectors.

    Keys that are not given are those of the index `like`, or the defaults of `lexmax index`;
    null leaves an index out.
    """

    like: str | None = None
    sparse: str | None = None
    multivector: str | None = None
    pooled: str | None = None
    pooled_codec: str | None = None
    codec: str | None = None
    centroids: bool | None = None
    fde: bool | None = None
    fde_store: str | None = None
    fde_dim: int | str | None = None
    recall: float | None = None
    passages: str | None = None
    neighbours: int | None = None


class CalibrationSection(Section):
    """How a relevance filter learns what is relevant, on queries that it is not measured on."""

    folds: Annotated[int, Field(ge=2, le=20)] = Field(
        default=2, description="Where a collection names no split to calibrate on"
    )
    queries: Annotated[int, Field(ge=20)] = Field(
        default=400, description="At most so many to learn from, drawn by a fixed seed"
    )
    recall: Annotated[float, Field(gt=0, le=1)] = 0.95
    depth: Annotated[int, Field(ge=2)] = 100
    relevant_from: int = 1
    form: Literal["power", "linear", "square-root", "quadratic", "raw"] = "power"
    inputs: Literal["auto", "none", "features"] = "auto"
    scale: Literal["auto", "fixed", "query", "list"] = "auto"
    seed: Annotated[int, Field(ge=0)] = 42


class SystemSection(Section):
    """An index and a pipeline over it."""

    index: str | IndexSection
    pipeline: PipelineText = Field(
        description="A preset, perhaps with an engine; a YAML file; or stages"
    )
    grid: dict[Annotated[str, Field(pattern=r"^\w+$")], list[GridValue]] = Field(
        default_factory=dict[str, list[GridValue]],
        description="Values by name; {name} stands for each in the index and the pipeline",
    )
    calibrate: CalibrationSection | None = None
    collections: tuple[str, ...] | None = Field(default=None, description="Only on these")

    @field_validator("grid")
    @classmethod
    def _has_values(cls, grid: dict[str, list[GridValue]]) -> dict[str, list[GridValue]]:
        for name, values in grid.items():
            if not values or len(set(map(str, values))) < len(values):
                raise ValueError(f"{name} needs one value or more, each once")
        return grid


class LatencySection(Section):
    """Single queries, one after another on one thread, nothing taken from a cache."""

    queries: Annotated[int, Field(ge=0)] = Field(default=50, description="0 measures none")
    k: Annotated[int, Field(ge=1)] = 10


class SignificanceSection(Section):
    """How differences between systems are judged, collection by collection."""

    test: Literal["t", "randomisation", "wilcoxon", "tukey"] = "t"
    correction: Literal["holm", "bh", "bonferroni", "none"] = "holm"
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    resamples: Annotated[int, Field(ge=1)] = 10_000
    seed: Annotated[int, Field(ge=0)] = 0


class Matrix(Section):
    """Systems on collections, and how they are measured; the first measure comes first."""

    name: Name = "experiment"
    measures: Annotated[tuple[str, ...], Field(min_length=1)] = tuple(DEFAULT_MEASURES)
    k: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=100, description="Documents asked for"
    )
    batch: Annotated[int, Field(ge=1)] = Field(default=256, description="Queries asked at a time")
    runs: Literal["zst", "plain", "none"] = Field(
        default="zst", description="How runs are written, if they are"
    )
    latency: LatencySection = Field(default_factory=LatencySection)
    significance: SignificanceSection = Field(default_factory=SignificanceSection)
    collections: Annotated[tuple[str | CollectionSection, ...], Field(min_length=1)]
    indexes: dict[Name, IndexSection] = Field(default_factory=dict[str, IndexSection])
    systems: Annotated[dict[Name, SystemSection], Field(min_length=1)]
