"""Which hits are relevant enough? `lexmax.relevance` over the scores that the pipeline gave."""

import numpy as np
from numpy.typing import NDArray

from lexmax.pipeline.queries import EncodedQueries
from lexmax.relevance import Calibration, query_features
from lexmax.stages import RelevanceFilter
from lexmax.types import Hits, TermStatistics


def relevant(
    stage: RelevanceFilter,
    calibration: Calibration,
    statistics: TermStatistics,
    queries: EncodedQueries,
    hits: Hits,
) -> tuple[Hits, Hits]:
    """Hits that are relevant enough with their scores, and all hits with their relevance."""
    kept: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    told: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    for i in range(len(hits)):
        ordinals, scores = hits.row(i)
        features = query_features(
            queries, i, scores, depth=calibration.adapter.depth, statistics=statistics
        )
        shares, enough = calibration.filtered(scores, features, min_relevance=stage.min_relevance)
        kept.append((ordinals[enough], scores[enough]))
        told.append((ordinals, shares))
    width = hits.ordinals.shape[1]
    return Hits.from_rows(kept, width), Hits.from_rows(told, width)


def of_hits(hits: Hits, told: Hits) -> NDArray[np.float32]:
    """The relevance of every hit, shaped as these; 0 where there is none."""
    found = np.zeros(hits.scores.shape, dtype=np.float32)
    for i in range(len(hits)):
        ordinals, _ = hits.row(i)
        known, shares = told.row(i)
        order = np.argsort(known)
        found[i, : len(ordinals)] = shares[order[np.searchsorted(known[order], ordinals)]]
    return found
