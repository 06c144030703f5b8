"""What did a pipeline find, and how did it come to it?"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.index.found_scores import found_scores
from lexmax.pipeline.queries import EncodedQueries
from lexmax.results import StageReport
from lexmax.stages import Signal
from lexmax.types import Hits


@dataclass(frozen=True, slots=True)
class Judged:
    """What a relevance filter made of the hits that it was given.

    Attributes:
        told: All of them, with their relevance, from 0 to 1, as scores.
        enough: Those that are relevant enough.
        threshold: The least that is.
    """

    told: Hits
    enough: Hits
    threshold: float


@dataclass(slots=True)
class Trace:
    """What stages were given, for those who explain an answer.

    Attributes:
        rankings: What the search came to last before other stages saw it, by the number of the
            retrieve stage: one ranking, or those that were fused.
        fused: Rankings that each fusion saw, by its name and by the number of the retrieve stage
            that they are of.
        depths: How many documents of a ranking are fused, by the number of the retrieve stage.
        fed_back: Hits whose first documents changed each signal's view of the queries.
        changed: The queries after feedback; None without.
        judged: What the relevance filter did; None without.
    """

    rankings: Mapping[int, Hits] = field(default_factory=dict[int, Hits])
    fused: dict[str, Mapping[int, Hits]] = field(default_factory=dict[str, Mapping[int, Hits]])
    depths: dict[int, int] = field(default_factory=dict[int, int])
    fed_back: Mapping[Signal, Hits] = field(default_factory=dict[Signal, Hits])
    changed: EncodedQueries | None = None
    judged: Judged | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits of a batch of queries, and what each stage made of them.

    Attributes:
        queries: What was searched for, as first encoded.
        hits: In the order of the last stage, which after diversification is not that of scores.
        stages: What each stage had scored, by its name.
        reports: A line a stage, in the order in which they ran.
        relevance: Of every hit, from 0 to 1, shaped as `hits`; None without a relevance filter.
        n_filtered: Hits of each query that were not relevant enough, int64 (n_queries,).
        partial: Whether time ran out before all stages had run.
        notes: What a person should know, such as a stage that was skipped and why.
        trace: What stages were given.
    """

    queries: EncodedQueries
    hits: Hits
    stages: Mapping[str, Hits]
    reports: tuple[StageReport, ...]
    relevance: NDArray[np.float32] | None = None
    n_filtered: NDArray[np.int64] | None = None
    partial: bool = False
    notes: tuple[str, ...] = ()
    trace: Trace = field(default_factory=Trace)

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage; of stages with one name together."""
        return timings_ms(self.reports)

    def scores_by_stage(self, i: int, ordinals: NDArray[np.int64]) -> list[dict[str, float]]:
        """What each stage gave these documents for query `i`; a stage that missed one is absent."""
        told: list[dict[str, float]] = [{} for _ in ordinals]
        for name, hits in self.stages.items():
            found = found_scores(hits, i, ordinals)
            for scores_of_one, score in zip(told, found, strict=True):
                if score is not None:
                    scores_of_one[name] = score
        return told


def timings_ms(reports: Iterable[StageReport]) -> dict[str, float]:
    """Milliseconds by stage; of stages with one name together."""
    spent: dict[str, float] = {}
    for report in reports:
        name = f"{report.stage}_ms"
        spent[name] = spent.get(name, 0.0) + report.ms
    return spent


def n_hits(hits: Hits) -> int:
    """Documents of all queries together."""
    return int(np.count_nonzero(hits.ordinals >= 0))


Given: TypeAlias = "int | Hits | Mapping[int, Hits]"
"""What goes into a stage: hits of one ranking or of several, or how many texts."""


def _n_given(given: Given) -> int:
    if isinstance(given, int):
        return given
    return n_hits(given) if isinstance(given, Hits) else sum(map(n_hits, given.values()))


@dataclass(slots=True)
class Record:
    """What is written down while stages run."""

    stages: dict[str, Hits] = field(default_factory=dict[str, Hits])
    notes: list[str] = field(default_factory=list[str])
    partial: bool = False
    trace: Trace = field(default_factory=Trace)
    _ran: "list[tuple[str, Given, Made, float]]" = field(
        default_factory=list["tuple[str, Given, Made, float]"]
    )

    def stage(self, name: str, *, given: "Given") -> "Timed":
        """Time what runs inside, which says what it made; `given` went into it."""
        return Timed(self, name, given)

    @property
    def reports(self) -> tuple[StageReport, ...]:
        """A line a stage, in the order in which they ran."""
        return tuple(
            StageReport(name, _n_given(given), made.n_out, spent_ms)
            for name, given, made, spent_ms in self._ran
        )

    def made(self, name: str, given: "Given", made: "Made", spent_ms: float) -> None:
        """Write down what a stage has made."""
        # Counted when all have run: between stages nothing of it would be in the cache.
        self._ran.append((name, given, made, spent_ms))
        if made.hits is not None:
            free = self._free(name)
            self.stages[free] = made.hits
            if made.rankings is not None:
                self.trace.fused[free] = made.rankings

    def skip(self, reason: str, *, for_time: bool = False) -> None:
        """Remember that a stage was left out, and why."""
        self.notes.append(reason)
        self.partial = self.partial or for_time

    def _free(self, name: str) -> str:
        """The name, numbered if a stage before had it."""
        if name not in self.stages:
            return name
        n_same = sum(one == name or one.startswith(f"{name}-") for one in self.stages)
        return f"{name}-{n_same + 1}"


@dataclass(slots=True)
class Made:
    """What a stage made; encoding makes no hits, and only fusion is given several rankings."""

    hits: Hits | None = None
    rankings: Mapping[int, Hits] | None = None

    @property
    def n_out(self) -> int:
        """Hits of all queries together."""
        return 0 if self.hits is None else n_hits(self.hits)


class Timed:
    """A stage that runs; a class rather than a generator, which costs more each time."""

    __slots__ = ("_began", "_given", "_made", "_name", "_record")

    def __init__(self, record: Record, name: str, given: "Given") -> None:
        self._record, self._name, self._given = record, name, given
        self._made, self._began = Made(), 0.0

    def __enter__(self) -> Made:
        self._began = time.perf_counter()
        return self._made

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            spent_ms = (time.perf_counter() - self._began) * 1e3
            self._record.made(self._name, self._given, self._made, spent_ms)
