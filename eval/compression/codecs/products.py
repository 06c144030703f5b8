"""Vectors as codes for a few coordinates each: product quantisation (Jegou et al. 2011).

Codebooks and rotations are trained by the functions that the index's stores use; FAISS does the
work there.
"""

from dataclasses import dataclass

import numpy as np

from lexmax.eval.compression.codecs.codec import Arrays, Floats, Sample
from lexmax.index.stores import faiss_codes

# Vectors that codebooks are trained on: 256 for each of 256 centroids.
_TRAINED_ON = 1 << 16


@dataclass(frozen=True, slots=True)
class Products:
    """Array `codes` uint8 (n, bytes). Vectors are padded with zeros to whole codes and bytes.

    Attributes:
        bits: of one code, 4 or 8.
        sub_dim: coordinates that it stands for.
        turned: whether vectors are turned first, to suit the codes (OPQ, Ge et al. 2013).
    """

    bits: int
    sub_dim: int
    turned: bool = False

    def fit(self, sample: Sample) -> "FittedProducts":
        """As `Codec`; codes of a sample that is empty stand for zeros."""
        padded = _padded(sample.documents, self._dim(sample.documents.shape[1]))
        stride = -(-max(1, len(padded)) // _TRAINED_ON)
        some = np.ascontiguousarray(padded[::stride])
        if len(some) == 0:
            some = np.zeros((1, padded.shape[1]), np.float32)
        shape = (2**self.bits, self.sub_dim)
        turn = None
        if self.turned:
            turn = faiss_codes.train_rotation(some, *shape, seed=sample.seed)
            some = np.ascontiguousarray(some @ turn)
        codebooks = faiss_codes.train_codebooks(some, *shape, seed=sample.seed)
        return FittedProducts(codebooks, turn)

    def _dim(self, dim: int) -> int:
        multiple = self.sub_dim * 8 // self.bits
        return -(-dim // multiple) * multiple


@dataclass(frozen=True, slots=True, eq=False)
class FittedProducts:
    """Codebooks (dim / sub_dim, centroids, sub_dim), and a rotation (dim, dim) or None."""

    codebooks: Floats
    turn: Floats | None

    @property
    def fixed(self) -> Arrays:
        """As `Fitted`."""
        if self.turn is None:
            return {"codebooks": self.codebooks}
        return {"codebooks": self.codebooks, "rotation": self.turn}

    def encode(self, vectors: Floats) -> Arrays:
        """As `Fitted`."""
        made = faiss_codes.quantiser(self.codebooks)
        return {"codes": made.compute_codes(np.ascontiguousarray(self.queries(vectors)))}

    def decode(self, stored: Arrays) -> Floats:
        """As `Fitted`."""
        made = faiss_codes.quantiser(self.codebooks)
        decoded: Floats = made.decode(np.ascontiguousarray(stored["codes"]))
        return decoded

    def queries(self, vectors: Floats) -> Floats:
        """As `Fitted`."""
        padded = _padded(vectors, self.codebooks.shape[0] * self.codebooks.shape[2])
        if self.turn is None:
            return padded
        turned: Floats = padded @ self.turn
        return turned


def _padded(vectors: Floats, dim: int) -> Floats:
    if vectors.shape[1] == dim:
        return vectors
    return np.pad(vectors, ((0, 0), (0, dim - vectors.shape[1])))
