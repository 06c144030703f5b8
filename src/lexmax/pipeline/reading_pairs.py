"""How does a model that reads query and document together order the best documents?"""

import numpy as np
from numpy.typing import NDArray

from lexmax.pipeline.queries import EncodedQueries
from lexmax.pipeline.sources import Sources
from lexmax.reranking import Outcome, PairReranker
from lexmax.stages import Pairs
from lexmax.types import Hits


def read_pairs(
    stage: Pairs, sources: Sources, queries: EncodedQueries, hits: Hits, k: int
) -> tuple[Hits, list[Outcome]]:
    """The best of each query by the scorer, and how that went for each query.

    A query whose outcome is a problem keeps the order that it had.

    Raises:
        EncoderError: if there is no such scorer.
    """
    reranker = PairReranker(sources.encoders.pairs(stage.scorer), cache=sources.scores)
    rows: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    outcomes: list[Outcome] = []
    for i in range(len(hits)):
        depth = max(stage.depth, k)
        ordinals, scores = hits.row(i)
        ordinals, scores = ordinals[:depth], scores[:depth]
        texts = sources.texts(ordinals)
        outcome = reranker.score(queries.texts[i], texts, deadline=sources.deadline)
        outcomes.append(outcome)
        rows.append((ordinals, scores) if outcome.problem else outcome.ranking(ordinals))
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0)), outcomes
