"""Which pipelines have a name, and what does a text that names one mean?"""

from collections.abc import Callable, Mapping

from lexmax.errors import PipelineError, QueryError
from lexmax.stages.fuse import WeightedSum
from lexmax.stages.pipeline import Pipeline
from lexmax.stages.retrieve import (
    MultiVectorRetrieve,
    PooledRetrieve,
    Retrieve,
    SparseRetrieve,
    multivector_engine,
    sparse_engine,
)

# The best mean nDCG@10 over SciFact's training claims, Cranfield, CACM and SQuAD, of bm25, minilm
# and minilm-pooled, where 200 documents of each ranking are fused: benchmarks/fusion.py.
_TWO_SIGNALS = WeightedSum(weights=(0.3, 0.7))
_THREE_SIGNALS = WeightedSum(weights=(0.3, 0.3, 0.4), scale="z-score")

PRESETS: Mapping[str, Pipeline] = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline(name="sparse", retrieve=(SparseRetrieve(),)),
        Pipeline(name="bm25", retrieve=(SparseRetrieve(encoder="bm25"),)),
        Pipeline(name="lucene", retrieve=(SparseRetrieve(backend="lucene"),)),
        Pipeline(name="multivector", retrieve=(MultiVectorRetrieve(),)),
        Pipeline(name="multivector-exact", retrieve=(MultiVectorRetrieve(engine="exact"),)),
        Pipeline(name="pooled", retrieve=(PooledRetrieve(),)),
        Pipeline(
            name="hybrid",
            retrieve=(SparseRetrieve(), MultiVectorRetrieve()),
            fuse=_TWO_SIGNALS,
        ),
        Pipeline(
            name="hybrid-pooled",
            retrieve=(SparseRetrieve(), MultiVectorRetrieve(), PooledRetrieve()),
            fuse=_THREE_SIGNALS,
        ),
    )
}


def preset(name: str) -> Pipeline:
    """The preset of this name.

    After a colon may stand how its stages search: `bm25:query-mass?share=0.2`,
    `multivector:fde?candidates=500`.

    Raises:
        PipelineError: if there is no preset of that name, or no stage that could search so.
        QueryError: if there is no such engine.
    """
    short, _, engine = name.partition(":")
    if short not in PRESETS:
        raise PipelineError(f"found no pipeline {short!r}; expected one of {', '.join(PRESETS)}")
    return _with_engine(PRESETS[short], name, engine) if engine else PRESETS[short]


def _with_engine(pipeline: Pipeline, name: str, text: str) -> Pipeline:
    """The preset with those stages that know this engine searching so."""
    by_terms, by_tokens = _problem(sparse_engine, text), _problem(multivector_engine, text)
    if by_terms is not None and by_tokens is not None:
        signals = {stage.signal for stage in pipeline.retrieve if _is_ours(stage)}
        raise by_tokens if signals == {"multivector"} else by_terms
    known = {"sparse": by_terms is None, "multivector": by_tokens is None, "pooled": False}
    fitting = [_is_ours(stage) and known[stage.signal] for stage in pipeline.retrieve]
    if not any(fitting):
        raise PipelineError(
            f"found {name!r}, but {pipeline.name!r} has no stage that the engine {text!r} could "
            "search; leave the engine out"
        )
    stages = (
        stage.model_copy(update={"engine": text}) if fits else stage
        for stage, fits in zip(pipeline.retrieve, fitting, strict=True)
    )
    return pipeline.model_copy(update={"name": name, "retrieve": tuple(stages)})


def _is_ours(stage: Retrieve) -> bool:
    return not (isinstance(stage, SparseRetrieve) and stage.backend is not None)


def _problem(parse: Callable[[str], object], text: str) -> QueryError | None:
    try:
        parse(text)
    except QueryError as error:
        return error
    return None
