"""Which terms does each topic of the synthetic collection own?"""

from collections import namedtuple
from dataclasses import astuple, fields
from typing import Any, NamedTuple

import numpy as np
from draws import TOPIC, normal, pick, stream, uniform
from numba import njit
from numpy.typing import NDArray
from profiles import (
    ACTIVE_TERMS,
    BROAD_TOPICS,
    DOCS_PER_FINE_TOPIC,
    FIRST_TERM,
    PROFILES,
    VOCABULARY,
    Profile,
)

# numba reads named tuples, not dataclasses.
_Numbers = namedtuple("_Numbers", [field.name for field in fields(Profile)])  # type: ignore[misc]


class Topics(NamedTuple):
    """The tables that documents and queries are drawn from; sums are running sums of weights.

    Attributes:
        numbers: the profile as a named tuple.
        popular_terms: (ACTIVE_TERMS,) term ids, most popular first.
        popular_sums: (ACTIVE_TERMS,).
        rarity: (VOCABULARY,) 0 for the most popular term, 1 on average.
        broad_terms: (BROAD_TOPICS, broad_terms).
        broad_sums: the same shape.
        broad_of: (n_fine,) broad topic of each fine one.
        siblings: (n_fine,) fine topics, those of a broad topic together.
        siblings_start: (BROAD_TOPICS + 1,) where a broad topic's are in `siblings`.
        fine_terms: (n_fine, fine_terms).
        fine_weights: the same shape.
        fine_sums: the same shape.
        topic_sums: (n_fine,) how often documents are about each fine topic.
    """

    numbers: Any
    popular_terms: NDArray[np.int32]
    popular_sums: NDArray[np.float64]
    rarity: NDArray[np.float64]
    broad_terms: NDArray[np.int32]
    broad_sums: NDArray[np.float64]
    broad_of: NDArray[np.int32]
    siblings: NDArray[np.int32]
    siblings_start: NDArray[np.int64]
    fine_terms: NDArray[np.int32]
    fine_weights: NDArray[np.float32]
    fine_sums: NDArray[np.float32]
    topic_sums: NDArray[np.float64]


def make_topics(profile: str, *, n_docs: int, seed: int) -> Topics:
    """All tables for a collection of `n_docs` documents."""
    numbers = _Numbers(*astuple(PROFILES[profile]))
    random = np.random.default_rng(seed)
    n_fine = max(200, n_docs // DOCS_PER_FINE_TOPIC)
    popular_terms = random.permutation(np.arange(FIRST_TERM, VOCABULARY))[:ACTIVE_TERMS]
    popular_terms = popular_terms.astype(np.int32)
    popularity = 1.0 / (np.arange(ACTIVE_TERMS) + 25.0) ** 1.02
    popular_sums = np.cumsum(popularity / popularity.sum())
    rarity = _rarity(popular_terms)
    broad_terms, broad_sums = _broad(random, popular_terms, popularity, numbers.broad_terms)
    shares = random.lognormal(0, 0.8, BROAD_TOPICS)
    broad_of = random.choice(BROAD_TOPICS, n_fine, p=shares / shares.sum()).astype(np.int32)
    siblings = np.argsort(broad_of, kind="stable").astype(np.int32)
    fine = _fine(
        seed, numbers, broad_of, broad_terms, broad_sums, popular_terms, popular_sums, rarity
    )
    return Topics(
        numbers,
        popular_terms,
        popular_sums,
        rarity,
        broad_terms,
        broad_sums,
        broad_of,
        siblings,
        np.searchsorted(broad_of[siblings], np.arange(BROAD_TOPICS + 1)).astype(np.int64),
        *fine,
        np.cumsum(random.lognormal(0, 0.9, n_fine)),
    )


def _rarity(popular_terms: NDArray[np.int32]) -> NDArray[np.float64]:
    logs = np.log((np.arange(len(popular_terms)) + 25.0) / 25.0)
    rarity = np.ones(VOCABULARY)
    rarity[popular_terms] = logs / logs.mean()
    return rarity


def _broad(
    random: np.random.Generator,
    popular_terms: NDArray[np.int32],
    popularity: NDArray[np.float64],
    n_terms: int,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Terms drawn without replacement by dampened popularity (Gumbel top-k)."""
    terms = np.empty((BROAD_TOPICS, n_terms), np.int32)
    sums = np.empty((BROAD_TOPICS, n_terms))
    for topic in range(BROAD_TOPICS):
        keys = 0.75 * np.log(popularity) + random.gumbel(size=len(popularity))
        chosen = np.argpartition(-keys, n_terms)[:n_terms]
        terms[topic] = popular_terms[chosen]
        sums[topic] = np.cumsum(popularity[chosen] ** 0.55 * random.gamma(0.7, 1.0, n_terms))
    return terms, sums


@njit(cache=True)
def _fine(seed, numbers, broad_of, broad_terms, broad_sums, popular_terms, popular_sums, rarity):  # noqa: ANN001, ANN202
    """Terms, weights and running sums of every fine topic."""
    n_fine, n_terms = len(broad_of), numbers.fine_terms
    terms = np.empty((n_fine, n_terms), np.int32)
    weights = np.empty((n_fine, n_terms), np.float32)
    sums = np.empty((n_fine, n_terms), np.float32)
    owner = np.full(len(rarity), -1, np.int64)
    popular_below = numbers.topic_from_broad + numbers.topic_from_popular
    for topic in range(n_fine):
        state = stream(seed, TOPIC, topic)
        broad = broad_of[topic]
        total, held = 0.0, 0
        while held < n_terms:
            source = uniform(state)
            if source < numbers.topic_from_broad:
                term = broad_terms[broad, pick(broad_sums[broad], state)]
            elif source < popular_below:
                term = popular_terms[pick(popular_sums, state)]
            else:
                term = popular_terms[int(uniform(state) * len(popular_terms))]
            if owner[term] == topic:
                continue
            owner[term] = topic
            weight = np.exp(numbers.topic_spread * normal(state) - numbers.topic_decay * held)
            weight *= numbers.rarity_floor + numbers.rarity_slope * rarity[term]
            total += weight**0.8
            terms[topic, held], weights[topic, held], sums[topic, held] = term, weight, total
            held += 1
    return terms, weights, sums
