"""Where documents are split: how do rows, which are passages, become documents?

Retrieval, fusion, graph and reranking see passages. Here their ranking becomes one of documents,
of which each is stood for by its best passage: its ordinal, its vectors, its place in the text.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.fusion import Row, behind
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline.fusing import cut
from lexmax.pipeline.queries import EncodedQueries
from lexmax.stages import Documents, TopPassages
from lexmax.types import Hits, best_first

Search: TypeAlias = Callable[[EncodedQueries, int], Hits]


def gathered(rule: Documents, snapshot: Snapshot, hits: Hits, depth: int) -> Hits:
    """A ranking of documents for each one of passages; ties by the document that came first.

    Means are over what stands among the first `depth` passages; documents of others go behind.
    """
    if not isinstance(rule, TopPassages):
        return distinct(snapshot, hits)

    def by_mean(row: Row) -> Row:
        best = _by_mean(rule.n, snapshot, cut(row, depth))
        later = row[0][_first_places(snapshot, row[0])]
        return behind(best, later[~np.isin(later, row[0][:depth])])

    return _each(hits, by_mean)


def distinct(snapshot: Snapshot, hits: Hits) -> Hits:
    """The first passage of every document in each ranking, in their order."""

    def first(row: Row) -> Row:
        places = _first_places(snapshot, row[0])
        return row[0][places], row[1][places]

    return _each(hits, first)


def deepened(
    search: Search,
    queries: EncodedQueries,
    depth: int,
    snapshot: Snapshot,
    *,
    in_time: Callable[[], bool],
) -> Hits:
    """Passages of at least `depth` documents for each query, or all that the search finds.

    As many passages are asked for as so many documents have on average; queries of which these
    are of fewer documents ask again for twice as many, each on its own account.
    """
    n_rows = in_passages(snapshot, depth)
    hits = search(queries, n_rows)
    rows = [hits.row(i) for i in range(len(hits))]
    short = list(range(len(rows)))
    while True:
        short = [
            i
            for i in short
            if len(rows[i][0]) >= n_rows and len(_first_places(snapshot, rows[i][0])) < depth
        ]
        if not short or not in_time():
            return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0))
        n_rows *= 2
        deeper = search(queries.take(short), n_rows)
        for place, i in enumerate(short):
            rows[i] = deeper.row(place)


def n_documents(snapshot: Snapshot, ordinals: NDArray[np.int64]) -> int:
    """Of how many documents these rows are."""
    return len(_first_places(snapshot, ordinals)) if snapshot.has_passages else len(ordinals)


def in_passages(snapshot: Snapshot, depth: int) -> int:
    """How many passages so many documents have on average."""
    return -(-depth * snapshot.n_docs // max(1, snapshot.n_documents))


def _each(hits: Hits, change: Callable[[Row], Row]) -> Hits:
    rows = [change(hits.row(i)) for i in range(len(hits))]
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0))


def _first_places(snapshot: Snapshot, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where in a ranking each document stands first, ascending."""
    places: NDArray[np.int64] = np.unique(snapshot.serials(ordinals), return_index=True)[1]
    return np.sort(places)


def _by_mean(n: int, snapshot: Snapshot, row: Row) -> Row:
    """Documents by the mean score of the best n of their passages, which stand best first."""
    ordinals, scores = row
    if len(ordinals) == 0:
        return row
    _, first, documents = np.unique(
        snapshot.serials(ordinals), return_index=True, return_inverse=True
    )
    found = np.bincount(documents)
    by_document = np.argsort(documents, kind="stable")
    place = np.empty(len(ordinals), np.int64)
    place[by_document] = np.arange(len(ordinals)) - np.repeat(np.cumsum(found) - found, found)
    counted = place < n
    sums = np.zeros(len(first))
    np.add.at(sums, documents[counted], scores[counted].astype(np.float64))
    wanted = np.minimum(snapshot.n_passages(ordinals[first]), n)
    missing = wanted - np.minimum(found, n)
    # What was not found is no better than the last that was.
    sums[missing > 0] += missing[missing > 0] * float(scores.min())
    means = np.nan_to_num(sums / wanted, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    return best_first(ordinals[first], means.astype(np.float32), len(first))
