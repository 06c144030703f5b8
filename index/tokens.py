"""Where are the token vectors of a document, and how well do they answer a query?

Vectors of all documents lie one after another, in the order of the ordinals. Byte by byte:
docs/format/multivector.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import _native
from lexmax.index.append import NpyAppender
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.token_codec import CODE_DTYPES, Codec, decode, encode, quantise
from lexmax.types import Json, TokenBatch

_CODES, _SCALES, _OFFSETS = "tokens.codes.npy", "tokens.scales.npy", "tokens.offsets.npy"


@dataclass(frozen=True, slots=True)
class TokenStore:
    """Token vectors of n documents, in memory or mapped from a folder.

    Attributes:
        codes: (n_tokens, dim), int8 or float16.
        scales: float32 (n_tokens,), what one unit of a token's int8 codes stands for; None for
            float16.
        offsets: int64 (n_docs + 1,), first token of each document, then n_tokens.
        source: folder that the arrays are mapped from, if any.

    Raises:
        ShapeError: if these do not fit together.
    """

    codes: NDArray[Any]
    scales: NDArray[np.float32] | None
    offsets: NDArray[np.int64]
    source: Path | None = None

    def __post_init__(self) -> None:
        n_tokens, dim = self.codes.shape
        if dim == 0:
            raise ShapeError("vectors have dim 0; expected 1 or more")
        if self.scales is not None and len(self.scales) != n_tokens:
            raise ShapeError(f"found {len(self.scales)} scales; expected {n_tokens}, one a token")
        offsets = self.offsets
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != n_tokens:
            raise ShapeError(
                f"offsets must begin with 0 and end with {n_tokens}, the tokens' number"
            )
        if np.any(offsets[1:] < offsets[:-1]):
            raise ShapeError("offsets must not decrease")

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
        codes = map_npy(directory / _CODES, tuple(CODE_DTYPES.values()), 2)
        scales = None
        if codes.dtype == np.int8:
            scales = map_npy(directory / _SCALES, (np.float32,), 1)
        offsets = map_npy(directory / _OFFSETS, (np.int64,), 1)
        try:
            return TokenStore(codes, scales, offsets, directory)
        except ShapeError as error:
            raise CorruptionError(
                f"{directory}: token files do not fit together: {error}; "
                "run `lexmax rebuild` on the collection, or restore a backup"
            ) from error

    def save(self, directory: Path) -> None:
        """Write the files that `open` reads; equal stores give equal bytes."""
        for name, array in ((_CODES, self.codes), (_SCALES, self.scales), (_OFFSETS, self.offsets)):
            if array is not None:
                write_npy(directory / name, array)

    @property
    def codec(self) -> Codec:
        """How vectors are stored."""
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
        return int(self.codes.shape[1])

    def decode(self, ordinals: NDArray[np.int64]) -> TokenBatch:
        """The stored vectors of these documents, in this order.

        Raises:
            ShapeError: if an ordinal is not 0 to n_docs - 1.
            CorruptionError: if a vector holds NaN or infinity, which no encoder's batch does.
        """
        stored = self.rows(ordinals)
        vectors = decode(stored.codes, stored.scales)
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
        return TokenStore(self.codes[tokens], scales, offsets)

    def maxsim(
        self, query: NDArray[np.float32], ordinals: NDArray[np.int64] | None, *, path: str = "auto"
    ) -> NDArray[np.float32]:
        """MaxSim of a query's vectors, (its tokens, dim), with each document, (len(ordinals),).

        None scores every document, in order. A document without tokens scores -inf. With int8
        codes the query is quantised too, and scores are the bits of
        `oracle_multivector.quantised_maxsim`, whatever the instruction set, which `path` names
        (one of `_native.available_paths()`).

        Raises:
            ShapeError: if the query has another dim, or an ordinal is not 0 to n_docs - 1.
            CorruptionError: if a document with tokens gets no score, which means NaN on the disk.
        """
        if query.ndim != 2 or query.shape[1] != self.dim:
            raise ShapeError(
                f"query vectors {query.shape}; documents have dim {self.dim}; expected "
                f"(tokens, {self.dim}); encode queries with the encoder of the documents"
            )
        if ordinals is None:
            ordinals = np.arange(self.n_docs)
        self._check(ordinals)
        ordinals = np.ascontiguousarray(ordinals)
        scores = np.empty(len(ordinals), dtype=np.float32)
        if self.scales is None:
            vectors = np.ascontiguousarray(query, dtype=np.float32)
            bits = self.codes.view(np.uint16)
            _native.maxsim_fp16(vectors, bits, self.offsets, ordinals, scores, path)
        else:
            codes, scales = quantise(query)
            _native.maxsim_int8(
                codes, scales, self.codes, self.scales, self.offsets, ordinals, scores, path
            )
        if self.source is not None:
            has_tokens = self.offsets[ordinals + 1] > self.offsets[ordinals]
            self._require(bool(np.all(scores[has_tokens] > -np.inf)))
        return scores

    def _require(self, sound: bool) -> None:
        if not sound:
            raise CorruptionError(
                f"{self.source or 'token store'}: found vectors with NaN or infinity; expected "
                "finite numbers; run `lexmax rebuild` on the collection, or restore a backup"
            )

    def _check(self, ordinals: NDArray[np.int64]) -> None:
        if len(ordinals) and not 0 <= ordinals.min() <= ordinals.max() < self.n_docs:
            raise ShapeError(
                f"ordinals reach from {ordinals.min()} to {ordinals.max()}; "
                f"expected 0 to {self.n_docs - 1}"
            )


class TokenStoreWriter:
    """Writes a store batch by batch, in memory that does not grow with it."""

    def __init__(self, directory: Path, dim: int, *, codec: Codec = "int8") -> None:
        """Start an empty store; files of one that is there are overwritten."""
        self._dim = dim
        self._codec: Codec = codec
        self._codes = NpyAppender(directory / _CODES, CODE_DTYPES[codec], (dim,))
        self._scales = None
        if codec == "int8":
            self._scales = NpyAppender(directory / _SCALES, np.float32, ())
        self._offsets = NpyAppender(directory / _OFFSETS, np.int64, ())
        self._offsets.append(np.zeros(1, dtype=np.int64))

    @staticmethod
    def resume(directory: Path, state: Mapping[str, Any]) -> "TokenStoreWriter":
        """Go on from what `checkpoint` returned; whatever was written after it is dropped.

        Raises:
            CorruptionError: if less is there than at the checkpoint.
        """
        writer = TokenStoreWriter.__new__(TokenStoreWriter)
        dim, n_tokens, rows = state["dim"], state["n_tokens"], state["n_docs"] + 1
        codec: Codec = state["codec"]
        writer._dim, writer._codec = dim, codec
        writer._codes = NpyAppender.resume(directory / _CODES, CODE_DTYPES[codec], (dim,), n_tokens)
        writer._scales = None
        if codec == "int8":
            writer._scales = NpyAppender.resume(directory / _SCALES, np.float32, (), n_tokens)
        writer._offsets = NpyAppender.resume(directory / _OFFSETS, np.int64, (), rows)
        return writer

    def append(self, batch: TokenBatch) -> None:
        """Add documents, whose ordinals follow those that are there.

        Raises:
            ShapeError: if the vectors have another dim, or a number does not fit the codec.
        """
        if batch.dim != self._dim:
            raise ShapeError(
                f"vectors have dim {batch.dim}; expected {self._dim}, as the documents before; "
                "use one encoder for all"
            )
        codes, scales = encode(batch.vectors, self._codec)
        self._append(codes, scales, batch.offsets)

    def append_stored(self, store: TokenStore) -> None:
        """Add the documents of a store as they are: no number is rounded a second time.

        Raises:
            ShapeError: if it has another codec or dim.
        """
        if (store.codec, store.dim) != (self._codec, self._dim):
            raise ShapeError(
                f"found stored vectors {store.codec} of dim {store.dim}; expected {self._codec} "
                f"of dim {self._dim}, as the documents before; decode and append them instead"
            )
        self._append(store.codes, store.scales, store.offsets)

    def _append(
        self,
        codes: NDArray[Any],
        scales: NDArray[np.float32] | None,
        offsets: NDArray[np.int64],
    ) -> None:
        offsets = offsets[1:] + self._codes.rows
        self._codes.append(codes)
        if self._scales is not None and scales is not None:
            self._scales.append(scales)
        self._offsets.append(offsets)

    def checkpoint(self) -> dict[str, Json]:
        """Force everything to the disk; the state that `resume` needs."""
        for file in self._files():
            file.checkpoint()
        return {
            "dim": self._dim,
            "codec": self._codec,
            "n_docs": self._offsets.rows - 1,
            "n_tokens": self._codes.rows,
        }

    def close(self) -> None:
        """Finish the files, so that `TokenStore.open` can read them."""
        for file in self._files():
            file.close()

    def _files(self) -> list[NpyAppender]:
        return [f for f in (self._codes, self._scales, self._offsets) if f is not None]
