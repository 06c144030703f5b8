"""Which documents lie beside those that were found?

Over a graph of nearest neighbours, as in arXiv 2507.19715: by hops, or by personalised PageRank
(Page, Brin, Motwani & Winograd 1999; Haveliwala, WWW 2002). Both give a ranking, which is blended
with the one that it began with. Documents without edges, such as pending ones, keep their place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.fusion import Row, finite, weighted_sum
from lexmax.index.neighbours import Edges
from lexmax.types import best_first

EdgesOf: TypeAlias = Callable[[NDArray[np.int64]], Edges]
"""Gives the edges that lead from documents, int64 (n,)."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Some documents and the edges between them.

    Attributes:
        ordinals: The documents, ascending, (n,).
        sources: Where each edge comes from, as a place in `ordinals`, ascending, (n_edges,).
        targets: Where it leads, likewise.
        similarities: Of both, above 0, (n_edges,).
    """

    ordinals: NDArray[np.int64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    similarities: NDArray[np.float64]

    def places(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of documents that are there."""
        return np.searchsorted(self.ordinals, ordinals)


def around(ordinals: NDArray[np.int64], edges_of: EdgesOf, *, hops: int = 1) -> Surroundings:
    """The documents and what is at most `hops` edges away, with all edges between these.

    Raises:
        ShapeError: if `hops` is below 0.
    """
    if hops < 0:
        raise ShapeError(f"hops is {hops}; expected 0 or more")
    reached = np.unique(ordinals)
    frontier = reached
    for _ in range(hops):
        beside = np.unique(edges_of(frontier).ordinals)
        frontier = np.setdiff1d(beside, reached, assume_unique=True)
        reached = np.union1d(reached, frontier)
    edges = edges_of(reached)
    places = np.searchsorted(reached, edges.ordinals)
    places[places == len(reached)] = 0
    inside = reached[places] == edges.ordinals if len(reached) else np.zeros(0, np.bool_)
    sources = np.repeat(np.arange(len(reached)), np.diff(edges.starts))
    similarities = edges.similarities.astype(np.float64)
    return Surroundings(reached, sources[inside], places[inside], similarities[inside])


def hops(found: Row, edges_of: EdgesOf, *, hops: int = 1) -> Row:
    """What lies at most `hops` edges from what was found, best first, ties by ordinal.

    Each of n documents that were found has its score, scaled to 1/n (last) to 1; what an edge leads
    to gets that times the similarity, of several the greatest, and what was found keeps its own if
    that is more. Nothing found has nothing beside it.
    """
    ordinals, scores = found
    there = around(ordinals, edges_of, hops=hops)
    passed = np.zeros(len(there.ordinals))
    passed[there.places(ordinals)] = _scaled(scores)
    for _ in range(hops):
        handed = passed[there.sources] * there.similarities
        following = passed.copy()
        np.maximum.at(following, there.targets, handed)
        passed = following
    return best_first(there.ordinals, passed.astype(np.float32), len(passed))


def personalised_pagerank(
    found: Row, edges_of: EdgesOf, *, restart: float = 0.2, steps: int = 15, hops: int = 2
) -> Row:
    """How often a walk from what was found is at each document, best first, ties by ordinal.

    p = restart * e + (1 - restart) * P p, `steps` times from p = e: e are the scores of the n
    documents that were found, scaled to 1/n (last) to 1 and then to sum to one; P goes along edges
    by their share of the similarities that lead from a document, and where none leads on, it begins
    anew. Walks stay within `hops` edges of what was found. The scores sum to one.

    Raises:
        ShapeError: if `restart` is not 0 to 1.
    """
    if not 0 <= restart <= 1:
        raise ShapeError(f"restart is {restart}; expected 0 to 1")
    ordinals, scores = found
    there = around(ordinals, edges_of, hops=hops)
    n = len(there.ordinals)
    start = np.zeros(n)
    start[there.places(ordinals)] = _scaled(scores)
    start /= start.sum() or 1
    totals = np.bincount(there.sources, there.similarities, minlength=n)
    chances = there.similarities / totals[there.sources]
    stuck = totals == 0
    walked = start
    for _ in range(steps):
        moved = np.bincount(there.targets, walked[there.sources] * chances, minlength=n)
        walked = restart * start + (1 - restart) * (moved + walked[stuck].sum() * start)
    return best_first(there.ordinals, walked.astype(np.float32), n)


def blended(found: Row, graph: Row, *, weight: float = 0.3) -> Row:
    """(1 - weight) times the ranking's scores and weight times the graph's, each scaled to 0 to 1.

    A document that one of them lacks has its least score there. Best first, ties by ordinal.
    """
    return weighted_sum([found, graph], [1 - weight, weight])


def _scaled(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    values = finite(scores)
    span = np.ptp(values) if len(values) else 0.0
    if span == 0:
        return np.ones(len(values))
    # Not to 0, or nothing would begin at the last one.
    least = 1 / len(values)
    scaled: NDArray[np.float64] = least + (1 - least) * (values - values.min()) / span
    return scaled
