"""How early does a ranking show what is relevant? The figures of trec_eval, over arrays.

Each function gives float64 (n_queries). `cutoff` is the deepest rank that counts, None for all;
`rel` the least grade that is relevant. Queries without an answer and queries without a relevant
document get 0. Tests hold every function to pytrec_eval within 1e-9.
"""

import numpy as np

from lexmax.eval.measures.found import Floats, Found, Ints, share


def precision(found: Found, *, cutoff: int, rel: int) -> Floats:
    """P: share of the first ranks that hold a relevant document, empty ranks counted."""
    return found.total(found.relevant(rel, cutoff)) / cutoff


def recall(found: Found, *, cutoff: int | None, rel: int) -> Floats:
    """R: share of the relevant documents that are found."""
    return share(found.total(found.relevant(rel, cutoff)), found.judged.n_relevant(rel))


def success(found: Found, *, cutoff: int | None, rel: int) -> Floats:
    """Success: 1 if a relevant document is found, else 0."""
    return np.minimum(found.total(found.relevant(rel, cutoff)), 1.0)


def reciprocal_rank(found: Found, *, cutoff: int | None, rel: int) -> Floats:
    """RR: one over the rank of the first relevant document, as MS MARCO's script has it."""
    chosen = found.relevant(rel, cutoff)
    # Ranks ascend in a query, so the first of each is its best.
    rows, first = np.unique(found.rows[chosen], return_index=True)
    values = np.zeros(found.n_queries)
    values[rows] = 1.0 / found.ranks[chosen][first]
    return values


def average_precision(found: Found, *, cutoff: int | None, rel: int) -> Floats:
    """AP: mean over all relevant documents of the precision at each one's rank, 0 if not found."""
    chosen = found.relevant(rel, cutoff)
    rows = found.rows[chosen]
    precisions = counted(rows) / found.ranks[chosen]
    sums = np.bincount(rows, precisions, minlength=found.n_queries)
    return share(sums.astype(np.float64), found.judged.n_relevant(rel))


def judged_share(found: Found, *, cutoff: int | None) -> Floats:
    """Judged: share of the first documents that have a grade; of a shorter ranking, of it all."""
    deep = found.lengths if cutoff is None else np.minimum(found.lengths, cutoff)
    return share(found.total(found.ranks <= deep[found.rows]), deep)


def discounted_gain(found: Found, *, cutoff: int | None) -> Floats:
    """Gives nDCG (Järvelin & Kekäläinen 2002): grades are gains, those below 0 gain nothing."""
    grades, ranks = found.judged.best_first()
    n_queries = found.n_queries
    return share(
        _gains(found.grades, found.ranks, found.rows, cutoff=cutoff, n_queries=n_queries),
        _gains(grades, ranks, found.judged.rows, cutoff=cutoff, n_queries=n_queries),
    )


def _gains(grades: Ints, ranks: Ints, rows: Ints, *, cutoff: int | None, n_queries: int) -> Floats:
    chosen = grades > 0
    if cutoff is not None:
        chosen &= ranks <= cutoff
    gains = grades[chosen] / np.log2(ranks[chosen] + 1.0)
    return np.bincount(rows[chosen], gains, minlength=n_queries).astype(np.float64)


def counted(rows: Ints) -> Ints:
    """Numbers from 1 in each stretch of equal rows: [4, 4, 7] gives [1, 2, 1]."""
    return np.arange(len(rows)) - np.searchsorted(rows, rows) + 1
