"""What do a query and a document have in common, term by term and token by token?"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.explaining.explanation import MaxSimMatch, SparseMatch, TermMatch, TokenMatch

Terms: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.float32]]
"""One row of a SparseBatch: term ids, ascending, and their weights."""


def sparse_match(
    query: Terms,
    document: Terms,
    *,
    stage: str,
    name: Callable[[int], str],
    asked: NDArray[np.uint32],
    own: NDArray[np.uint32] | None,
) -> SparseMatch:
    """The dot product of two rows, term by term.

    Args:
        query: As searched with.
        document: As stored.
        stage: Which searched with this query.
        name: Of a term.
        asked: Terms of the query before feedback.
        own: Terms that stand in the document's text; None where that is unknown.
    """
    weights = dict(zip(document[0].tolist(), document[1].tolist(), strict=True))
    before, in_text = set(asked.tolist()), None if own is None else set(own.tolist())
    matches = [
        TermMatch(
            name(term),
            weight,
            held := weights.get(term, 0.0),
            weight * held,
            None if in_text is None else held > 0 and term not in in_text,
            term not in before,
        )
        for term, weight in zip(query[0].tolist(), query[1].tolist(), strict=True)
    ]
    matches.sort(key=lambda match: (-match.contribution, -match.query_weight, match.term))
    return SparseMatch(stage, float(sum(match.contribution for match in matches)), tuple(matches))


def maxsim_match(
    query: NDArray[np.float32],
    document: NDArray[np.float32],
    *,
    stage: str,
    similarities: NDArray[np.float32],
    query_names: Sequence[str],
    document_names: Sequence[str],
    n_asked: int,
) -> MaxSimMatch | None:
    """MaxSim of vectors (n, d) and (m, d), token by token.

    The most similar token is found with the vectors as they are decoded; of equal ones the first.
    None where query or document has no vector, and so no MaxSim.

    Args:
        query: As searched with.
        document: As stored.
        stage: Which searched with this query.
        similarities: MaxSim of each vector of the query alone, (n,), as the index computes it.
        query_names: Of the query's vectors.
        document_names: Of the document's.
        n_asked: Vectors of the query before feedback, which adds its own behind them.
    """
    if len(query) == 0 or len(document) == 0:
        return None
    best: list[int] = (query @ document.T).argmax(axis=1).tolist()
    matches = tuple(
        TokenMatch(
            query_names[i], i, document_names[place], place, float(similarities[i]), i >= n_asked
        )
        for i, place in enumerate(best)
    )
    return MaxSimMatch(stage, float(similarities.sum(dtype=np.float64)), matches)
