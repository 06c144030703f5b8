"""Where are the token vectors of a document, and how well do they answer a query?

Vectors of all documents lie one after another, in the order of the ordinals. Byte by byte:
docs/format/multivector.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.residual_codec import ResidualCodec, Residuals
from lexmax.index.token_codec import Codec, decode, encode
from lexmax.index.token_scoring import Fp16Scoring, Int8Scoring, ResidualScoring, Scoring, Wanted
from lexmax.index.token_writer import CODES, OFFSETS, SCALES, TokenStoreWriter
from lexmax.types import Hits, TokenBatch, ranges

__all__ = ["TokenStore", "TokenStoreWriter"]

_ASSIGNED = "centroids.codes.npy"
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"

# Documents that are coded again at a time, and tokens that a residual codec is fitted on.
_RECODED_DOCS = 64
_FITTED_TOKENS = 1 << 15


@dataclass(frozen=True, slots=True)
class TokenStore:
    """Token vectors of n documents, in memory or mapped from a folder.

    Attributes:
        codes: (n_tokens, dim), int8 or float16; (n_tokens, n_bytes) uint8 with residuals.
        scales: (n_tokens,), what one unit of a token's codes stands for: float32 for int8, float16
            for residuals, None for float16.
        offsets: int64 (n_docs + 1,), first token of each document, then n_tokens.
        source: folder that the arrays are mapped from, if any.
        residuals: what residual codes stand for, and each token's centroid.

    Raises:
        ShapeError: if these do not fit together.
    """

    codes: NDArray[Any]
    scales: NDArray[Any] | None
    offsets: NDArray[np.int64]
    source: Path | None = None
    residuals: Residuals | None = None

    def __post_init__(self) -> None:
        n_tokens, width = self.codes.shape
        if width == 0:
            raise ShapeError("vectors have dim 0; expected 1 or more")
        if self.scales is not None and len(self.scales) != n_tokens:
            raise ShapeError(f"found {len(self.scales)} scales; expected {n_tokens}, one a token")
        if self.residuals is not None:
            self._check_residuals(self.residuals, n_tokens, width)
        offsets = self.offsets
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != n_tokens:
            raise ShapeError(
                f"offsets must begin with 0 and end with {n_tokens}, the tokens' number"
            )
        if np.any(offsets[1:] < offsets[:-1]):
            raise ShapeError("offsets must not decrease")

    @staticmethod
    def _check_residuals(residuals: Residuals, n_tokens: int, width: int) -> None:
        found, expected = len(residuals.assigned), residuals.codec.n_bytes
        if found != n_tokens or width != expected:
            raise ShapeError(
                f"found {found} centroid codes and tokens of {width} bytes; expected {n_tokens}, "
                f"one a token, and {expected} bytes"
            )

    @staticmethod
    def from_batch(batch: TokenBatch, *, codec: Codec = "int8") -> "TokenStore":
        """A store in memory.

        Raises:
            ShapeError: if dim is 0, or a number does not fit the codec.
        """
        codes, scales = encode(batch.vectors, codec)
        return TokenStore(codes, scales, np.ascontiguousarray(batch.offsets))

    @staticmethod
    def open(directory: Path) -> "TokenStore":
        """Map a store that a TokenStoreWriter closed; no vector is read.

        Raises:
            CorruptionError: if a file is missing, or has another length, dtype or shape than it was
                written with, or offsets do not ascend.
        """
        residuals = None
        codes = map_npy(directory / CODES, (np.int8, np.float16, np.uint8), 2, huge_pages=True)
        if codes.dtype == np.uint8:
            assigned = map_npy(directory / _ASSIGNED, (np.uint16,), 1)
            residuals = Residuals(ResidualCodec.open(directory), assigned)
        return TokenStore._mapped(directory, codes, residuals)

    @staticmethod
    def _mapped(directory: Path, codes: NDArray[Any], residuals: Residuals | None) -> "TokenStore":
        scales = None
        if codes.dtype != np.float16:
            dtype = np.float32 if codes.dtype == np.int8 else np.float16
            scales = map_npy(directory / SCALES, (dtype,), 1)
        offsets = map_npy(directory / OFFSETS, (np.int64,), 1)
        try:
            return TokenStore(codes, scales, offsets, directory, residuals)
        except ShapeError as error:
            raise CorruptionError(
                f"{directory}: token files do not fit together: {error}; {_REMEDY}"
            ) from error

    @staticmethod
    def recoded(
        directory: Path,
        store: "TokenStore",
        *,
        codec: Codec,
        centroids: NDArray[np.float32],
        assigned: NDArray[np.uint16],
        progress: Callable[[int], None] | None = None,
    ) -> "TokenStore":
        """Write the tokens of a store in another codec, `residual4` or `residual2`.

        centroids (n_centroids, dim), assigned (n_tokens,). Their files are the caller's, who
        writes them beside these; halves of the centroids are what codes refer to. `progress` is
        told how many documents are done. Some 2^15 tokens, evenly spread over the documents, choose
        levels and widths; no more than 64 documents are in memory.

        Raises:
            ShapeError: if the arrays do not fit the store, or it lies in this folder.
        """
        if codec not in ("residual4", "residual2"):
            raise ShapeError(f"found codec {codec}; expected residual4 or residual2")
        if store.source is not None and store.source.resolve() == directory.resolve():
            raise ShapeError(f"{directory}: is the store itself; expected another folder")
        if len(assigned) != store.n_tokens or centroids.shape[1:] != (store.dim,):
            raise ShapeError(
                f"found centroids {centroids.shape} and {len(assigned)} assigned; expected "
                f"(n, {store.dim}) and {store.n_tokens}, one a token"
            )
        if int(assigned.max(initial=0)) >= len(centroids):
            raise ShapeError(
                f"found centroid code {assigned.max(initial=0)}; expected those below "
                f"{len(centroids)}, the number of centroids"
            )
        fitted = store._fitted(4 if codec == "residual4" else 2, centroids, assigned)
        writer = TokenStoreWriter(directory, store.dim, codec=codec, residual_codec=fitted)
        for start, stop in ranges(store.n_docs, _RECODED_DOCS):
            batch = store.decode(np.arange(start, stop))
            writer.append_assigned(batch, assigned[store.offsets[start] : store.offsets[stop]])
            if progress is not None:
                progress(stop)
        writer.close()
        codes = map_npy(directory / CODES, (np.uint8,), 2, huge_pages=True)
        return TokenStore._mapped(directory, codes, Residuals(fitted, assigned))

    def _fitted(
        self, bits: int, centroids: NDArray[np.float32], assigned: NDArray[np.uint16]
    ) -> ResidualCodec:
        step = max(1, -(-self.n_tokens // _FITTED_TOKENS))
        some = self.rows(np.arange(0, self.n_docs, step))
        tokens = np.concatenate(
            [np.zeros(0, np.int64)]
            + [np.arange(*self.offsets[i : i + 2]) for i in range(0, self.n_docs, step)]
        )
        vectors = some.decode(np.arange(some.n_docs)).vectors
        return ResidualCodec.fit(bits, centroids, vectors, assigned[tokens])

    def save(self, directory: Path) -> None:
        """Write the files that `open` reads, but those of centroids; equal stores, equal bytes."""
        for name, array in ((CODES, self.codes), (SCALES, self.scales), (OFFSETS, self.offsets)):
            if array is not None:
                write_npy(directory / name, array)
        if self.residuals is not None:
            self.residuals.codec.save(directory)

    @property
    def codec(self) -> Codec:
        """How vectors are stored."""
        if self.residuals is not None:
            return "residual4" if self.residuals.codec.bits == 4 else "residual2"
        return "fp16" if self.scales is None else "int8"

    @property
    def n_docs(self) -> int:
        """Documents, those without tokens included."""
        return len(self.offsets) - 1

    @property
    def n_tokens(self) -> int:
        """Token vectors of all documents."""
        return len(self.codes)

    @property
    def dim(self) -> int:
        """Coordinates of one vector."""
        return self.residuals.codec.dim if self.residuals else int(self.codes.shape[1])

    def decode(self, ordinals: NDArray[np.int64]) -> TokenBatch:
        """The stored vectors of these documents, in this order.

        Raises:
            ShapeError: if an ordinal is not 0 to n_docs - 1.
            CorruptionError: if a vector holds NaN or infinity, which no encoder's batch does.
        """
        stored = self.rows(ordinals)
        if stored.residuals is None or stored.scales is None:
            vectors = decode(stored.codes, stored.scales)
        else:
            codec, assigned = stored.residuals.codec, stored.residuals.assigned
            self._require(int(assigned.max(initial=0)) < len(codec.centroids))
            vectors = codec.decode(stored.codes, stored.scales, assigned)
        self._require(bool(np.isfinite(vectors).all()))
        return TokenBatch(stored.offsets, vectors)

    def rows(self, ordinals: NDArray[np.int64]) -> "TokenStore":
        """These documents, in this order, as they are stored; the store is in memory.

        Raises:
            ShapeError: if an ordinal is not 0 to n_docs - 1.
        """
        self._check(ordinals)
        lengths = self.offsets[ordinals + 1] - self.offsets[ordinals]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
        shifts = np.repeat(self.offsets[ordinals] - offsets[:-1], lengths)
        tokens: NDArray[np.int64] = np.arange(len(shifts)) + shifts
        scales = None if self.scales is None else self.scales[tokens]
        residuals = None
        if self.residuals is not None:
            residuals = Residuals(self.residuals.codec, self.residuals.assigned[tokens])
        return TokenStore(self.codes[tokens], scales, offsets, residuals=residuals)

    def maxsim(
        self,
        query: NDArray[np.float32],
        ordinals: NDArray[np.int64] | None,
        *,
        path: str = "auto",
        threads: int = 1,
    ) -> NDArray[np.float32]:
        """MaxSim of a query's vectors, (its tokens, dim), with each document, (len(ordinals),).

        None scores every document, in order. A document without tokens scores -inf. But for fp16,
        the query is quantised too, and scores are the bits of `oracle_multivector.quantised_maxsim`
        or `oracle_residual.maxsim`, whatever the number of threads and the instruction set, which
        `path` names (one of `_native.available_paths()`).

        Raises:
            ShapeError: if the query has another dim, or an ordinal is not 0 to n_docs - 1.
            CorruptionError: if a document with tokens gets no score, which means NaN on the disk.
        """
        self._check_query(query.shape)
        ordinals = self._candidates(ordinals)
        vectors = np.ascontiguousarray(query, dtype=np.float32)
        scores = self._scoring.maxsim(vectors, ordinals, threads=threads, path=path)
        if self.source is not None:
            has_tokens = self.offsets[ordinals + 1] > self.offsets[ordinals]
            self._require(bool(np.all(scores[has_tokens] > -np.inf)))
        return scores

    def best(
        self,
        query: NDArray[np.float32],
        ordinals: NDArray[np.int64] | None,
        k: int,
        *,
        alive: NDArray[np.bool_] | None = None,
        path: str = "auto",
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k documents with the greatest `maxsim`, best first, ties by ordinal; their scores.

        Documents without tokens are left out, and those whose `alive` (n_docs,) is False, which
        are not looked at. There may be fewer than k; a query without tokens has none.

        Raises:
            ShapeError: if the query has another dim, `alive` another length, or an ordinal is not 0
                to n_docs - 1.
            CorruptionError: if a document with tokens gets no score, which means NaN on the disk.
        """
        self._check_query(query.shape)
        rows = np.ascontiguousarray(query, dtype=np.float32)
        batch = TokenBatch(np.array([0, len(rows)]), rows)
        some = None if ordinals is None else [ordinals]
        return self._best(batch, some, k, alive=alive, path=path, threads=threads)[0]

    def best_of_batch(
        self,
        queries: TokenBatch,
        ordinals: Sequence[NDArray[np.int64]] | None,
        k: int,
        *,
        alive: NDArray[np.bool_] | None = None,
        path: str = "auto",
        threads: int = 1,
    ) -> Hits:
        """`best` of every query, each among its own ordinals: hits of shape (n_queries, k).

        Threads take queries, or with fewer queries than threads documents.

        Raises:
            ShapeError: as `best`, or if there are not as many arrays of ordinals as queries.
            CorruptionError: as `best`.
        """
        self._check_query(queries.vectors.shape)
        if ordinals is not None and len(ordinals) != len(queries):
            raise ShapeError(f"found ordinals for {len(ordinals)} queries; expected {len(queries)}")
        return Hits.from_rows(
            self._best(queries, ordinals, k, alive=alive, path=path, threads=threads), k
        )

    def _best(
        self,
        queries: TokenBatch,
        ordinals: Sequence[NDArray[np.int64]] | None,
        k: int,
        *,
        alive: NDArray[np.bool_] | None,
        path: str,
        threads: int,
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        if alive is not None and alive.shape != (self.n_docs,):
            raise ShapeError(f"found alive {alive.shape}; expected ({self.n_docs},)")
        if ordinals is None:
            some = [self._candidates(None)] * len(queries)
        else:
            checked = {id(one): self._candidates(one) for one in ordinals}
            some = [checked[id(one)] for one in ordinals]
        wanted = Wanted.of(some, alive, k)
        self._require(self._scoring.best(queries, wanted, threads=threads, path=path))
        return wanted.rows()

    @property
    def _scoring(self) -> Scoring:
        if self.scales is None:
            return Fp16Scoring(self.codes, self.offsets)
        if self.residuals is None:
            return Int8Scoring(self.codes, self.scales, self.offsets)
        return ResidualScoring(self.codes, self.scales, self.offsets, self.residuals)

    def _check_query(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[1] != self.dim:
            raise ShapeError(
                f"query vectors {shape}; documents have dim {self.dim}; expected "
                f"(tokens, {self.dim}); encode queries with the encoder of the documents"
            )

    def _candidates(self, ordinals: NDArray[np.int64] | None) -> NDArray[np.int64]:
        if ordinals is None:
            return np.arange(self.n_docs)
        self._check(ordinals)
        return np.ascontiguousarray(ordinals, dtype=np.int64)

    def _require(self, sound: bool) -> None:
        if not sound:
            raise CorruptionError(
                f"{self.source or 'token store'}: found NaN, infinity or unknown centroids; "
                f"expected finite numbers of known ones; {_REMEDY}"
            )

    def _check(self, ordinals: NDArray[np.int64]) -> None:
        if len(ordinals) and not 0 <= ordinals.min() <= ordinals.max() < self.n_docs:
            raise ShapeError(
                f"ordinals reach from {ordinals.min()} to {ordinals.max()}; "
                f"expected 0 to {self.n_docs - 1}"
            )
