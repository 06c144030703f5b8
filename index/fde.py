"""Which one vector stands for a set of token vectors? Fixed-dimensional encodings (MUVERA).

The inner product of a query's and a document's encoding estimates their MaxSim, so that
single-vector search can find the candidates (Dhulipala et al. 2024, arXiv 2405.19504, section 2).
The estimate is low and not calibrated: use it to choose documents, never as a score.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import _native
from lexmax.index.product import padded
from lexmax.types import Json, TokenBatch

_MAX_ENCODING_DIM = 1 << 22
# Signs that leave vectors as they are.
_NOT_PROJECTED = np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class FdeParameters:
    """All that an encoding depends on.

    Attributes:
        dim: coordinates of a token vector.
        repetitions: independent partitions of the space.
        k_sim: random hyperplanes of a partition, which make 2 ** k_sim buckets.
        d_proj: coordinates that a bucket keeps; `dim` and above keep the vector as it is.
        seed: of hyperplanes and projections.
        fill_empty: whether a document's empty bucket takes the token nearest to it in bits.
        pooled_weight: weight of one more repetition, of one bucket that is not projected: the
            query's sum times the document's mean. 1 counts it as much as all others together;
            0 leaves it out, which is MUVERA as published.

    Raises:
        ShapeError: where a number is out of range.
    """

    dim: int
    repetitions: int = 20
    k_sim: int = 5
    d_proj: int = 16
    seed: int = 42
    fill_empty: bool = False
    pooled_weight: float = 1.0

    def __post_init__(self) -> None:
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
        """The parameters that `to_json` wrote.

        Raises:
            CorruptionError: if a name is missing or unknown, or a value has another type or range.
        """
        example = FdeParameters(dim=1).to_json()
        if written.keys() != example.keys() or not all(
            _fits(value, example[name]) for name, value in written.items()
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
    """Encodes token vectors; the same parameters give the same bytes.

    Attributes:
        parameters: all that encodings depend on.
        hyperplanes: float32 (repetitions, k_sim, dim), standard normal.
        signs: float32 (repetitions, width, dim), +1 and -1; the projection divides by sqrt(width).
    """

    def __init__(self, parameters: FdeParameters) -> None:
        p = self.parameters = parameters
        # Raw output of a bit generator is the one random stream that numpy promises never to
        # change; its distributions may, and encodings on disk must stay searchable.
        stream = np.random.PCG64(p.seed)
        shape = (p.repetitions, p.k_sim, p.dim)
        self.hyperplanes = _normals(stream, shape)
        self.signs = _signs(stream, (p.repetitions, p.width, p.dim))
        self._hyperplanes = padded(self.hyperplanes.reshape(-1, p.dim).T)
        self._signs = _NOT_PROJECTED
        if p.width < p.dim:
            scaled = self.signs / np.float32(np.sqrt(p.width))
            self._signs = padded(scaled.transpose(0, 2, 1).reshape(-1, p.width))

    def queries(self, batch: TokenBatch) -> NDArray[np.float32]:
        """Encodings of queries, (n, encoding_dim): sums of tokens. Empty buckets stay empty.

        Raises:
            ShapeError: if the vectors have another dim; this holds for documents too.
        """
        return self._encode(batch, "query", "query")

    def documents(self, batch: TokenBatch) -> NDArray[np.float32]:
        """Encodings of documents, (n, encoding_dim): means of tokens. Zero for one without any."""
        side = "filled_document" if self.parameters.fill_empty else "document"
        return self._encode(batch, side, "document")

    def _encode(self, batch: TokenBatch, side: str, pooled_side: str) -> NDArray[np.float32]:
        p = self.parameters
        if batch.dim != p.dim:
            raise ShapeError(
                f"vectors have dim {batch.dim}; expected {p.dim}; "
                "encode queries with the encoder of the documents"
            )
        vectors = np.ascontiguousarray(batch.vectors)
        offsets = np.ascontiguousarray(batch.offsets)
        out = np.zeros((len(batch), p.encoding_dim), dtype=np.float32)
        shape = (p.repetitions, p.k_sim, p.width)
        _native.fde_encode(
            vectors, offsets, self._hyperplanes, self._signs, *shape, side=side, out=out
        )
        if p.pooled_weight > 0:
            pooled = np.zeros((len(batch), p.dim), dtype=np.float32)
            none = np.zeros((p.dim, 0), dtype=np.float32)
            shape = (1, 0, p.dim)
            _native.fde_encode(
                vectors, offsets, none, _NOT_PROJECTED, *shape, side=pooled_side, out=pooled
            )
            out[:, p.bucket_dim :] = pooled * np.float32(np.sqrt(p.pooled_weight * p.repetitions))
        return out


def _normals(stream: np.random.PCG64, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers by the method of Box and Muller (1958)."""
    n = int(np.prod(shape))
    uniform = ((stream.random_raw(2 * n) >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:n])), 2 * np.pi * uniform[n:]
    normals: NDArray[np.float32] = (radius * np.cos(angle)).astype(np.float32)
    return normals.reshape(shape)


def _signs(stream: np.random.PCG64, shape: tuple[int, ...]) -> NDArray[np.float32]:
    bits: NDArray[np.uint64] = stream.random_raw(int(np.prod(shape))) >> np.uint64(63)
    signs: NDArray[np.float32] = 1 - 2 * bits.astype(np.float32)
    return signs.reshape(shape)
