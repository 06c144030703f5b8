"""How does a token store come to be? Batch by batch, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.index.append import NpyAppender
from lexmax.index.residual_codec import ResidualCodec
from lexmax.index.token_codec import CODE_DTYPES, SCALE_DTYPES, Codec, encode
from lexmax.types import Json, TokenBatch

if TYPE_CHECKING:
    from lexmax.index.tokens import TokenStore

CODES, SCALES, OFFSETS = "tokens.codes.npy", "tokens.scales.npy", "tokens.offsets.npy"


class TokenStoreWriter:
    """Writes a store batch by batch, in memory that does not grow with it."""

    def __init__(
        self,
        directory: Path,
        dim: int,
        *,
        codec: Codec = "int8",
        residual_codec: ResidualCodec | None = None,
    ) -> None:
        """Start an empty store; files of one that is there are overwritten.

        A residual codec needs its `residual_codec`; such a store takes `append_stored` only, and
        the files of its centroids are the caller's.
        """
        self._dim = dim
        self._codec: Codec = codec
        self._residual_codec = residual_codec
        if residual_codec is not None:
            residual_codec.save(directory)
        self._codes = NpyAppender(directory / CODES, CODE_DTYPES[codec], (self._width,))
        self._scales = None
        if codec in SCALE_DTYPES:
            self._scales = NpyAppender(directory / SCALES, SCALE_DTYPES[codec], ())
        self._offsets = NpyAppender(directory / OFFSETS, np.int64, ())
        self._offsets.append(np.zeros(1, dtype=np.int64))

    @staticmethod
    def resume(
        directory: Path, state: Mapping[str, Any], *, residual_codec: ResidualCodec | None = None
    ) -> TokenStoreWriter:
        """Go on from what `checkpoint` returned; whatever was written after it is dropped.

        `residual_codec` is what the writer was started with.

        Raises:
            CorruptionError: if less is there than at the checkpoint.
        """
        writer = TokenStoreWriter.__new__(TokenStoreWriter)
        dim, n_tokens, rows = state["dim"], state["n_tokens"], state["n_docs"] + 1
        codec: Codec = state["codec"]
        writer._dim, writer._codec, writer._residual_codec = dim, codec, residual_codec
        writer._codes = NpyAppender.resume(
            directory / CODES, CODE_DTYPES[codec], (writer._width,), n_tokens
        )
        writer._scales = None
        if codec in SCALE_DTYPES:
            writer._scales = NpyAppender.resume(
                directory / SCALES, SCALE_DTYPES[codec], (), n_tokens
            )
        writer._offsets = NpyAppender.resume(directory / OFFSETS, np.int64, (), rows)
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
            ShapeError: if it has another codec or dim, or other centroids, levels or widths.
        """
        if (store.codec, store.dim) != (self._codec, self._dim):
            raise ShapeError(
                f"found stored vectors {store.codec} of dim {store.dim}; expected {self._codec} "
                f"of dim {self._dim}, as the documents before; decode and append them instead"
            )
        if store.residuals is not None and not (
            self._residual_codec is not None and self._residual_codec.equals(store.residuals.codec)
        ):
            raise ShapeError(
                "found residual codes of other centroids, levels or widths; expected those of the "
                "documents before; decode and recode them instead"
            )
        self._append(store.codes, store.scales, store.offsets)

    def append_assigned(self, batch: TokenBatch, assigned: NDArray[np.uint16]) -> None:
        """Add documents in a residual codec; assigned (n_tokens,) are their tokens' centroids.

        Raises:
            ShapeError: if the writer has no residual codec, or these do not fit it.
        """
        if self._residual_codec is None:
            raise ShapeError(f"found centroids; codec {self._codec} has none; call append instead")
        codes, scales = self._residual_codec.encode(batch.vectors, assigned)
        self._append(codes, scales, batch.offsets)

    @property
    def _width(self) -> int:
        return self._residual_codec.n_bytes if self._residual_codec else self._dim

    def _append(
        self,
        codes: NDArray[Any],
        scales: NDArray[Any] | None,
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
