"""Which document is judged next?

Each method gives all documents of a pool in the order in which it would have them judged, so that
any budget is a beginning of that order. A method may look at the relevance of documents that it
has had judged already, and at no other.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.qrels_study.pool import Pool

Method: TypeAlias = Callable[[Pool, np.random.Generator], list[int]]
"""Places in the pool, each once, of a pool; the generator decides between equals."""

# Aslam, Pavlu and Savell 2003 use this rate of learning.
_BETA = 0.1


def by_depth(pool: Pool, rng: np.random.Generator) -> list[int]:
    """Depth-k pooling: by the best rank that any run gives."""
    return list(range(len(pool.doc_ids)))


def at_random(pool: Pool, rng: np.random.Generator) -> list[int]:
    """Any order: what every other method should beat."""
    return [int(place) for place in rng.permutation(len(pool.doc_ids))]


def move_to_front(pool: Pool, rng: np.random.Generator) -> list[int]:
    """Cormack, Palmer and Clarke 1998: a run goes on being judged while it finds relevant ones.

    All runs begin with the same priority. The first of the highest priority is judged down its
    ranking; a document that is not relevant lowers it by one, and the next is taken.
    """
    queues = [iter(queue) for queue in _shuffled(pool, rng)]
    priorities = np.zeros(len(queues))
    judged: dict[int, None] = {}
    while np.isfinite(priorities).any():
        run = int(np.argmax(priorities))
        place = next((p for p in queues[run] if p not in judged), None)
        if place is None:
            priorities[run] = -np.inf
            continue
        judged[place] = None
        priorities[run] -= not pool.is_relevant[place]
    return list(judged)


def max_mean(pool: Pool, rng: np.random.Generator) -> list[int]:
    """After Losada, Parapar and Barreiro 2016: the run with the highest share of relevant ones.

    A run is an arm of a bandit whose reward is Beta(1, 1) before the first judgement; that of the
    highest posterior mean has its next document judged. Of equal ones the first in a random order.
    """
    queues = [iter(queue) for queue in _shuffled(pool, rng)]
    n_relevant, n_judged = np.ones(len(queues)), np.full(len(queues), 2.0)
    judged: dict[int, None] = {}
    while np.isfinite(n_relevant).any():
        run = int(np.argmax(n_relevant / n_judged))
        place = next((p for p in queues[run] if p not in judged), None)
        if place is None:
            n_relevant[run] = -np.inf
            continue
        judged[place] = None
        n_judged[run] += 1
        n_relevant[run] += pool.is_relevant[place]
    return list(judged)


def hedge(pool: Pool, rng: np.random.Generator) -> list[int]:
    """Aslam, Pavlu and Savell 2003: the document that weighted runs agree most on.

    A run's loss at a document of rank r is log(depth / r) / 2, positive if it is not relevant and
    negative if it is; runs that do not rank it are taken to rank it half as deep again. The weight
    of a run is beta to the power of its losses, and the document of the largest weighted loss (the
    most to learn from) is judged next.
    """
    ranks = np.where(pool.ranks > 0, pool.ranks, 1.5 * pool.depth)
    losses = 0.5 * np.log(pool.depth / ranks)
    log_weights = np.zeros(len(ranks))
    is_open = np.ones(len(pool.doc_ids), np.bool_)
    judged: list[int] = []
    for _ in pool.doc_ids:
        weights = np.exp(log_weights - log_weights.max())
        place = int(np.argmax(np.where(is_open, weights @ losses, -np.inf)))
        is_open[place] = False
        judged.append(place)
        lost = -losses[:, place] if pool.is_relevant[place] else losses[:, place]
        log_weights += np.log(_BETA) * lost
    return judged


def _shuffled(pool: Pool, rng: np.random.Generator) -> list[list[int]]:
    """The rankings of the runs, in an order that prefers none."""
    queues = pool.queues()
    order: NDArray[np.int64] = rng.permutation(len(queues))
    return [queues[run] for run in order]


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "depth": by_depth,
        "move-to-front": move_to_front,
        "max-mean": max_mean,
        "hedge": hedge,
        "random": at_random,
    }
)
