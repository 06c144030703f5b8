"""Vectors as the signs of their coordinates, eight a byte, and a scale."""

from dataclasses import dataclass

import numpy as np

from lexmax.eval.compression.codecs.codec import Arrays, Floats, Sample
from lexmax.index.stores.signs import sign_rows


@dataclass(frozen=True, slots=True)
class Signs:
    """`codes` uint8 (n, ceil(dim / 8)) and `scales` float32 (n,), as in `index/stores/signs.py`.

    The store there takes the signs of queries too; here queries stay as they are.

    Attributes:
        turned: whether vectors are turned at random first, which spreads what they say evenly
            over the coordinates; each sign then says as much as another.
    """

    turned: bool = False

    def fit(self, sample: Sample) -> "FittedSigns":
        """As `Codec`."""
        dim = sample.documents.shape[1]
        if not self.turned:
            return FittedSigns(dim, None)
        rng = np.random.default_rng(sample.seed)
        turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        return FittedSigns(dim, turn.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class FittedSigns:
    """`Signs` for `dim` coordinates; `turn` (dim, dim) is orthonormal, or None."""

    dim: int
    turn: Floats | None

    @property
    def fixed(self) -> Arrays:
        """As `Fitted`."""
        return {} if self.turn is None else {"turn": self.turn}

    def encode(self, vectors: Floats) -> Arrays:
        """As `Fitted`."""
        return sign_rows(self.queries(vectors))

    def decode(self, stored: Arrays) -> Floats:
        """As `Fitted`."""
        bits = np.unpackbits(stored["codes"], axis=1, count=self.dim)
        signs = bits.astype(np.float32) * np.float32(2) - np.float32(1)
        signs *= stored["scales"][:, None]
        return signs

    def queries(self, vectors: Floats) -> Floats:
        """As `Fitted`."""
        if self.turn is None:
            return vectors
        turned: Floats = vectors @ self.turn
        return turned
