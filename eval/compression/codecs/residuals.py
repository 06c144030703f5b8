"""Vectors as what a centroid leaves over, 1 to 8 bits a coordinate, as ColBERTv2 stores tokens.

Santhanam et al. 2022, section 3.3: buckets are quantiles of the residuals of all coordinates
together, a bucket stands for its middle quantile, and what is decoded is brought to length one.
`index/residual_codec.py`, which collections use, has levels by least squares, a width for each
coordinate and a scale for each token instead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.compression.codecs.codec import Arrays, Floats, Sample
from lexmax.eval.compression.codecs.packing import packed, unpacked
from lexmax.index.centroid_training import train_centroids
from lexmax.index.centroids import Centroids, QuantisedRows, suitable_number, unit

# Residuals that quantiles are taken of: more change the third digit of a cutoff.
_FITTED = 1 << 20
_UNIT_LENGTH = 1e-3


@dataclass(frozen=True, slots=True)
class Residuals:
    """`codes` packed and `centroids` uint16 (n,).

    Attributes:
        bits: 1, 2, 4 or 8.
        n_centroids: at most; 0 for what suits the number of vectors.
    """

    bits: int
    n_centroids: int = 0

    def fit(self, sample: Sample) -> "FittedResiduals":
        """As `Codec`; decoded vectors are brought to length one if those of the sample have it."""
        vectors = sample.documents
        if len(vectors) == 0:
            vectors = np.zeros((1, vectors.shape[1]), np.float32)
        rows = QuantisedRows.of(vectors)
        n = self.n_centroids or suitable_number(len(vectors))
        centroids = train_centroids(rows, n, seed=sample.seed)
        means = centroids.vectors.astype(np.float32)
        rest = (vectors - means[centroids.assign(rows)]).ravel()
        some = rest[:: max(1, rest.size // _FITTED)].astype(np.float64)
        shares: NDArray[np.float64] = np.arange(1 << self.bits) / (1 << self.bits)
        cutoffs: NDArray[np.float64] = np.quantile(some, shares[1:])
        values: NDArray[np.float64] = np.quantile(some, shares + 0.5 / (1 << self.bits))
        return FittedResiduals(
            self.bits,
            centroids,
            cutoffs.astype(np.float32),
            values.astype(np.float32),
            is_unit=_is_unit(vectors),
        )


@dataclass(frozen=True, slots=True, eq=False)
class FittedResiduals:
    """`Residuals` with centroids, cutoffs (2 ** bits - 1,) and values (2 ** bits,), ascending."""

    bits: int
    centroids: Centroids
    cutoffs: Floats
    values: Floats
    is_unit: bool

    @property
    def fixed(self) -> Arrays:
        """As `Fitted`."""
        of_centroids = {"centroids": self.centroids.vectors, "heads": self.centroids.heads}
        return {**of_centroids, "cutoffs": self.cutoffs, "values": self.values}

    def encode(self, vectors: Floats) -> Arrays:
        """As `Fitted`."""
        assigned = self.centroids.assign(QuantisedRows.of(vectors))
        rest = vectors - self._means(assigned)
        codes = np.searchsorted(self.cutoffs, rest, side="left").astype(np.uint8)
        return {"codes": packed(codes, self.bits), "centroids": assigned}

    def decode(self, stored: Arrays) -> Floats:
        """As `Fitted`."""
        found = self.values[unpacked(stored["codes"], self.bits, self.centroids.dim)]
        found += self._means(stored["centroids"])
        return unit(found) if self.is_unit else found

    def queries(self, vectors: Floats) -> Floats:
        """As `Fitted`: as they are."""
        return vectors

    def _means(self, assigned: NDArray[np.uint16]) -> Floats:
        return self.centroids.vectors[assigned].astype(np.float32)


def _is_unit(vectors: Floats) -> bool:
    lengths = np.linalg.norm(vectors, axis=1)
    lengths = lengths[lengths > 0]
    return bool(len(lengths)) and bool(np.abs(lengths - 1).max() < _UNIT_LENGTH)
