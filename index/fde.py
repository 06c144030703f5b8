"""Which one vector stands for a set of token vectors? Fixed-dimensional encodings (MUVERA).

The inner product of a query's and a document's encoding estimates their MaxSim, so that
single-vector search can find the candidates (Dhulipala et al. 2024, arXiv 2405.19504, section 2).
The estimate is low and not calibrated: use it to choose documents, never as a score.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import _native
from lexmax.index.cells import train_cells
from lexmax.index.product import padded
from lexmax.types import Json, TokenBatch

_MAX_ENCODING_DIM = 1 << 22
# An inner projection that leaves vectors as they are.
_NOT_PROJECTED = np.zeros((0, 0), dtype=np.float32)
_CHOICES = {"cells": ("simhash", "kmeans"), "inner": ("signs", "count-sketch")}


@dataclass(frozen=True, slots=True)
class FdeParameters:
    """All that an encoding depends on.

    Attributes:
        dim: coordinates of a token vector.
        repetitions: independent partitions of the space.
        k_sim: a partition has 2 ** k_sim buckets.
        d_proj: coordinates that a bucket keeps; `dim` and above keep the vector as it is.
        seed: of hyperplanes, projections and the training of cells.
        fill_empty: whether a document's empty bucket takes the token nearest to it: in bits, or
            in product with its cell.
        pooled_weight: weight of one more repetition, of one bucket that is not projected: the
            query's sum times the document's mean. 1 counts it as much as all others together;
            0 leaves it out, which is MUVERA as published.
        cells: what chooses a token's bucket: "simhash", the signs of k_sim random products, or
            "kmeans", the greatest product with cells trained on a sample.
        inner: projection of a bucket: "signs", each coordinate of the result a sum of all with
            random signs; or "count-sketch", each coordinate added to a random one of the result
            with a random sign (as the authors' program does; the paper has signs).

    Raises:
        ShapeError: where a number is out of range or a choice unknown.
    """

    dim: int
    repetitions: int = 20
    k_sim: int = 5
    d_proj: int = 16
    seed: int = 42
    fill_empty: bool = False
    pooled_weight: float = 1.0
    cells: Literal["simhash", "kmeans"] = "simhash"
    inner: Literal["signs", "count-sketch"] = "signs"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ShapeError(f"{name} is {getattr(self, name)!r}; expected one of {choices}")
        for name, least in (("dim", 1), ("repetitions", 1), ("k_sim", 0), ("d_proj", 1)):
            if getattr(self, name) < least:
                raise ShapeError(f"{name} is {getattr(self, name)}; expected {least} or more")
        if self.k_sim > 16 or self.encoding_dim > _MAX_ENCODING_DIM:
            raise ShapeError(
                f"{self.repetitions} repetitions of 2 ** {self.k_sim} buckets of {self.width} are "
                f"too long; expected at most {_MAX_ENCODING_DIM} coordinates and k_sim 16"
            )
        if self.seed < 0 or not 0 <= self.pooled_weight < np.inf:
            raise ShapeError(
                f"seed {self.seed} and pooled_weight {self.pooled_weight} must not be negative"
            )

    @property
    def width(self) -> int:
        """Coordinates of one bucket."""
        return min(self.d_proj, self.dim)

    @property
    def bucket_dim(self) -> int:
        """Coordinates of all buckets of all repetitions."""
        return int(self.repetitions * 2**self.k_sim * self.width)

    @property
    def encoding_dim(self) -> int:
        """Coordinates of an encoding, the pooled vector's included."""
        return self.bucket_dim + (self.dim if self.pooled_weight > 0 else 0)

    def to_json(self) -> dict[str, Json]:
        """The mapping that `from_json` reads."""
        return asdict(self)

    @staticmethod
    def from_json(written: Mapping[str, Json]) -> "FdeParameters":
        """The parameters that `to_json` wrote; `cells` and `inner` may be missing, as in format 1.

        Raises:
            CorruptionError: if a name is missing or unknown, or a value has another type or range.
        """
        example = FdeParameters(dim=1).to_json()
        if example.keys() - written.keys() - _CHOICES.keys() or not all(
            name in example and _fits(value, example[name]) for name, value in written.items()
        ):
            raise CorruptionError(
                f"FDE parameters are {dict(written)}; expected the names and types of {example}; "
                "run `lexmax rebuild` on the collection, or restore a backup"
            )
        try:
            return FdeParameters(**written)  # type: ignore[arg-type]
        except ShapeError as error:
            raise CorruptionError(
                f"FDE parameters: {error}; "
                "run `lexmax rebuild` on the collection, or restore a backup"
            ) from error


def _fits(value: Json, example: Json) -> bool:
    return type(value) is type(example) or (type(value) is int and type(example) is float)


class FdeEncoder:
    """Encodes token vectors; the same parameters and cells give the same bytes on one machine.

    Attributes:
        parameters: all that encodings depend on, but for trained cells.
        planes: float32 (repetitions, k_sim, dim), standard normal hyperplanes; or for k-means the
            cells (repetitions, 2 ** k_sim, dim), which must be stored: no seed gives them back.
        inner: float32 (repetitions, width, dim), by which a bucket is multiplied.
    """

    def __init__(self, parameters: FdeParameters, cells: NDArray[np.float32] | None = None) -> None:
        """`cells` are `planes` of the encoder of the documents, for k-means; else none.

        Raises:
            ShapeError: if cells are missing, not wanted, of another shape or not finite.
        """
        p = self.parameters = parameters
        # Raw output of a bit generator is the one random stream that numpy promises never to
        # change; its distributions may, and encodings on disk must stay searchable.
        stream = np.random.PCG64(p.seed)
        if p.cells == "kmeans":
            self.planes = _checked_cells(cells, (p.repetitions, 2**p.k_sim, p.dim))
        elif cells is None:
            self.planes = _normals(stream, (p.repetitions, p.k_sim, p.dim))
        else:
            raise ShapeError("found cells for hyperplanes; expected none where cells is 'simhash'")
        make = _signs if p.inner == "signs" else _sketch
        self.inner = make(stream, (p.repetitions, p.width, p.dim))
        self._planes = padded(self.planes.reshape(-1, p.dim).T)
        self._inner = _NOT_PROJECTED
        if p.width < p.dim:
            self._inner = padded(self.inner.transpose(0, 2, 1).reshape(-1, p.width))

    @staticmethod
    def fitted(parameters: FdeParameters, sample: TokenBatch) -> "FdeEncoder":
        """An encoder whose cells are trained on the tokens of a sample, if it has any to train.

        Raises:
            ShapeError: if the sample has another dim, or no tokens to train cells on.
        """
        p = parameters
        if p.cells == "simhash":
            return FdeEncoder(p)
        _check_dim(sample, p.dim)
        sets = [
            train_cells(sample.vectors, 2**p.k_sim, seed=(p.seed, r)) for r in range(p.repetitions)
        ]
        return FdeEncoder(p, np.stack(sets))

    @property
    def cells(self) -> NDArray[np.float32] | None:
        """What `__init__` must be given besides the parameters."""
        return self.planes if self.parameters.cells == "kmeans" else None

    def queries(self, batch: TokenBatch) -> NDArray[np.float32]:
        """Encodings of queries, (n, encoding_dim): sums of tokens. Empty buckets stay empty.

        Raises:
            ShapeError: if the vectors have another dim; this holds for documents too.
        """
        return self._encode(batch, "query", 1)

    def documents(self, batch: TokenBatch, threads: int = 1) -> NDArray[np.float32]:
        """Encodings of documents, (n, encoding_dim): means of tokens. Zero for one without any.

        The number of threads, at least 1, does not change the result.
        """
        side = "filled_document" if self.parameters.fill_empty else "document"
        return self._encode(batch, side, threads)

    def _encode(self, batch: TokenBatch, side: str, threads: int) -> NDArray[np.float32]:
        p = self.parameters
        _check_dim(batch, p.dim)
        out = np.zeros((len(batch), p.encoding_dim), dtype=np.float32)
        _native.fde_encode(
            np.ascontiguousarray(batch.vectors),
            np.ascontiguousarray(batch.offsets),
            self._planes,
            self._inner,
            p.repetitions,
            p.k_sim,
            p.width,
            greatest=p.cells == "kmeans",
            pooled=float(np.sqrt(p.pooled_weight * p.repetitions)),
            side=side,
            out=out,
            threads=threads,
        )
        return out


def _check_dim(batch: TokenBatch, dim: int) -> None:
    if batch.dim != dim:
        raise ShapeError(
            f"vectors have dim {batch.dim}; expected {dim}; "
            "encode queries with the encoder of the documents"
        )


def _checked_cells(
    cells: NDArray[np.float32] | None, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    found = None if cells is None else cells.shape
    if cells is None or found != shape or not np.isfinite(cells).all():
        raise ShapeError(
            f"cells are {found}, or not all finite; expected finite {shape}; "
            "train them with `FdeEncoder.fitted`"
        )
    return np.ascontiguousarray(cells, dtype=np.float32)


def _normals(stream: np.random.PCG64, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers by the method of Box and Muller (1958)."""
    n = int(np.prod(shape))
    uniform = ((stream.random_raw(2 * n) >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:n])), 2 * np.pi * uniform[n:]
    normals: NDArray[np.float32] = (radius * np.cos(angle)).astype(np.float32)
    return normals.reshape(shape)


def _signs(stream: np.random.PCG64, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """+1 and -1, divided by sqrt(width); shape (repetitions, width, dim)."""
    bits: NDArray[np.uint64] = stream.random_raw(int(np.prod(shape))) >> np.uint64(63)
    signs: NDArray[np.float32] = 1 - 2 * bits.astype(np.float32)
    return signs.reshape(shape) / np.float32(np.sqrt(shape[1]))


def _sketch(stream: np.random.PCG64, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """One +1 or -1 for each coordinate of a vector, at a random place; shape as `_signs`."""
    repetitions, width, dim = shape
    raw: NDArray[np.uint64] = stream.random_raw(repetitions * dim).reshape(repetitions, 1, dim)
    signs = 1 - 2 * (raw >> np.uint64(63)).astype(np.float32)
    matrix = np.zeros(shape, dtype=np.float32)
    places = ((raw >> np.uint64(1)) % np.uint64(width)).astype(np.int64)
    np.put_along_axis(matrix, places, signs, axis=1)
    return matrix
