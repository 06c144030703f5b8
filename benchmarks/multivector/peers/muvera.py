"""Fixed-dimensional encodings by numpy, as MUVERA's paper has them (Dhulipala et al. 2024, 2).

Queries sum the tokens of a cell, documents take their mean; a cell without a token of the document
takes the token whose SimHash is nearest by Hamming distance.
"""

import numpy as np
from numpy.typing import NDArray
from token_files import Tokens

_SEED = 42


class Encoder:
    """Encodings of `repetitions` times 2**bits cells times `inner` coordinates."""

    def __init__(self, dim: int, *, repetitions: int = 20, bits: int = 5, inner: int = 16) -> None:
        random = np.random.default_rng(_SEED)
        self._shape = (repetitions, 1 << bits, inner)
        self._bits = bits
        self._planes = random.standard_normal((dim, repetitions * bits)).astype(np.float32)
        signs = random.integers(0, 2, (dim, repetitions * inner)) * 2 - 1
        self._signs = (signs / np.sqrt(inner)).astype(np.float32)
        cells = np.arange(1 << bits)
        self._distance = np.bitwise_count(cells[:, None] ^ cells[None]).astype(np.uint8)

    def query(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """The encoding of one query, (repetitions * cells * inner,)."""
        cells, small = self._cells(tokens)
        out = np.zeros(self._shape, np.float32)
        for r in range(self._shape[0]):
            np.add.at(out[r], cells[:, r], small[:, r])
        return out.ravel()

    def documents(self, tokens: Tokens) -> NDArray[np.float32]:
        """One encoding a document; those without tokens are zero."""
        out = np.zeros((len(tokens), *self._shape), np.float32)
        for i in range(len(tokens)):
            rows = np.asarray(tokens.row(i), dtype=np.float32)
            if len(rows):
                self._document(rows, out[i])
        return out.reshape(len(tokens), -1)

    def _document(self, rows: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        cells, small = self._cells(rows)
        for r in range(self._shape[0]):
            np.add.at(out[r], cells[:, r], small[:, r])
            counts = np.bincount(cells[:, r], minlength=self._shape[1])
            out[r] /= np.maximum(counts, 1)[:, None]
            empty = np.flatnonzero(counts == 0)
            nearest = self._distance[empty][:, cells[:, r]].argmin(1)
            out[r, empty] = small[nearest, r]

    def _cells(self, tokens: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        repetitions, _, inner = self._shape
        above = (tokens @ self._planes > 0).reshape(len(tokens), repetitions, self._bits)
        cells = (above << np.arange(self._bits)).sum(2)
        return cells, (tokens @ self._signs).reshape(len(tokens), repetitions, inner)
