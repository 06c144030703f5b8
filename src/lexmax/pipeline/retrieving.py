"""What does a retrieve stage find?"""

import os

from lexmax.errors import PipelineError
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline.queries import EncodedQueries
from lexmax.pipeline.sources import Sources
from lexmax.stages import MultiVectorRetrieve, PooledRetrieve, Retrieve, SparseRetrieve
from lexmax.stages.retrieve import sparse_engine
from lexmax.types import Hits

_BATCH = 16


def retrieve(stage: Retrieve, sources: Sources, queries: EncodedQueries, depth: int) -> Hits:
    """The best `depth` documents of each query; what the stage says of depth is the caller's."""
    snapshot = sources.snapshot
    if stage.filter is not None:
        snapshot = sources.matching(snapshot, stage.filter)
    if isinstance(stage, SparseRetrieve):
        return _by_terms(stage, snapshot, sources, queries, depth)
    if isinstance(stage, MultiVectorRetrieve):
        return _by_tokens(stage, snapshot, queries, depth)
    return _by_vector(stage, snapshot, queries, depth)


def _by_terms(
    stage: SparseRetrieve, snapshot: Snapshot, sources: Sources, queries: EncodedQueries, depth: int
) -> Hits:
    if queries.sparse is None:
        raise PipelineError(f"{stage.signal}: {_UNENCODED}")
    if stage.backend is not None:
        return sources.encoders.backends[stage.backend].search(snapshot, queries.sparse, depth)
    engine, threads = sparse_engine(stage.engine), _threads(queries)
    return snapshot.search_sparse(queries.sparse, depth, engine=engine, threads=threads)


def _by_tokens(
    stage: MultiVectorRetrieve, snapshot: Snapshot, queries: EncodedQueries, depth: int
) -> Hits:
    if queries.tokens is None:
        raise PipelineError(f"{stage.signal}: {_UNENCODED}")
    return snapshot.search_multivector(
        queries.tokens,
        depth,
        engine=stage.parsed,
        terms=queries.sparse,
        threads=_threads(queries),
    )


def _by_vector(
    stage: PooledRetrieve, snapshot: Snapshot, queries: EncodedQueries, depth: int
) -> Hits:
    if queries.pooled is None:
        raise PipelineError(f"{stage.signal}: {_UNENCODED}")
    return snapshot.search_pooled(queries.pooled, depth, threads=_threads(queries))


_UNENCODED = "the queries were not encoded for it; encode them for this very pipeline"


def _threads(queries: EncodedQueries) -> int:
    """A batch is a job of its own; single queries of a service share the cores among them."""
    return (os.cpu_count() or 1) if len(queries) >= _BATCH else 1
