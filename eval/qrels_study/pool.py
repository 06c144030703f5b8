"""Which documents of a topic do the runs propose for judging?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pool:
    """The documents that can be judged for one topic, and where each run ranks them.

    Attributes:
        doc_ids: in the order of their best rank, then of the runs.
        ranks: (n_runs, n_docs), int64, from 1; 0 where a run does not rank the document.
        is_relevant: (n_docs), bool; what the full qrels say.
        depth: the deepest rank that counts.
        n_unjudged: documents that runs propose and the full qrels do not judge: left out, because
            nobody can say what they are.
    """

    doc_ids: tuple[str, ...]
    ranks: NDArray[np.int64]
    is_relevant: NDArray[np.bool_]
    depth: int
    n_unjudged: int

    @classmethod
    def of(
        cls,
        rankings: Sequence[Sequence[str]],
        judged: Mapping[str, int],
        *,
        depth: int,
        rel: int = 1,
    ) -> Self:
        """The pool of one topic.

        Args:
            rankings: Doc_ids, best first, one sequence a run.
            judged: Full qrels of the topic.
            depth: How many documents of each run are taken.
            rel: Least grade that is relevant.
        """
        places: dict[str, int] = {}
        unjudged = set[str]()
        for rank in range(depth):
            for ranking in rankings:
                if rank < len(ranking):
                    if ranking[rank] in judged:
                        places.setdefault(ranking[rank], len(places))
                    else:
                        unjudged.add(ranking[rank])
        ranks = np.zeros((len(rankings), len(places)), np.int64)
        for row, ranking in enumerate(rankings):
            for rank, doc_id in enumerate(ranking[:depth], start=1):
                if doc_id in places:
                    ranks[row, places[doc_id]] = rank
        is_relevant = np.array([judged[doc_id] >= rel for doc_id in places], np.bool_)
        return cls(tuple(places), ranks, is_relevant, depth, len(unjudged))

    def queues(self) -> list[list[int]]:
        """The documents of each run, best first."""
        found: list[list[int]] = []
        for row in self.ranks:
            ranked = np.flatnonzero(row)
            found.append(ranked[np.argsort(row[ranked], kind="stable")].tolist())
        return found
