"""What does the adapter know of a query? Its vector, or a few numbers, all known when serving."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.types import SparseBatch, TermStatistics, TokenBatch

FEATURES = (
    "n_terms",
    "sum_idf",
    "max_idf",
    "query_mass",
    "n_tokens",
    "top_score",
    "mean_score",
    "std_score",
)


@dataclass(frozen=True, slots=True)
class QueryFeatures:
    """One query: `vector` float32 (dim,), `numbers` float64 in the order of `FEATURES`.

    Raises:
        ShapeError: if one of them is not of that shape, or not finite.
    """

    vector: NDArray[np.float32] | None = None
    numbers: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.numbers is not None and self.numbers.shape != (len(FEATURES),):
            raise ShapeError(f"numbers {self.numbers.shape}; expected ({len(FEATURES)},)")
        if self.vector is not None and self.vector.ndim != 1:
            raise ShapeError(f"vector {self.vector.shape}; expected (dim,)")
        for name, values in (("vector", self.vector), ("numbers", self.numbers)):
            if values is not None and not np.isfinite(values).all():
                raise ShapeError(f"{name} of a query holds NaN or infinity; expected numbers")


class Encoded(Protocol):
    """Queries as each signal sees them; None where no stage needs it."""

    @property
    def sparse(self) -> SparseBatch | None:
        """Term weights."""
        ...

    @property
    def tokens(self) -> TokenBatch | None:
        """Token vectors."""
        ...

    @property
    def pooled(self) -> NDArray[np.float32] | None:
        """One vector a query, (n_queries, dim)."""
        ...


def query_features(
    queries: Encoded,
    i: int,
    scores: NDArray[np.float32],
    *,
    depth: int,
    statistics: TermStatistics,
) -> QueryFeatures:
    """What is known of query `i` once its candidates are scored.

    Args:
        queries: As the pipeline's stages see them.
        i: Which of them.
        scores: Of its candidates, best first, (n,); the first `depth` are looked at.
        depth: The adapter's; fewer scores than that, where there are more candidates, would say
            something else.
        statistics: What the collection knows of terms.
    """
    idf, mass, n_tokens = np.zeros(0), 0.0, 0
    tokens = None if queries.tokens is None else queries.tokens.row(i)
    pooled = None if queries.pooled is None else queries.pooled[i]
    if queries.sparse is not None:
        term_ids, weights = queries.sparse.row(i)
        idf, mass = _idf(term_ids, statistics), float(weights.sum())
    if tokens is not None:
        n_tokens = len(tokens)
    of_terms = (len(idf), idf.sum(), idf.max(initial=0.0), mass)
    numbers = np.array([*of_terms, n_tokens, *_moments(scores[:depth])], dtype=np.float64)
    return QueryFeatures(query_vector(tokens, pooled), numbers)


def query_vector(
    tokens: NDArray[np.float32] | None, pooled: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """The pooled vector, else the mean of the token vectors; zeros where there is no token."""
    if pooled is not None:
        return pooled
    if tokens is None:
        return None
    mean: NDArray[np.float32] = tokens.sum(axis=0) / np.float32(max(len(tokens), 1))
    return mean


def _idf(term_ids: NDArray[np.uint32], statistics: TermStatistics) -> NDArray[np.float64]:
    """Of bm25 (Robertson et al. 1994), never below 0; (len(term_ids),)."""
    held = statistics.doc_freqs(term_ids).astype(np.float64)
    return np.log1p((statistics.n_docs - held + 0.5) / (held + 0.5))


def _moments(scores: NDArray[np.float32]) -> tuple[float, float, float]:
    """Best, mean and standard deviation of those that are numbers; zeros if there is none."""
    known = scores[np.isfinite(scores)].astype(np.float64)
    if not len(known):
        return 0.0, 0.0, 0.0
    return float(known.max()), float(known.mean()), float(known.std())
