"""Which token vectors of a text may stand for all of them?

A text of 240 tokens says much the same with 120 vectors, or 60: neighbours in meaning are replaced
by their mean, or some tokens are left out. What follows (index, MaxSim) sees a shorter list.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lexmax.encoders.kmeans import kmeans_clusters
from lexmax.encoders.ward import ward_clusters
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

LONGEST = 4096
"""Tokens of a text that clusters are looked for in: cosines of all pairs are held in memory."""

_VANISHED = 1e-6


@dataclass(frozen=True, slots=True)
class Count:
    """How many vectors a text keeps: so many, a share of its tokens, or one in so many.

    Attributes:
        tokens: k, for every text (CRISP's C8x32 has 32).
        ratio: k = floor(ratio * its tokens), at least 1 (CRISP's C25 has .25).
        factor: k = ceil(its tokens / factor).

    Raises:
        EncoderError: unless exactly one is given, and tokens >= 1, 0 < ratio <= 1, factor >= 1.
    """

    tokens: int | None = None
    ratio: float | None = None
    factor: int | None = None

    def __post_init__(self) -> None:
        given = self._given()
        if len(given) != 1:
            raise EncoderError(
                f"found {' and '.join(given) or 'no count'}; "
                "expected exactly one of tokens, ratio and factor"
            )
        ((name, value),) = given.items()
        if name == "ratio" and not 0 < value <= 1:
            raise EncoderError(f"ratio is {value}; expected above 0 and at most 1")
        if name != "ratio" and value < 1:
            raise EncoderError(f"{name} is {value}; expected 1 or more")

    def _given(self) -> dict[str, float]:
        values = {"tokens": self.tokens, "ratio": self.ratio, "factor": self.factor}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def spec(self) -> str:
        """As in an encoder's spec: "factor=2"."""
        ((name, value),) = self._given().items()
        return f"{name}={value}"

    def of(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Vectors that texts of these lengths keep, (n_texts,): 0 of 0, else 1 to the length."""
        if self.tokens is not None:
            return np.minimum(lengths, np.int64(self.tokens))
        if self.factor is not None:
            return -(-lengths // np.int64(self.factor))
        share = np.floor(lengths * float(self.ratio or math.nan)).astype(np.int64)
        kept: NDArray[np.int64] = np.maximum(share, np.minimum(lengths, 1))
        return kept


@dataclass(frozen=True, slots=True)
class Pooled:
    """Fewer token vectors, and how many tokens each stands for.

    Attributes:
        tokens: The vectors left of each text, in the order of their first tokens.
        sizes: int32 (n_tokens,), tokens behind each vector; 1 where a token stands for itself.
            MaxSim takes a maximum over tokens and so needs no sizes; what takes a mean over them
            does (a document's pooled vector, the cells of a fixed dimensional encoding).
        members: int64 (sum of sizes,), which tokens of the batch are behind the vectors, vector
            by vector.
    """

    tokens: TokenBatch
    sizes: NDArray[np.int32]
    members: NDArray[np.int64]

    def joined(self, names: Sequence[Sequence[str]]) -> list[list[str]]:
        """Names of what is left of each text, given those of the tokens before, joined by +."""
        flat = [name for row in names for name in row]
        ends = np.cumsum(self.sizes).tolist()
        members: list[int] = self.members.tolist()
        starts = [0, *ends[:-1]]
        left = [
            "+".join(flat[token] for token in members[start:end])
            for start, end in zip(starts, ends, strict=len(ends) > 0)
        ]
        return [left[start:stop] for start, stop in pairwise(self.tokens.offsets)]


@dataclass(frozen=True, slots=True)
class Pooling:
    """A way to make token vectors fewer, the same for a text alone and among others.

    | method | what is kept |
    |---|---|
    | `spacing` | every factor-th token, from the first on (CRISP's K2 and K4) |
    | `tail` | the last tokens |
    | `kmeans` | means of clusters by spherical k-means (CRISP, arXiv 2505.11471) |
    | `ward` | means of clusters by Ward's criterion (Clavié et al. 2024, arXiv 2409.14683) |

    A text that has no more tokens than it may keep stays as it is, bit for bit; so does a token
    that is a cluster of its own.

    Attributes:
        method: One of the above.
        count: How many vectors a text keeps; `spacing` takes a factor alone.
        seed: Of the k-means++ draws; 0 with other methods.

    Raises:
        EncoderError: if the method is unknown, or count or seed are not for it.
    """

    method: str
    count: Count
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise EncoderError(
                f"no token pooling is called {self.method!r}; "
                f"expected one of {', '.join(sorted(METHODS))}"
            )
        if self.method == "spacing" and self.count.factor is None:
            raise EncoderError(
                f"pool=spacing: found {self.count.spec}; expected factor, as in factor=2"
            )
        if self.seed < 0 or (self.seed and self.method != "kmeans"):
            raise EncoderError(
                f"pool={self.method}: seed is {self.seed}; expected 0 or more, "
                "and that only with pool=kmeans"
            )

    @property
    def spec(self) -> str:
        """As in an encoder's spec: "pool=kmeans&tokens=32"; seed 0 is not written."""
        seed = f"&seed={self.seed}" if self.seed else ""
        return f"pool={self.method}&{self.count.spec}{seed}"

    def pool(self, batch: TokenBatch, *, unit: bool = True) -> Pooled:
        """The vectors that are left of each text of `batch`.

        Args:
            batch: Token vectors; a text may have none.
            unit: Whether vectors have length one; then means get length one too.

        Raises:
            EncoderError: if clusters are to be found in a text of more than 4,096 tokens.
        """
        return METHODS[self.method](self, batch, unit)


def _spaced(pooling: Pooling, batch: TokenBatch, unit: bool) -> Pooled:
    return _only(batch, _positions(batch) % (pooling.count.factor or 1) == 0)


def _last(pooling: Pooling, batch: TokenBatch, unit: bool) -> Pooled:
    lengths = np.diff(batch.offsets)
    first = np.repeat(lengths - pooling.count.of(lengths), lengths)
    return _only(batch, _positions(batch) >= first)


def _by_kmeans(pooling: Pooling, batch: TokenBatch, unit: bool) -> Pooled:
    counts = _counts_to_find(batch, pooling)
    directions = batch if unit else _directions(batch)
    return _means(batch, kmeans_clusters(directions, counts, seed=pooling.seed), unit=unit)


def _by_ward(pooling: Pooling, batch: TokenBatch, unit: bool) -> Pooled:
    counts = _counts_to_find(batch, pooling)
    directions = batch if unit else _directions(batch)
    return _means(batch, ward_clusters(directions, counts), unit=unit)


Method: TypeAlias = Callable[[Pooling, TokenBatch, bool], Pooled]

METHODS: Mapping[str, Method] = MappingProxyType(
    {"spacing": _spaced, "tail": _last, "kmeans": _by_kmeans, "ward": _by_ward}
)


def _positions(batch: TokenBatch) -> NDArray[np.int64]:
    """Each token's place in its text, from 0."""
    return np.arange(len(batch.vectors)) - np.repeat(batch.offsets[:-1], np.diff(batch.offsets))


def _counts_to_find(batch: TokenBatch, pooling: Pooling) -> NDArray[np.int64]:
    lengths = np.diff(batch.offsets)
    counts = pooling.count.of(lengths)
    longest = int(lengths[counts < lengths].max(initial=0))
    if longest > LONGEST:
        raise EncoderError(
            f"{pooling.spec}: found a text of {longest:,} tokens; expected at most {LONGEST:,}; "
            "split it, or take pool=spacing"
        )
    return counts


def _directions(batch: TokenBatch) -> TokenBatch:
    """The vectors at length one, a zero vector as it is: clusters are found by cosine."""
    lengths = _lengths(batch.vectors)[:, None]
    divisors = np.where(lengths > 0, lengths, 1).astype(np.float32)
    return TokenBatch(batch.offsets, batch.vectors / divisors)


def _only(batch: TokenBatch, kept: NDArray[np.bool_]) -> Pooled:
    """The tokens that are kept, each for itself."""
    tokens = np.flatnonzero(kept)
    offsets = np.searchsorted(tokens, batch.offsets).astype(np.int64)
    sizes = np.ones(len(tokens), np.int32)
    return Pooled(TokenBatch(offsets, batch.vectors[tokens]), sizes, tokens)


def _means(batch: TokenBatch, clusters: NDArray[np.int64], *, unit: bool) -> Pooled:
    """The mean of each cluster; clusters are numbered inside their text."""
    members, sizes = _members(batch, clusters)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    firsts = members[starts[:-1]]
    # A sparse matrix adds the members up one after another, whatever stands beside them.
    adds = csr_matrix(
        (np.ones(len(members), np.float32), members, starts), (len(sizes), len(batch.vectors))
    )
    vectors: NDArray[np.float32] = adds @ batch.vectors
    lengths = _lengths(vectors)
    within = sizes if unit else adds @ _lengths(batch.vectors)
    # Members that cancel out leave a vector of rounding errors: the first stands for them.
    vanished = lengths <= _VANISHED * within
    vectors[vanished] = batch.vectors[firsts[vanished]]
    by_itself = vanished | (sizes == 1)
    divisors = np.where(by_itself, 1, lengths if unit else sizes).astype(np.float32)
    vectors /= divisors[:, None]
    offsets = np.searchsorted(firsts, batch.offsets).astype(np.int64)
    return Pooled(TokenBatch(offsets, vectors), sizes.astype(np.int32), members)


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    squares: NDArray[np.float32] = np.einsum("ij,ij->i", vectors, vectors)
    return np.sqrt(squares)


def _members(
    batch: TokenBatch, clusters: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tokens cluster by cluster, and the size of each; clusters in the order of first tokens."""
    names = clusters + np.repeat(batch.offsets[:-1], np.diff(batch.offsets))
    first_of = np.full(len(names), len(names), np.int64)
    np.minimum.at(first_of, names, np.arange(len(names)))
    firsts = first_of[names]
    sizes = np.bincount(firsts)
    return np.argsort(firsts, kind="stable"), sizes[sizes > 0].astype(np.int64)
