"""How much of a pool of candidates must the reader of a systematic review see?

The pool of a query is every document that is ranked or judged; N of them. Judged documents that
the run leaves out are appended to it, by doc_id. Queries without a relevant document say nothing:
NaN. (Cohen et al. 2006; CLEF TAR 2017 to 2019; Wang et al. 2022.)
"""

from fractions import Fraction

import numpy as np

from lexmax.eval.measures.found import Floats, Found, Ints
from lexmax.eval.measures.ranked import counted


def work_saved(found: Found, *, percent: Fraction, rel: int) -> Floats:
    """WSS: what is not read until a recall is reached, less what chance would not: float64.

    (N - k) / N - (1 - r), k being the rank at which the recall r is reached; `percent` is 100 r.
    """
    rows, ranks, order = _relevant_ranks(found, rel)
    reached = order == ceiling(percent, found.judged.n_relevant(rel))[rows]
    pool = _pool_sizes(found)
    left = pool - _by_query(found, rows[reached], ranks[reached])
    return left / np.maximum(pool, 1) - (1.0 - float(percent) / 100)


def last_relevant(found: Found, *, rel: int) -> Floats:
    """LastRel: the rank of the last relevant document, as a share of the pool."""
    rows, ranks, order = _relevant_ranks(found, rel)
    is_last = order == found.judged.n_relevant(rel)[rows]
    return _by_query(found, rows[is_last], ranks[is_last]) / np.maximum(_pool_sizes(found), 1)


def recall_of_pool(found: Found, *, percent: Fraction, rel: int) -> Floats:
    """R@p%: share of the relevant documents among the first ceil(p N / 100) of the pool."""
    rows, ranks, _ = _relevant_ranks(found, rel)
    n_relevant = found.judged.n_relevant(rel)
    cut = ceiling(percent, _pool_sizes(found))
    n_found = np.bincount(rows[ranks <= cut[rows]], minlength=found.n_queries)
    values = np.full(found.n_queries, np.nan)
    np.divide(n_found, n_relevant, out=values, where=n_relevant > 0)
    return values


def ceiling(percent: Fraction, counts: Ints) -> Ints:
    """The least integers not below `percent` % of the counts; exact, which floats are not."""
    numerator, denominator = percent.numerator, percent.denominator * 100
    return -(-counts * numerator // denominator)


def _by_query(found: Found, rows: Ints, ranks: Ints) -> Floats:
    values = np.full(found.n_queries, np.nan)
    values[rows] = ranks
    return values


def _pool_sizes(found: Found) -> Ints:
    n_both = np.bincount(found.rows, minlength=found.n_queries)
    return found.lengths + np.diff(found.judged.starts) - n_both


def _relevant_ranks(found: Found, rel: int) -> tuple[Ints, Ints, Ints]:
    """(query, rank in its pool, how many relevant ones up to it) of each relevant document."""
    judged = found.judged
    ranks = np.zeros(len(judged.rows), np.int64)
    ranks[found.pairs] = found.ranks
    appended = np.flatnonzero(ranks == 0)
    appended = appended[np.lexsort((judged.by_doc_id()[appended], judged.rows[appended]))]
    rows = judged.rows[appended]
    ranks[appended] = found.lengths[rows] + counted(rows)
    relevant = np.flatnonzero(judged.grades >= rel)
    relevant = relevant[np.lexsort((ranks[relevant], judged.rows[relevant]))]
    rows = judged.rows[relevant]
    return rows, ranks[relevant], counted(rows)
