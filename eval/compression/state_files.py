"""How do vectors of documents grow on disk, so that a job that was stopped goes on?"""

from pathlib import Path

import numpy as np
import orjson

from lexmax.encoders.shared_pass import Encoded
from lexmax.eval.files import replace_file
from lexmax.index.append import NpyAppender
from lexmax.index.failures import storage_errors

POOLED, TOKENS, OFFSETS = "pooled.npy", "tokens.npy", "offsets.npy"
_CHECKPOINT = "checkpoint.json"


class StateFiles:
    """Vectors of documents that are being encoded, in a folder of their own.

    Attributes:
        n_docs: documents that are there.
    """

    def __init__(self, folder: Path, *, token_dim: int | None, pooled_dim: int | None) -> None:
        """Begin, or go on after the last part that is whole; None for a kind that is left out.

        Raises:
            StorageError: if the folder cannot be written.
            CorruptionError: if less is there than at the last checkpoint.
        """
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.n_docs = self._n_tokens = 0
        is_new = not (folder / _CHECKPOINT).is_file()
        if not is_new:
            said = orjson.loads((folder / _CHECKPOINT).read_bytes())
            self.n_docs, self._n_tokens = int(said["documents"]), int(said["tokens"])
        self._pooled = self._tokens = self._offsets = None
        if pooled_dim is not None:
            self._pooled = self._file(POOLED, (pooled_dim,), self.n_docs, is_new)
        if token_dim is not None:
            self._tokens = self._file(TOKENS, (token_dim,), self._n_tokens, is_new)
            self._offsets = self._file(OFFSETS, (), self.n_docs + 1, is_new, np.int64)
            if is_new:
                self._offsets.append(np.zeros(1, np.int64))

    def append(self, encoded: Encoded, n_docs: int) -> None:
        """Add the next documents, and make sure that they survive.

        Raises:
            StorageError: if there is no room.
        """
        if self._pooled is not None and encoded.pooled is not None:
            self._pooled.append(encoded.pooled.astype(np.float32, copy=False))
        if self._tokens is not None and self._offsets is not None and encoded.tokens is not None:
            self._tokens.append(encoded.tokens.vectors)
            self._offsets.append(self._n_tokens + encoded.tokens.offsets[1:])
            self._n_tokens += len(encoded.tokens.vectors)
        self.n_docs += n_docs
        for file in self._files():
            file.checkpoint()
        said = {"documents": self.n_docs, "tokens": self._n_tokens}
        replace_file(self._folder / _CHECKPOINT, [orjson.dumps(said)])

    def close(self) -> None:
        """Finish the files, so that they can be mapped."""
        for file in self._files():
            file.close()
        with storage_errors(self._folder):
            (self._folder / _CHECKPOINT).unlink(missing_ok=True)

    def _files(self) -> list[NpyAppender]:
        return [one for one in (self._pooled, self._tokens, self._offsets) if one is not None]

    def _file(
        self,
        name: str,
        shape: tuple[int, ...],
        rows: int,
        is_new: bool,
        dtype: type[np.generic] = np.float32,
    ) -> NpyAppender:
        path = self._folder / name
        if is_new:
            return NpyAppender(path, dtype, shape)
        return NpyAppender.resume(path, dtype, shape, rows)
