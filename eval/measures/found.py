"""Which judged documents does a run find, and at which ranks?

Measures only ask for these: of the thousand documents that a run has for a query, a few are
judged. So a run becomes three short arrays, and every measure sums over them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.qrels import Qrels

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """Qrels as arrays: a *pair* is a judged document of a query, pairs of a query are neighbours.

    Attributes:
        query_ids: (n_queries), in the order of the qrels.
        pairs: number of the pair by doc_id, a mapping a query.
        starts: (n_queries + 1), int64; pairs starts[i] to starts[i + 1] belong to query i.
        grades: (n_pairs), int64.
        rows: (n_pairs), int64; which query.
    """

    query_ids: tuple[str, ...]
    pairs: tuple[Mapping[str, int], ...]
    starts: Ints
    grades: Ints
    rows: Ints

    @classmethod
    def of(cls, qrels: Qrels) -> Self:
        """The arrays of qrels."""
        starts = np.cumsum([0, *map(len, qrels.values())], dtype=np.int64)
        numbered = tuple(
            {doc_id: int(start) + i for i, doc_id in enumerate(grades)}
            for start, grades in zip(starts, qrels.values(), strict=False)
        )
        n_pairs = int(starts[-1])
        grades = (grade for judged in qrels.values() for grade in judged.values())
        rows = np.repeat(np.arange(len(qrels), dtype=np.int64), np.diff(starts))
        return cls(tuple(qrels), numbered, starts, np.fromiter(grades, np.int64, n_pairs), rows)

    def per_query(self, pairs: NDArray[np.bool_]) -> Ints:
        """How many of the pairs (n_pairs, bool) each query has, int64 (n_queries)."""
        return np.bincount(self.rows[pairs], minlength=len(self.query_ids)).astype(np.int64)

    def n_relevant(self, rel: int) -> Ints:
        """Documents of grade `rel` or above, int64 (n_queries)."""
        return self.per_query(self.grades >= rel)

    def best_first(self) -> tuple[Ints, Ints]:
        """(grades, ranks from 1), int64 (n_pairs) each, of the ranking that no other exceeds.

        The pairs of a query are as many as before and at the same places, so `rows` fits.
        """
        order = np.lexsort((-self.grades, self.rows))
        return self.grades[order], np.arange(len(self.rows)) - self.starts[self.rows] + 1

    def by_doc_id(self) -> Ints:
        """Places from 0 of each pair among its query's, by doc_id ascending, int64 (n_pairs)."""
        places = np.empty(len(self.rows), np.int64)
        for pairs in self.pairs:
            numbers = [pairs[doc_id] for doc_id in sorted(pairs)]
            places[numbers] = np.arange(len(numbers))
        return places


@dataclass(frozen=True, slots=True)
class Found:
    """The judged documents in a run.

    Attributes:
        judged: the qrels.
        pairs: (n_found), int64; pairs of a query together, best rank first.
        ranks: (n_found), int64; from 1.
        lengths: (n_queries), int64; how many documents the run has.
    """

    judged: Judged
    pairs: Ints
    ranks: Ints
    lengths: Ints

    @classmethod
    def of(cls, judged: Judged, rankings: Mapping[str, Sequence[str]]) -> Self:
        """Looks each document of `rankings` up: doc_ids by query_id, best first."""
        found: list[int] = []
        ranks: list[int] = []
        lengths = np.zeros(len(judged.query_ids), np.int64)
        for row, (query_id, pairs) in enumerate(zip(judged.query_ids, judged.pairs, strict=True)):
            ranking = rankings.get(query_id) or ()
            lengths[row] = len(ranking)
            here = [rank for rank, doc_id in enumerate(ranking) if doc_id in pairs]
            found += [pairs[ranking[rank]] for rank in here]
            ranks += here
        return cls(judged, np.array(found, np.int64), np.array(ranks, np.int64) + 1, lengths)

    @property
    def n_queries(self) -> int:
        """Judged queries, whether or not the run answers them."""
        return len(self.lengths)

    @property
    def rows(self) -> Ints:
        """Which query each belongs to, int64 (n_found)."""
        return self.judged.rows[self.pairs]

    @property
    def grades(self) -> Ints:
        """Int64 (n_found)."""
        return self.judged.grades[self.pairs]

    def total(self, chosen: NDArray[np.bool_], values: Floats | None = None) -> Floats:
        """Sum of `values` (n_found), or else the number, of those chosen, by query (n_queries)."""
        weights = None if values is None else values[chosen]
        sums = np.bincount(self.rows[chosen], weights, minlength=self.n_queries)
        return sums.astype(np.float64)

    def relevant(self, rel: int, cutoff: int | None = None) -> NDArray[np.bool_]:
        """Which are of grade `rel` or above, and within the cutoff; bool (n_found)."""
        chosen = self.grades >= rel
        return chosen if cutoff is None else chosen & (self.ranks <= cutoff)


def share(part: Floats, whole: NDArray[np.int64] | Floats) -> Floats:
    """The part over the whole, 0 where the whole is 0; float64."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) != 0)
