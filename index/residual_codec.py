"""How is a token vector stored in 4 or 2 bits a coordinate? As what its centroid leaves over.

A token is (centroid + levels[code] * widths) * scale, coordinate by coordinate: the levels are the
same for all coordinates, the widths for all tokens, and the scale is the token's own. Compared with
ColBERTv2's residuals (Santhanam et al. 2022, section 3.3) each coordinate has a width, levels are
Lloyd's rather than quantiles, and the scale takes back what rounding adds to a vector's length.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.token_codec import quantise
from lexmax.types import ranges

_LEVELS, _WIDTHS = "tokens.levels.npy", "tokens.widths.npy"
_CENTROIDS = "centroids.vectors.npy"
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"

# Rows that are coded at a time: a few arrays of them stay in cache.
_BLOCK = 512
_ROUNDS = 40
# Coordinates that levels are fitted on: more change the third digit of a level.
_FITTED = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class ResidualCodec:
    """What the codes of a store stand for.

    Attributes:
        centroids: float32 (n_centroids, dim), each a half's value, because halves are stored.
        levels: int8 (16,) or (4,), ascending.
        widths: float32 (dim,), what one unit of a level is worth.
        quantised: codes (n_centroids, dim) and scales (n_centroids,) of the centroids.

    Raises:
        ShapeError: if these do not fit together, or are not finite.
    """

    centroids: NDArray[np.float32]
    levels: NDArray[np.int8]
    widths: NDArray[np.float32]
    quantised: tuple[NDArray[np.int8], NDArray[np.float32]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n, dim = self.centroids.shape
        if n == 0 or dim == 0 or self.widths.shape != (dim,) or len(self.levels) not in (4, 16):
            raise ShapeError(
                f"found centroids {self.centroids.shape}, widths {self.widths.shape} and "
                f"{len(self.levels)} levels; expected a width for each coordinate, and 4 or 16 "
                "levels"
            )
        if not (np.isfinite(self.centroids).all() and np.isfinite(self.widths).all()):
            raise ShapeError("centroids or widths hold NaN or infinity; expected finite numbers")
        object.__setattr__(self, "quantised", quantise(self.centroids))

    @staticmethod
    def fit(
        bits: int,
        centroids: NDArray[np.float32],
        vectors: NDArray[np.float32],
        assigned: NDArray[np.uint16],
    ) -> "ResidualCodec":
        """The codec of 4 or 2 bits for vectors (n, dim) like these, assigned (n,) to centroids.

        A width is the root mean square of the residuals in its coordinate; levels are those of
        least squared error for the residuals over their widths (Lloyd 1982).
        """
        centroids = centroids.astype(np.float16).astype(np.float32)
        residuals = vectors - centroids[assigned]
        widths = np.sqrt(np.square(residuals, dtype=np.float64).sum(axis=0) / max(1, len(vectors)))
        residuals = residuals[:, widths > 0] / widths[widths > 0]
        step = max(1, residuals.size // _FITTED)
        levels = _least_squares_levels(residuals.ravel()[::step], 2**bits)
        unit = max(float(np.abs(levels).max()), 1e-9) / 127
        return ResidualCodec(
            centroids, np.rint(levels / unit).astype(np.int8), (widths * unit).astype(np.float32)
        )

    @staticmethod
    def open(directory: Path) -> "ResidualCodec":
        """Read what `save` wrote, and the centroids that lie beside it.

        Raises:
            CorruptionError: if a file is missing, or is not what it should be.
        """
        levels = map_npy(directory / _LEVELS, (np.int8,), 1)
        widths = map_npy(directory / _WIDTHS, (np.float32,), 1)
        centroids = map_npy(directory / _CENTROIDS, (np.float16,), 2)
        try:
            return ResidualCodec(centroids.astype(np.float32), levels, widths)
        except ShapeError as error:
            raise CorruptionError(f"{directory}: {error}; {_REMEDY}") from error

    def save(self, directory: Path) -> None:
        """Write levels and widths; the centroids belong to whoever trained them."""
        write_npy(directory / _LEVELS, self.levels)
        write_npy(directory / _WIDTHS, self.widths)

    @property
    def bits(self) -> int:
        """Of one coordinate."""
        return 4 if len(self.levels) == 16 else 2

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        return int(self.centroids.shape[1])

    @property
    def n_bytes(self) -> int:
        """Of one token's codes."""
        return -(-self.dim * self.bits // 8)

    def equals(self, other: "ResidualCodec") -> bool:
        """Whether codes of the one mean the same in the other."""
        return all(
            np.array_equal(a, b)
            for a, b in (
                (self.levels, other.levels),
                (self.widths, other.widths),
                (self.centroids, other.centroids),
            )
        )

    def encode(
        self, vectors: NDArray[np.float32], assigned: NDArray[np.uint16]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        """Codes (n, n_bytes) and scales (n,) of vectors (n, dim) with centroids assigned (n,).

        Raises:
            ShapeError: if a vector is not finite, or no centroid has an assigned number.
        """
        self._check(assigned, len(vectors))
        codes = np.zeros((len(vectors), self.n_bytes), dtype=np.uint8)
        scales = np.zeros(len(vectors), dtype=np.float16)
        for start, stop in ranges(len(vectors), _BLOCK):
            indices = self._indices(vectors[start:stop], assigned[start:stop])
            codes[start:stop] = self._pack(indices)
            scales[start:stop] = self._scales(vectors[start:stop], indices, assigned[start:stop])
        if not np.isfinite(scales).all():
            raise ShapeError("vectors hold NaN or infinity; expected finite numbers")
        return codes, scales

    def decode(
        self, codes: NDArray[np.uint8], scales: NDArray[np.float16], assigned: NDArray[np.uint16]
    ) -> NDArray[np.float32]:
        """The vectors (n, dim) that these stand for.

        Raises:
            ShapeError: if no centroid has an assigned number.
        """
        self._check(assigned, len(codes))
        with np.errstate(over="ignore", invalid="ignore"):
            vectors: NDArray[np.float32] = self._plain(self._unpack(codes), assigned)
            vectors *= scales.astype(np.float32)[:, None]
        return vectors

    def query(self, vectors: NDArray[np.float32]) -> "ResidualQuery":
        """A query's vectors (n, dim) as the kernels take them."""
        whole, scales = quantise(vectors)
        ratios = np.zeros(len(vectors), dtype=np.float32)
        # Only damaged widths overflow; whoever looks at the scores finds that there are none.
        with np.errstate(over="ignore", invalid="ignore"):
            widened, widened_scales = quantise(vectors * self.widths)
            np.divide(widened_scales, scales, out=ratios, where=scales > 0)
        return ResidualQuery(whole, widened, scales, ratios)

    def _check(self, assigned: NDArray[np.uint16], n: int) -> None:
        if len(assigned) != n or int(assigned.max(initial=0)) >= len(self.centroids):
            raise ShapeError(
                f"found {len(assigned)} centroid codes up to {assigned.max(initial=0)}; expected "
                f"{n}, below {len(self.centroids)}"
            )

    def _indices(
        self, vectors: NDArray[np.float32], assigned: NDArray[np.uint16]
    ) -> NDArray[np.uint8]:
        divisors = np.where(self.widths > 0, self.widths, np.float32(np.inf))
        units = (vectors - self.centroids[assigned]) / divisors
        indices = np.zeros(units.shape, dtype=np.uint8)
        levels = self.levels.astype(np.float32)
        for edge in (levels[1:] + levels[:-1]) / np.float32(2):
            indices += units > edge
        return indices

    def _scales(
        self,
        vectors: NDArray[np.float32],
        indices: NDArray[np.uint8],
        assigned: NDArray[np.uint16],
    ) -> NDArray[np.float64]:
        # The multiple of what is decoded that is nearest to the vector.
        found = self._plain(indices, assigned).astype(np.float64)
        squares = np.square(found).sum(axis=1)
        products = (found * vectors).sum(axis=1)
        scales = np.zeros(len(found))
        np.divide(products, squares, out=scales, where=squares > 0)
        return scales

    def _plain(
        self, indices: NDArray[np.uint8], assigned: NDArray[np.uint16]
    ) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.levels[indices] * self.widths
        found += self.centroids[assigned]
        return found

    def _pack(self, indices: NDArray[np.uint8]) -> NDArray[np.uint8]:
        planes = 8 // self.bits
        padded = np.zeros((len(indices), planes * self.n_bytes), dtype=np.uint8)
        padded[:, : self.dim] = indices
        shifts = np.arange(planes, dtype=np.uint8) * np.uint8(self.bits)
        shifted = padded.reshape(-1, planes, self.n_bytes) << shifts[:, None]
        packed: NDArray[np.uint8] = np.bitwise_or.reduce(shifted, axis=1)
        return packed

    def _unpack(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        shifts = range(0, 8, self.bits)
        planes = [(codes >> np.uint8(s)) & np.uint8(2**self.bits - 1) for s in shifts]
        return np.concatenate(planes, axis=1)[:, : self.dim]


@dataclass(frozen=True, slots=True)
class ResidualQuery:
    """A query quantised twice: as it is, for the centroids, and times the widths.

    Attributes:
        whole: int8 (n, dim).
        widened: int8 (n, dim).
        scales: float32 (n,), what one unit of `whole` is worth.
        ratios: float32 (n,), what one unit of `widened` is worth in units of `whole`.
    """

    whole: NDArray[np.int8]
    widened: NDArray[np.int8]
    scales: NDArray[np.float32]
    ratios: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Residuals:
    """What a store of residual codes has besides its codes and scales.

    Attributes:
        codec: what codes stand for.
        assigned: uint16 (n_tokens,), each token's centroid.
    """

    codec: ResidualCodec
    assigned: NDArray[np.uint16]


def _least_squares_levels(values: NDArray[Any], n: int) -> NDArray[np.float64]:
    """The n numbers, ascending, to which values are nearest in the mean square (Lloyd 1982)."""
    if len(values) == 0:
        return np.zeros(n)
    values = np.sort(values.astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    levels: NDArray[np.float64] = np.quantile(values, (np.arange(n) + 0.5) / n)
    for _ in range(_ROUNDS):
        edges = np.searchsorted(values, (levels[1:] + levels[:-1]) / 2, side="right")
        bounds = np.concatenate([[0], edges, [len(values)]])
        counts = np.diff(bounds)
        np.divide(np.diff(sums[bounds]), counts, out=levels, where=counts > 0)
    return levels
