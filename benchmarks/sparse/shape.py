"""Do the vectors have the statistics that learned sparse vectors have?"""

import numpy as np
from numpy.typing import NDArray
from profiles import VOCABULARY
from vectors import Vectors

_STEP = 1 << 24
_SAMPLE = 2000


def statistics(documents: Vectors, queries: Vectors) -> dict[str, float | int]:
    """Counts, document frequencies as shares of n_docs, and shares of weight in the top terms."""
    n, nnz = len(documents), int(documents.indptr[-1])
    doc_freqs = np.zeros(VOCABULARY, np.int64)
    for start in range(0, nnz, _STEP):
        doc_freqs += np.bincount(documents.term_ids[start : start + _STEP], minlength=VOCABULARY)
    curve = np.sort(doc_freqs)[::-1] / n
    touched = doc_freqs[queries.term_ids].sum() / len(queries) / n
    sample = np.random.default_rng(0).choice(n, min(n, _SAMPLE), replace=False)
    figures = {
        "docs": n,
        "doc_terms": nnz / n,
        "query_terms": int(queries.indptr[-1]) / len(queries),
        "active_terms": int((doc_freqs > 0).sum()),
        "df_max": curve[0],
        "df_rank_100": curve[99],
        "df_rank_1000": curve[999],
        "df_rank_10000": curve[9999],
        "postings_touched_over_docs": touched,
        "doc_top_50_mass": _top_mass(documents, 50, sample),
        "query_top_10_mass": _top_mass(queries, 10, np.arange(len(queries))),
    }
    return {name: _rounded(value) for name, value in figures.items()}


def score_decay(scores: NDArray[np.float64]) -> dict[str, float]:
    """Median over queries of the 10th, 100th and 1000th true score over the first."""
    best = scores[:, 0]
    return {
        f"s{rank}_over_s1": round(float(np.median(scores[:, rank - 1] / best)), 3)
        for rank in (10, 100, 1000)
        if rank <= scores.shape[1]
    }


def _rounded(value: float) -> float | int:
    return value if isinstance(value, int) else round(float(value), 4)


def _top_mass(vectors: Vectors, top: int, rows: NDArray[np.int64]) -> float:
    """Mean share of a row's weight that its heaviest terms hold."""
    shares = []
    for i in rows:
        weights = np.sort(vectors.row(int(i))[1])[::-1]
        shares.append(weights[:top].sum() / weights.sum())
    return float(np.mean(shares))
