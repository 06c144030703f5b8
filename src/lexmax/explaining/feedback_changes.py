"""How did the first documents change the query?"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lexmax.explaining.explanation import FeedbackExplanation, TermChange, TokenChange
from lexmax.explaining.matches import Terms
from lexmax.explaining.names import Names
from lexmax.explaining.one_search import OneSearch

_LEAST_CHANGE = 1e-6


def feedback_changes(
    search: OneSearch, names: Names, doc_ids: Callable[[NDArray[np.int64]], Sequence[str]]
) -> FeedbackExplanation | None:
    """What feedback made of the query; None without. `doc_ids` gives those of ordinals."""
    feedback, trace = search.pipeline.feedback, search.answer.trace
    if feedback is None or trace.changed is None:
        return None
    before, after = search.before, trace.changed
    terms: list[TermChange] = []
    if before.sparse is not None and after.sparse is not None:
        terms = term_changes(before.sparse.row(0), after.sparse.row(0), names.term)
    tokens: list[TokenChange] = []
    if before.tokens is not None and after.tokens is not None:
        tokens = token_changes(before.tokens.row(0), after.tokens.row(0), names.query_tokens())
    pooled = None
    if before.pooled is not None and after.pooled is not None and search.is_fed_back("pooled"):
        pooled = cosine(before.pooled[0], after.pooled[0])
    return FeedbackExplanation(
        feedback.method,
        feedback.placement,
        {signal: tuple(doc_ids(search.fed_back(signal))) for signal in trace.fed_back},
        tuple(terms),
        tuple(tokens),
        pooled,
    )


def term_changes(before: Terms, after: Terms, name: Callable[[int], str]) -> list[TermChange]:
    """Terms whose weight is another than before, the greatest change first."""
    old, new = _weights(before), _weights(after)
    changes = [
        TermChange(name(term), old.get(term, 0.0), new.get(term, 0.0))
        for term in sorted(old.keys() | new.keys())
        if abs(new.get(term, 0.0) - old.get(term, 0.0)) > _LEAST_CHANGE
    ]
    return sorted(changes, key=lambda change: (-abs(change.after - change.before), change.term))


def _weights(terms: Terms) -> Mapping[int, float]:
    return dict(zip(terms[0].tolist(), terms[1].tolist(), strict=True))


def token_changes(
    before: NDArray[np.float32], after: NDArray[np.float32], names: Sequence[str]
) -> list[TokenChange]:
    """Vectors (n, d) of a query after feedback that are not what they were; `names` of all."""
    changes: list[TokenChange] = []
    for i, vector in enumerate(after):
        if i < len(before) and np.allclose(vector, before[i], atol=_LEAST_CHANGE):
            continue
        similarity = cosine(before[i], vector) if i < len(before) else None
        changes.append(TokenChange(names[i], i, float(np.linalg.norm(vector)), similarity))
    return changes


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Of two vectors (d,); 0 where one is all zeros."""
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / lengths if lengths > 0 else 0.0
