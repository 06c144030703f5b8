"""Which stages has a pipeline, and what is it called?

A pipeline retrieves by one or more signals, fuses their rankings if there are several, and may
score the fused candidates again by MaxSim. Here it is a value; `pipeline.py` runs it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, TypeVar

from lexmax.errors import PipelineError, QueryError
from lexmax.index.engines import SparseEngine, parse_engine
from lexmax.index.multivector_engines import (
    EXACT_MAXSIM,
    MultiVectorEngine,
    parse_multivector_engine,
)

Signal: TypeAlias = Literal["sparse", "multivector"]
Engine = TypeVar("Engine", SparseEngine, MultiVectorEngine)


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Find documents by one signal.

    Attributes:
        signal: the index to search.
        depth: documents to pass on; None passes on as many as the query asks for (k).
        encoder: name of the only encoder that this stage is meant for; None for any.
        backend: name of another system over the same sparse weights; None for our own.
        engine: how our own searches the index; see `lexmax.index.engines` and
            `lexmax.index.multivector_engines`. None is `exact` for sparse, `auto` for multivector.
    """

    signal: Signal
    depth: int | None = None
    encoder: str | None = None
    backend: str | None = None
    engine: SparseEngine | MultiVectorEngine | None = None


@dataclass(frozen=True, slots=True)
class Fuse:
    """Merge rankings: by reciprocal rank (Cormack et al. 2009), or by the sum of their scores.

    Attributes:
        rank_constant: Of reciprocal ranks.
        weights: One a ranking, in the order of the stages: their scores, scaled from 0 to 1, are
            added with these; None for reciprocal ranks.
    """

    rank_constant: int = 60
    weights: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rerank:
    """Score the best `depth` documents, at least k, again by MaxSim.

    With `carve`, query tokens whose product with an earlier one is at least so much are first
    summed with it (MUVERA's ball carving): fewer products, and scores that are not quite MaxSim.
    """

    depth: int
    carve: float | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in the order in which they run."""

    name: str
    retrieve: tuple[Retrieve, ...]
    fuse: Fuse = field(default_factory=Fuse)
    rerank: Rerank | None = None

    @property
    def signals(self) -> frozenset[Signal]:
        """Indexes that a collection must have for this pipeline."""
        needed: list[Signal] = [stage.signal for stage in self.retrieve]
        if self.rerank:
            needed.append("multivector")
        if any(_needs_terms(stage) for stage in self.retrieve):
            needed.append("sparse")
        return frozenset(needed)


def _needs_terms(stage: Retrieve) -> bool:
    return isinstance(stage.engine, MultiVectorEngine) and stage.engine.needs_terms


# Of sparse and multi-vector scores: chosen on SciFact's training claims, docs/models.
_HYBRID = (0.3, 0.7)

PRESETS: Mapping[str, Pipeline] = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline("sparse", (Retrieve("sparse"),)),
        Pipeline("bm25", (Retrieve("sparse", encoder="bm25"),)),
        Pipeline("lucene", (Retrieve("sparse", backend="lucene"),)),
        Pipeline("multivector", (Retrieve("multivector"),)),
        Pipeline("multivector-exact", (Retrieve("multivector", engine=EXACT_MAXSIM),)),
        Pipeline(
            "hybrid",
            (
                Retrieve("sparse", depth=200),
                Retrieve("multivector", depth=200),
            ),
            Fuse(weights=_HYBRID),
        ),
    )
}


def named(pipeline: str | Pipeline) -> Pipeline:
    """A preset by its name; a pipeline is returned as it is.

    After a colon may stand how its stages search: `bm25:query-mass?share=0.2`,
    `multivector:fde?candidates=500`.

    Raises:
        PipelineError: if there is no preset of that name, or no stage that could search so.
        QueryError: if there is no such engine.
    """
    if isinstance(pipeline, Pipeline):
        return pipeline
    name, _, engine = pipeline.partition(":")
    if name not in PRESETS:
        raise PipelineError(f"found no pipeline {name!r}; expected one of {', '.join(PRESETS)}")
    return _with_engine(PRESETS[name], pipeline, engine) if engine else PRESETS[name]


def _with_engine(preset: Pipeline, name: str, text: str) -> Pipeline:
    """The preset with those stages that know this engine searching so."""
    sparse, multivector = _parsed(parse_engine, text), _parsed(parse_multivector_engine, text)
    if isinstance(sparse, QueryError) and isinstance(multivector, QueryError):
        signals = {stage.signal for stage in preset.retrieve if stage.backend is None}
        raise multivector if signals == {"multivector"} else sparse
    chosen: Mapping[Signal, SparseEngine | MultiVectorEngine | QueryError] = {
        "sparse": sparse,
        "multivector": multivector,
    }
    stages = [_searching(stage, chosen[stage.signal]) for stage in preset.retrieve]
    if all(stage is None for stage in stages):
        raise PipelineError(
            f"found {name!r}, but {preset.name!r} has no stage that the engine {text!r} could "
            "search; leave the engine out"
        )
    found = (new or old for new, old in zip(stages, preset.retrieve, strict=True))
    return replace(preset, name=name, retrieve=tuple(found))


def _searching(
    stage: Retrieve, engine: SparseEngine | MultiVectorEngine | QueryError
) -> Retrieve | None:
    if isinstance(engine, QueryError) or stage.backend is not None:
        return None
    return replace(stage, engine=engine)


def _parsed(parse: Callable[[str], Engine], text: str) -> Engine | QueryError:
    try:
        return parse(text)
    except QueryError as error:
        return error
