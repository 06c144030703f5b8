"""How do stored vectors score the best documents again?"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import MultiVectorEncoder
from lexmax.fusion import Row, behind
from lexmax.index.carving import carved
from lexmax.index.snapshot import Snapshot
from lexmax.index.tokens import TokenStore
from lexmax.pipeline.fusing import cut
from lexmax.pipeline.queries import EncodedQueries
from lexmax.stages import MaxSim, OtherSignal
from lexmax.types import Hits, best_first

Scorer: TypeAlias = Callable[[int, NDArray[np.int64]], "NDArray[np.float32] | None"]


def rescore(
    stage: MaxSim | OtherSignal, snapshot: Snapshot, queries: EncodedQueries, hits: Hits
) -> Hits:
    """The first of each query by what the stage reads; the others stay behind them.

    Queries that the signal says nothing of keep the order that they had; documents that it says
    nothing of keep it behind those that it scores.
    """
    return reordered(hits, stage.depth, _scorer(stage, snapshot, queries))


def reordered(hits: Hits, depth: int, score: Scorer) -> Hits:
    """The first `depth` hits of each query by new scores; None for a query keeps the old ones.

    Documents whose new score is -inf, which is none, go behind the others, and behind these go the
    hits beyond `depth` (`fusion.behind`).
    """
    rows: list[Row] = []
    for i in range(len(hits)):
        whole = hits.row(i)
        ordinals, _ = cut(whole, depth)
        found = score(i, ordinals)
        if found is None or not (scored := found > -np.inf).any():
            rows.append(whole)
        else:
            best = best_first(ordinals[scored], found[scored], len(ordinals))
            rows.append(behind(best, np.append(ordinals[~scored], whole[0][depth:])))
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0))


def _scorer(stage: MaxSim | OtherSignal, snapshot: Snapshot, queries: EncodedQueries) -> Scorer:
    if isinstance(stage, MaxSim):
        tokens = queries.tokens
        if tokens is not None and stage.carve is not None:
            tokens = carved(tokens, stage.carve)

        def by_tokens(i: int, ordinals: NDArray[np.int64]) -> NDArray[np.float32] | None:
            if tokens is None or len(tokens.row(i)) == 0:
                return None
            return snapshot.maxsim(tokens.row(i), ordinals)

        return by_tokens
    if stage.by == "sparse":

        def by_terms(i: int, ordinals: NDArray[np.int64]) -> NDArray[np.float32] | None:
            if queries.sparse is None or len(queries.sparse.row(i)[0]) == 0:
                return None
            return snapshot.score_sparse(queries.sparse.row(i), ordinals)

        return by_terms

    def by_vector(i: int, ordinals: NDArray[np.int64]) -> NDArray[np.float32] | None:
        if queries.pooled is None or not queries.pooled[i].any():
            return None
        return snapshot.score_pooled(queries.pooled[i], ordinals)

    return by_vector


def rerank_texts(
    query: str, texts: list[str] | tuple[str, ...], *, encoder: MultiVectorEncoder
) -> NDArray[np.float32]:
    """MaxSim of the query with each text, (len(texts),), in their order.

    A text without tokens scores -inf; so does every text if the query has none.
    """
    tokens = encoder.encode_queries([query]).row(0)
    if len(tokens) == 0:
        return np.full(len(texts), -np.inf, dtype=np.float32)
    return TokenStore.from_batch(encoder.encode_documents(texts)).maxsim(tokens, None)
