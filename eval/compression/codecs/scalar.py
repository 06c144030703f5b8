"""Vectors a number at a time: as float32 or halves, or as whole numbers of few bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.eval.compression.codecs.codec import Arrays, Floats, Sample
from lexmax.eval.compression.codecs.packing import WIDTHS, packed, unpacked

_GREATEST_HALF = 65504.0


@dataclass(frozen=True, slots=True)
class Plain:
    """Numbers of a float type: array `codes` (n, dim). It has nothing to learn.

    Attributes:
        dtype: float32 or float16.
    """

    dtype: type[np.floating] = np.float32

    @property
    def fixed(self) -> Arrays:
        """As `Fitted`: nothing."""
        return {}

    def fit(self, sample: Sample) -> "Plain":
        """As `Codec`: itself."""
        return self

    def encode(self, vectors: Floats) -> Arrays:
        """As `Fitted`.

        Raises:
            ShapeError: if a number is too large for the type.
        """
        if self.dtype is np.float16 and np.abs(vectors).max(initial=0) > _GREATEST_HALF:
            raise ShapeError(
                f"vectors reach {np.abs(vectors).max()}; expected at most {_GREATEST_HALF:g}, the "
                "greatest half; normalise them"
            )
        return {"codes": vectors.astype(self.dtype)}

    def decode(self, stored: Arrays) -> Floats:
        """As `Fitted`."""
        return stored["codes"].astype(np.float32, copy=False)

    def queries(self, vectors: Floats) -> Floats:
        """As `Fitted`: as they are."""
        return vectors


@dataclass(frozen=True, slots=True)
class Symmetric:
    """Whole numbers about zero and a scale for each vector: `codes` packed, `scales` float32 (n,).

    What `index/token_codec.py` stores where bits is 8; with 4 bits, numbers from -7 to 7.

    Attributes:
        bits: 2, 4 or 8.
    """

    bits: int

    def fit(self, sample: Sample) -> "FittedSymmetric":
        """As `Codec`.

        Raises:
            ShapeError: if there is no such number of bits.
        """
        if self.bits not in WIDTHS[1:]:
            raise ShapeError(f"found codes of {self.bits} bits; expected one of {WIDTHS[1:]}")
        return FittedSymmetric(self.bits, sample.documents.shape[1])


@dataclass(frozen=True, slots=True)
class FittedSymmetric:
    """`Symmetric` for `dim` coordinates."""

    bits: int
    dim: int

    @property
    def fixed(self) -> Arrays:
        """As `Fitted`: nothing."""
        return {}

    def encode(self, vectors: Floats) -> Arrays:
        """As `Fitted`."""
        scales = np.abs(vectors).max(axis=1, initial=0.0) / np.float32(self._most)
        # A vector so small that its scale underflows is a zero vector.
        divisors = np.where(scales > 0, scales, np.float32(np.inf))
        units = np.clip(np.rint(vectors / divisors[:, None]), -self._most, self._most)
        codes = (units + self._most).astype(np.uint8)
        return {"codes": packed(codes, self.bits), "scales": scales}

    def decode(self, stored: Arrays) -> Floats:
        """As `Fitted`."""
        units = unpacked(stored["codes"], self.bits, self.dim).astype(np.float32)
        units -= self._most
        units *= stored["scales"][:, None]
        return units

    def queries(self, vectors: Floats) -> Floats:
        """As `Fitted`: as they are."""
        return vectors

    @property
    def _most(self) -> int:
        return int(2 ** (self.bits - 1) - 1)


@dataclass(frozen=True, slots=True)
class Affine:
    """Equal steps between the least and the greatest number of each vector, less the mean vector.

    Locally adaptive vector quantisation (LVQ, Aguerrebere et al. 2023), one level of it: `codes`
    packed, `lows` and `steps` halves (n,).

    Attributes:
        bits: 1, 2, 4 or 8.
    """

    bits: int

    def fit(self, sample: Sample) -> "FittedAffine":
        """As `Codec`."""
        n = max(1, len(sample.documents))
        mean = sample.documents.sum(axis=0, dtype=np.float64) / n
        return FittedAffine(self.bits, mean.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class FittedAffine:
    """`Affine` with the mean (dim,) of the sample."""

    bits: int
    mean: Floats

    @property
    def fixed(self) -> Arrays:
        """As `Fitted`."""
        return {"mean": self.mean}

    def encode(self, vectors: Floats) -> Arrays:
        """As `Fitted`."""
        rest = vectors - self.mean
        most = 2**self.bits - 1
        lows = _halves(rest.min(axis=1, initial=np.inf))
        spread = rest.max(axis=1, initial=-np.inf) - lows.astype(np.float32)
        steps = _halves(np.maximum(spread, 0) / np.float32(most))
        divisors = np.where(steps > 0, steps, np.inf).astype(np.float32)
        units = np.rint((rest - lows.astype(np.float32)[:, None]) / divisors[:, None])
        codes = np.clip(units, 0, most).astype(np.uint8)
        return {"codes": packed(codes, self.bits), "lows": lows, "steps": steps}

    def decode(self, stored: Arrays) -> Floats:
        """As `Fitted`."""
        units = unpacked(stored["codes"], self.bits, len(self.mean)).astype(np.float32)
        units *= stored["steps"].astype(np.float32)[:, None]
        units += stored["lows"].astype(np.float32)[:, None]
        units += self.mean
        return units

    def queries(self, vectors: Floats) -> Floats:
        """As `Fitted`: as they are."""
        return vectors


def _halves(numbers: NDArray[np.float32]) -> NDArray[np.float16]:
    clipped = np.clip(numbers, -_GREATEST_HALF, _GREATEST_HALF)
    return clipped.astype(np.float16)
