"""How is a query answered? The one function that runs the stages of a pipeline.

Arrays inside; documents are looked up by the caller.
"""

import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import Encoders, MultiVectorEncoder, SparseEncoder
from lexmax.encoders.shared_pass import encode_queries
from lexmax.errors import EncoderError, PipelineError
from lexmax.fusion import reciprocal_rank, weighted_scores
from lexmax.index.carving import carved
from lexmax.index.engines import EXACT, SparseEngine
from lexmax.index.multivector_engines import AUTO_MAXSIM, MultiVectorEngine
from lexmax.index.snapshot import Snapshot
from lexmax.index.tokens import TokenStore
from lexmax.stages import PRESETS, Fuse, Pipeline, Rerank, Retrieve, Signal
from lexmax.types import Hits, Json, SparseBatch, TokenBatch, best_first

_BATCH = 16
# What the fingerprint of an encoder says that was trained with the objective of XTR.
_XTR = "objective=xtr"


class SparseBackend(Protocol):
    """Another engine that ranks a snapshot's documents by their term weights."""

    def search(self, snapshot: Snapshot, queries: SparseBatch, k: int) -> Hits:
        """The best k documents of each query, as `Snapshot.search_sparse` gives them."""
        ...


@dataclass(frozen=True, slots=True)
class CollectionEncoders:
    """The encoders of one collection, loaded when they are first needed.

    `specs` has an entry for each signal that the collection has an index for; `backends` are
    other engines over its sparse weights that this installation has, by name.
    """

    registry: Encoders
    specs: Mapping[Signal, str]
    backends: Mapping[str, SparseBackend] = field(default_factory=dict[str, SparseBackend])

    @property
    def sparse(self) -> SparseEncoder | None:
        """What gives term weights, if the collection has a sparse index."""
        spec = self.specs.get("sparse")
        return None if spec is None else self.registry.sparse(spec)

    @property
    def multivector(self) -> MultiVectorEncoder | None:
        """What gives token vectors, if the collection has a multi-vector index."""
        spec = self.specs.get("multivector")
        return None if spec is None else self.registry.multivector(spec)

    def require_texts(self) -> None:
        """Refuse documents of which only the text is known where vectors are imported.

        Raises:
            EncoderError: if this collection's vectors were imported.
        """
        if (spec := self.specs.get("sparse", "")).partition("?")[0] == "impacts":
            self.registry.sparse(spec).encode_documents([""])


def encoder_specs(setting: Json) -> dict[Signal, str]:
    """The specs of a collection's encoders, as its catalog keeps them."""
    signals: tuple[Signal, ...] = ("sparse", "multivector")
    if not isinstance(setting, Mapping):
        return {}
    return {signal: str(setting[signal]) for signal in signals if signal in setting}


@dataclass(frozen=True, slots=True)
class EncodedQueries:
    """The same queries as each signal sees them."""

    n_queries: int
    sparse: SparseBatch | None
    tokens: TokenBatch | None

    def is_empty(self, i: int) -> bool:
        """Whether query `i` has neither a term nor a token."""
        terms = 0 if self.sparse is None else len(self.sparse.row(i)[0])
        tokens = 0 if self.tokens is None else len(self.tokens.row(i))
        return terms + tokens == 0


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits of a batch of queries, what each stage had scored, and milliseconds by stage."""

    queries: EncodedQueries
    hits: Hits
    stages: Mapping[str, Hits]
    timings_ms: Mapping[str, float]

    def scores_by_stage(self, i: int, ordinal: int) -> dict[str, float]:
        """What each stage gave this document for query `i`; a stage that missed it is absent."""
        found: dict[str, float] = {}
        for name, hits in self.stages.items():
            ordinals, scores = hits.row(i)
            places = np.flatnonzero(ordinals == ordinal)
            if len(places):
                found[name] = float(scores[places[0]])
        return found


def runnable(encoders: CollectionEncoders) -> list[str]:
    """Names of the presets that a collection with these encoders can run."""
    return [name for name, pipeline in PRESETS.items() if _obstacle(pipeline, encoders) is None]


def default_name(encoders: CollectionEncoders) -> str:
    """The preset to use where the caller names none: all that the collection has."""
    return "hybrid" if len(encoders.specs) == 2 else next(iter(encoders.specs))


def _obstacle(pipeline: Pipeline, encoders: CollectionEncoders) -> str | None:
    for signal in sorted(pipeline.signals):
        if signal not in encoders.specs:
            return f"needs a {signal} index, which this collection has not"
    for stage in pipeline.retrieve:
        found = encoders.specs[stage.signal].partition("?")[0]
        if stage.encoder not in (None, found):
            return f"is for the encoder {stage.encoder}, but this collection's is {found}"
        if stage.backend is not None and stage.backend not in encoders.backends:
            return f'needs `pip install "lexmax[{stage.backend}]"`, which is not installed'
        if _imputes(stage) and not _trained_to_impute(encoders.multivector):
            return "imputes scores (xtr), which this collection's encoder was not trained for"
    return None


def _imputes(stage: Retrieve) -> bool:
    return isinstance(stage.engine, MultiVectorEngine) and stage.engine.imputes


def _trained_to_impute(encoder: MultiVectorEncoder | None) -> bool:
    return encoder is not None and _XTR in encoder.fingerprint


def run(
    pipeline: Pipeline,
    snapshot: Snapshot,
    encoders: CollectionEncoders,
    queries: Sequence[str],
    k: int,
) -> Answer:
    """Answer a batch of queries; each gets what it would get alone.

    Raises:
        PipelineError: if the collection cannot run this pipeline.
        QueryError: if k is below 1.
    """
    if obstacle := _obstacle(pipeline, encoders):
        raise PipelineError(
            f"pipeline {pipeline.name!r} {obstacle}; choose one of {', '.join(runnable(encoders))}"
        )
    clock = _Clock()
    with clock.stage("encode"):
        encoded = _encode(pipeline, snapshot, encoders, queries)
    stages: dict[str, Hits] = {}
    for stage in pipeline.retrieve:
        with clock.stage(stage.signal):
            stages[stage.signal] = _retrieve(stage, snapshot, encoders, encoded, k)
    hits = next(iter(stages.values()))
    if len(pipeline.retrieve) > 1:
        with clock.stage("fuse"):
            hits = stages["fuse"] = _fuse(pipeline.fuse, list(stages.values()), encoded.n_queries)
    if pipeline.rerank is not None and encoded.tokens is not None:
        with clock.stage("rerank"):
            hits = stages["maxsim"] = _rerank(pipeline.rerank, snapshot, encoded.tokens, hits, k)
    return Answer(encoded, _cut(hits, k), stages, clock.timings_ms)


def rerank_texts(
    query: str, texts: Sequence[str], *, encoder: MultiVectorEncoder
) -> NDArray[np.float32]:
    """MaxSim of the query with each text, (len(texts),), in their order.

    A text without tokens scores -inf; so does every text if the query has none.
    """
    tokens = encoder.encode_queries([query]).row(0)
    if len(tokens) == 0:
        return np.full(len(texts), -np.inf, dtype=np.float32)
    return TokenStore.from_batch(encoder.encode_documents(texts)).maxsim(tokens, None)


def _encode(
    pipeline: Pipeline, snapshot: Snapshot, encoders: CollectionEncoders, queries: Sequence[str]
) -> EncodedQueries:
    by_terms = encoders.sparse if "sparse" in pipeline.signals else None
    by_tokens = encoders.multivector if "multivector" in pipeline.signals else None
    if by_terms is not None:
        _require_same("sparse", by_terms.fingerprint, snapshot)
    if by_tokens is not None:
        _require_same("multivector", by_tokens.fingerprint, snapshot)
    encoded = encode_queries(queries, snapshot, sparse=by_terms, multivector=by_tokens)
    return EncodedQueries(len(queries), encoded.sparse, encoded.tokens)


def _require_same(signal: Signal, fingerprint: str, snapshot: Snapshot) -> None:
    for found in snapshot.fingerprints(signal) - {fingerprint}:
        raise EncoderError(
            f"documents were encoded by {found}, but this installation's {signal} encoder is "
            f"{fingerprint}; install the one that they were encoded by, or index the corpus again"
        )


def _retrieve(
    stage: Retrieve,
    snapshot: Snapshot,
    encoders: CollectionEncoders,
    queries: EncodedQueries,
    k: int,
) -> Hits:
    depth = k if stage.depth is None else max(stage.depth, k)
    if stage.backend is not None and queries.sparse is not None:
        return encoders.backends[stage.backend].search(snapshot, queries.sparse, depth)
    if stage.signal == "sparse" and queries.sparse is not None:
        engine = stage.engine if isinstance(stage.engine, SparseEngine) else EXACT
        threads = _threads(queries.n_queries)
        return snapshot.search_sparse(queries.sparse, depth, engine=engine, threads=threads)
    if stage.signal == "multivector" and queries.tokens is not None:
        by = stage.engine if isinstance(stage.engine, MultiVectorEngine) else AUTO_MAXSIM
        return snapshot.search_multivector(queries.tokens, depth, engine=by, terms=queries.sparse)
    return Hits.from_rows([], depth)


def _threads(n_queries: int) -> int:
    """A batch is a job of its own; single queries of a service share the cores among them."""
    return (os.cpu_count() or 1) if n_queries >= _BATCH else 1


def _fuse(fuse: Fuse, rankings: Sequence[Hits], n_queries: int) -> Hits:
    rows = [_fuse_one(fuse, [hits.row(i) for hits in rankings]) for i in range(n_queries)]
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0))


def _fuse_one(
    fuse: Fuse, found: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    if fuse.weights is not None:
        return weighted_scores(found, fuse.weights)
    return reciprocal_rank([one for one, _ in found], rank_constant=fuse.rank_constant)


def _rerank(rerank: Rerank, snapshot: Snapshot, tokens: TokenBatch, hits: Hits, k: int) -> Hits:
    """Queries without tokens keep the order that they had."""
    rows: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    if rerank.carve is not None:
        tokens = carved(tokens, rerank.carve)
    for i in range(len(hits)):
        ordinals, scores = hits.row(i)
        ordinals, scores = ordinals[: max(rerank.depth, k)], scores[: max(rerank.depth, k)]
        if len(tokens.row(i)):
            scores = snapshot.maxsim(tokens.row(i), ordinals)
        rows.append(best_first(ordinals, scores, len(ordinals)))
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0))


def _cut(hits: Hits, k: int) -> Hits:
    return Hits(hits.ordinals[:, :k], hits.scores[:, :k])


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Generator[None, None, None]:
        start = time.perf_counter()
        yield
        self.timings_ms[f"{name}_ms"] = (time.perf_counter() - start) * 1e3
