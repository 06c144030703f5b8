"""What do documents score for a query? One way for each codec; arrays are handed to the kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lexmax.index import _native
from lexmax.index.residual_codec import Residuals
from lexmax.index.token_codec import quantise
from lexmax.types import TokenBatch


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents a search looks at, and the arrays that it writes.

    Attributes:
        ordinals: int64 (n,), the candidates of all queries.
        bounds: int64 (n_queries, 2): those of query q are ordinals[bounds[q, 0] : bounds[q, 1]].
        alive: uint8 (n_docs,), 0 for documents to leave out; None leaves none out.
        best: int64 (n_queries, k), ordinals of the best documents, best first.
        scores: float32 (n_queries, k).
        counts: int64 (n_queries,), how many were found.
    """

    ordinals: NDArray[np.int64]
    bounds: NDArray[np.int64]
    alive: NDArray[np.uint8] | None
    best: NDArray[np.int64]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]

    @staticmethod
    def of(
        ordinals: Sequence[NDArray[np.int64]], alive: NDArray[np.bool_] | None, k: int
    ) -> "Wanted":
        """The k best of each query's candidates; an array that several queries have stands once.

        Consecutive queries with the same array are scored side by side.
        """
        places: dict[int, tuple[int, int]] = {}
        once: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        stop = 0
        for some in ordinals:
            if id(some) not in places:
                places[id(some)] = (stop, stop + len(some))
                once.append(some)
                stop += len(some)
        every: NDArray[np.int64] = once[-1] if len(once) == 2 else np.concatenate(once)
        bounds = np.array([places[id(some)] for some in ordinals], np.int64).reshape(-1, 2)
        k = max(0, min(k, int(np.diff(bounds, axis=1).max(initial=0))))
        return Wanted(
            every,
            bounds,
            None if alive is None else np.ascontiguousarray(alive, dtype=np.uint8),
            np.zeros((len(bounds), k), dtype=np.int64),
            np.zeros((len(bounds), k), dtype=np.float32),
            np.zeros(len(bounds), dtype=np.int64),
        )

    def rows(self) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """What was found for each query."""
        return [
            (self.best[q, :count], self.scores[q, :count]) for q, count in enumerate(self.counts)
        ]


class Scoring(Protocol):
    """Scores the documents of one store."""

    def maxsim(
        self,
        query: NDArray[np.float32],
        ordinals: NDArray[np.int64],
        *,
        threads: int,
        path: str,
    ) -> NDArray[np.float32]:
        """Scores (len(ordinals),) of a query (its tokens, dim)."""
        ...

    def best(self, queries: TokenBatch, wanted: Wanted, *, threads: int, path: str) -> bool:
        """Write the best documents; False where a document with tokens has no score."""
        ...


@dataclass(frozen=True, slots=True)
class Int8Scoring:
    """Codes (n_tokens, dim), scales (n_tokens,), offsets (n_docs + 1,)."""

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def maxsim(
        self,
        query: NDArray[np.float32],
        ordinals: NDArray[np.int64],
        *,
        threads: int,
        path: str,
    ) -> NDArray[np.float32]:
        """See Scoring."""
        found = np.empty(len(ordinals), dtype=np.float32)
        codes, scales = quantise(query)
        _native.maxsim_int8(
            codes,
            scales,
            self.codes,
            self.scales,
            self.offsets,
            ordinals,
            found,
            threads,
            path,
        )
        return found

    def best(self, queries: TokenBatch, wanted: Wanted, *, threads: int, path: str) -> bool:
        """See Scoring."""
        codes, scales = quantise(queries.vectors)
        w = wanted
        return _native.best_int8(
            codes,
            scales,
            queries.offsets,
            self.codes,
            self.scales,
            self.offsets,
            w.ordinals,
            w.bounds,
            w.alive,
            w.best,
            w.scores,
            w.counts,
            threads,
            path,
        )


@dataclass(frozen=True, slots=True)
class Fp16Scoring:
    """Halves (n_tokens, dim), offsets (n_docs + 1,)."""

    halves: NDArray[np.float16]
    offsets: NDArray[np.int64]

    def maxsim(
        self,
        query: NDArray[np.float32],
        ordinals: NDArray[np.int64],
        *,
        threads: int,
        path: str,
    ) -> NDArray[np.float32]:
        """See Scoring."""
        scores = np.empty(len(ordinals), dtype=np.float32)
        bits = self.halves.view(np.uint16)
        _native.maxsim_fp16(query, bits, self.offsets, ordinals, scores, threads, path)
        return scores

    def best(self, queries: TokenBatch, wanted: Wanted, *, threads: int, path: str) -> bool:
        """See Scoring."""
        bits = self.halves.view(np.uint16)
        w = wanted
        return _native.best_fp16(
            queries.vectors,
            queries.offsets,
            bits,
            self.offsets,
            w.ordinals,
            w.bounds,
            w.alive,
            w.best,
            w.scores,
            w.counts,
            threads,
            path,
        )


@dataclass(frozen=True, slots=True)
class ResidualScoring:
    """Codes (n_tokens, n_bytes), scales (n_tokens,), offsets (n_docs + 1,)."""

    codes: NDArray[np.uint8]
    scales: NDArray[np.float16]
    offsets: NDArray[np.int64]
    residuals: Residuals

    def _tokens(self) -> _native.ResidualTokens:
        codec, assigned = self.residuals.codec, self.residuals.assigned
        return _native.ResidualTokens(
            self.codes,
            self.scales.view(np.uint16),
            assigned,
            self.offsets,
            codec.levels,
            *codec.quantised,
        )

    def maxsim(
        self,
        query: NDArray[np.float32],
        ordinals: NDArray[np.int64],
        *,
        threads: int,
        path: str,
    ) -> NDArray[np.float32]:
        """See Scoring."""
        scores = np.empty(len(ordinals), dtype=np.float32)
        form = self.residuals.codec.query(query)
        self._tokens().maxsim(
            form.whole,
            form.widened,
            form.scales,
            form.ratios,
            ordinals,
            scores,
            threads,
            path,
        )
        return scores

    def best(self, queries: TokenBatch, wanted: Wanted, *, threads: int, path: str) -> bool:
        """See Scoring."""
        form = self.residuals.codec.query(queries.vectors)
        w = wanted
        return self._tokens().best(
            form.whole,
            form.widened,
            form.scales,
            form.ratios,
            queries.offsets,
            w.ordinals,
            w.bounds,
            w.alive,
            w.best,
            w.scores,
            w.counts,
            threads,
            path,
        )
