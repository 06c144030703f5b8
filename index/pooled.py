"""Which documents have the greatest inner product with a query, each being one vector?

The vectors are those of all tokens pooled into one (Reimers & Gurevych 2019), stored as they come
and scanned whole: a search is exact over what is stored. Byte by byte: docs/format/pooled.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, InputError, QueryError, ShapeError
from lexmax.index import _native
from lexmax.index.append import NpyAppender
from lexmax.index.npy import map_npy
from lexmax.index.token_codec import CODE_DTYPES, decode, encode
from lexmax.types import Hits, Json, ranges

PooledCodec: TypeAlias = Literal["int8", "fp16"]
SETTING = "pooled_codec"
"""Under which a catalog keeps the codec; a collection that keeps none has int8."""
CODES, SCALES = "pooled.codes.npy", "pooled.scales.npy"

# Beyond it float32 cannot hold the products of 65,536 coordinates with themselves.
_GREATEST: Mapping[PooledCodec, float] = {"int8": 1e16, "fp16": float(np.finfo(np.float16).max)}

# Queries that pass the documents together: more would only take memory for what they find.
_QUERIES = 256
# A query's greatest coordinate in three digits of base 256, each in -128 to 127.
_MOST = 127 * (1 << 16) + 127 * (1 << 8) + 127
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"


def check_pooled_codec(codec: str) -> PooledCodec:
    """The codec of this name.

    Raises:
        InputError: if there is none.
    """
    if codec not in (known := get_args(PooledCodec)):
        raise InputError(f"found codec {codec!r} of pooled vectors; expected {' or '.join(known)}")
    return cast("PooledCodec", codec)


def kept_codec(setting: Json) -> PooledCodec:
    """How a collection stores pooled vectors whose catalog says `setting`; int8 for null.

    Raises:
        CorruptionError: if it is no codec.
    """
    if setting is None:
        return "int8"
    try:
        return check_pooled_codec(str(setting))
    except InputError as error:
        raise CorruptionError(f"the catalog: {error}; restore a backup") from error


def check_storable(vector: NDArray[np.float32], codec: PooledCodec) -> None:
    """Refuse a vector (dim,) that an index of this codec could not keep.

    Raises:
        ShapeError: if a number is too large.
    """
    if np.abs(vector).max(initial=0.0) > (greatest := _GREATEST[codec]):
        raise ShapeError(
            f"pooled holds a number beyond {greatest:g}; expected what {codec}, in which pooled "
            "vectors are stored, can hold; normalise the vector"
        )


@dataclass(frozen=True, slots=True)
class PooledPlan:
    """How a segment stores one vector a document: its coordinates, and the codec."""

    dim: int
    codec: PooledCodec = "int8"


@dataclass(frozen=True, slots=True)
class PooledIndex:
    """One vector of each of n documents, in memory or mapped from a folder.

    A zero vector says that the document has none: no search finds it.

    Attributes:
        codes: (n_docs, dim), int8 or float16.
        scales: float32 (n_docs,), what one unit of a document's codes stands for; None for float16.
        source: folder that the arrays are mapped from, if any.

    Raises:
        ShapeError: if these do not fit together.
    """

    codes: NDArray[Any]
    scales: NDArray[np.float32] | None
    source: Path | None = None

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or self.codes.shape[1] == 0:
            raise ShapeError(f"codes {self.codes.shape}; expected (n_docs, dim), dim 1 or more")
        if (self.scales is None) != (self.codes.dtype == np.float16):
            raise ShapeError("found codes without scales; expected them with int8, and only there")
        if self.scales is not None and len(self.scales) != len(self.codes):
            raise ShapeError(
                f"found {len(self.scales)} scales; expected {len(self.codes)}, one a document"
            )

    @staticmethod
    def from_vectors(vectors: NDArray[np.float32], *, codec: PooledCodec = "int8") -> "PooledIndex":
        """An index in memory over vectors (n_docs, dim).

        Raises:
            ShapeError: if these are not finite, not of this shape, or too large for the codec.
        """
        return PooledIndex(*_encoded(vectors, codec))

    @staticmethod
    def open(directory: Path, parameters: Mapping[str, Json]) -> "PooledIndex":
        """Map what a PooledWriter closed; `parameters` are those of segment.json.

        Raises:
            CorruptionError: if a file is missing, or is not what the parameters say.
        """
        codes = map_npy(directory / CODES, (np.int8, np.float16), 2, huge_pages=True)
        scales = None
        if codes.dtype == np.int8:
            scales = map_npy(directory / SCALES, (np.float32,), 1)
        try:
            index = PooledIndex(codes, scales, directory)
        except ShapeError as error:
            raise CorruptionError(f"{directory}: {error}; {_REMEDY}") from error
        if (found := index.parameters()) != parameters:
            raise CorruptionError(f"{directory}: found {found}; expected {parameters}; {_REMEDY}")
        return index

    def parameters(self) -> dict[str, Json]:
        """What `open` needs besides the files."""
        return {"codec": self.codec, "dim": self.dim, "n_docs": self.n_docs}

    @property
    def codec(self) -> PooledCodec:
        """How vectors are stored."""
        return "fp16" if self.scales is None else "int8"

    @property
    def n_docs(self) -> int:
        """Documents, those without a vector included."""
        return len(self.codes)

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        return int(self.codes.shape[1])

    def vectors(self, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """The stored vectors of these documents, float32 (len(ordinals), dim); zeros for none.

        Raises:
            ShapeError: if an ordinal is not 0 to n_docs - 1.
            CorruptionError: if a vector holds NaN or infinity.
        """
        stored = self.rows(ordinals)
        vectors = decode(stored.codes, stored.scales)
        self._require(bool(np.isfinite(vectors).all()))
        return vectors

    def rows(self, ordinals: NDArray[np.int64]) -> "PooledIndex":
        """These documents, in this order, as they are stored; the index is in memory.

        Raises:
            ShapeError: if an ordinal is not 0 to n_docs - 1.
        """
        self._check(ordinals)
        scales = None if self.scales is None else self.scales[ordinals]
        return PooledIndex(self.codes[ordinals], scales)

    def score(
        self, query: NDArray[np.float32], ordinals: NDArray[np.int64], *, path: str = "auto"
    ) -> NDArray[np.float32]:
        """Products of a query (dim,) with these documents, (len(ordinals),): the bits of `search`.

        A document without a vector scores -inf.

        Raises:
            ShapeError: if the query has another dim or is not finite, or an ordinal is not 0 to
                n_docs - 1.
            CorruptionError: if a document holds NaN or infinity.
        """
        rows = self._queries(query[None])
        self._check(ordinals)
        out = np.empty((1, len(ordinals)), np.float32)
        wanted = np.ascontiguousarray(ordinals, np.int64)
        if self.scales is None:
            sound = _native.score_pooled_fp16(rows, self.codes.view(np.uint16), wanted, out, path)
        else:
            sound = _native.score_pooled_int8(
                *digits(rows), self.codes, self.scales, wanted, out, path
            )
        self._require(sound)
        return out.reshape(-1)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        alive: NDArray[np.bool_] | None = None,
        threads: int = 1,
        path: str = "auto",
    ) -> Hits:
        """The best documents of every query (n_queries, dim): hits of shape (n_queries, min(k, n)).

        Scores are products of the query, in 24 bits a coordinate, with what is stored. Documents
        without a vector are no hits, nor are those whose `alive` (n_docs,) is False; a zero query
        has none. A query's hits depend neither on the other queries nor on `threads`, and with
        int8 not on `path`, the instructions to use ("auto": the fastest here).

        Raises:
            QueryError: if k is below 1.
            ShapeError: if the queries have another dim or are not finite, or `alive` another shape
                or dtype.
            CorruptionError: if a document holds NaN or infinity.
        """
        if k < 1:
            raise QueryError(f"k is {k}; expected 1 or more; ask for at least one document")
        rows, mask = self._queries(queries), self._mask(alive)
        shape = (len(rows), min(k, self.n_docs))
        hits = Hits(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
        asked = np.flatnonzero(rows.any(axis=1))
        for start, stop in ranges(len(asked), _QUERIES):
            some = asked[start:stop]
            part = self._scan(rows[some], shape[1], mask, threads=threads, path=path)
            hits.ordinals[some], hits.scores[some] = part.ordinals, part.scores
        return hits

    def _scan(
        self,
        queries: NDArray[np.float32],
        n: int,
        alive: NDArray[np.bool_] | None,
        *,
        threads: int,
        path: str,
    ) -> Hits:
        ordinals = np.full((len(queries), n), -1, np.int64)
        scores = np.full((len(queries), n), -np.inf, np.float32)
        if self.scales is None:
            halves = self.codes.view(np.uint16)
            sound = _native.scan_pooled_fp16(
                queries, halves, alive, ordinals, scores, threads, path
            )
        else:
            sound = _native.scan_pooled_int8(
                *digits(queries), self.codes, self.scales, alive, ordinals, scores, threads, path
            )
        self._require(sound)
        return Hits(ordinals, scores)

    def _queries(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise ShapeError(
                f"queries {queries.shape}; documents have dim {self.dim}; expected "
                f"(n_queries, {self.dim}); encode queries with the encoder of the documents"
            )
        if not np.isfinite(queries).all():
            raise ShapeError("queries hold NaN or infinity; expected finite numbers")
        return np.ascontiguousarray(queries, np.float32)

    def _mask(self, alive: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if alive is None:
            return None
        if alive.shape != (self.n_docs,) or alive.dtype != np.bool_:
            raise ShapeError(
                f"alive is {alive.dtype} {alive.shape}; expected bool ({self.n_docs},), "
                "one for each document"
            )
        return np.ascontiguousarray(alive)

    def _require(self, sound: bool) -> None:
        if not sound:
            raise CorruptionError(
                f"{self.source or 'pooled vectors'}: found NaN, infinity or a negative scale; "
                f"expected finite numbers; {_REMEDY}"
            )

    def _check(self, ordinals: NDArray[np.int64]) -> None:
        if len(ordinals) and not 0 <= ordinals.min() <= ordinals.max() < self.n_docs:
            raise ShapeError(
                f"ordinals reach from {ordinals.min()} to {ordinals.max()}; "
                f"expected 0 to {self.n_docs - 1}"
            )


def digits(queries: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Queries (n, dim) as digits int8 (3, n, dim), the first worth most, and units float64 (n,).

    A coordinate is about unit * (65536 first + 256 second + third): it is rounded to 24 bits of
    the query's greatest one, the error of float32. Units of zero queries are 0.
    """
    units = np.abs(queries).max(axis=1, initial=0.0).astype(np.float64) / _MOST
    divisor = np.where(units > 0, units, np.inf)
    whole = np.rint(queries.astype(np.float64) / divisor[:, None]).astype(np.int64)
    last = _low_digit(whole)
    second = _low_digit((whole - last) >> 8)
    first = (((whole - last) >> 8) - second) >> 8
    return np.stack([first, second, last]).astype(np.int8), units


def _low_digit(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return ((numbers + 128) & 255) - 128


def _encoded(
    vectors: NDArray[np.float32], codec: PooledCodec
) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise ShapeError(
            f"vectors are {vectors.dtype} {vectors.shape}; expected float32 (n_docs, dim)"
        )
    if not np.isfinite(vectors).all():
        raise ShapeError("vectors hold NaN or infinity; expected finite numbers")
    return encode(vectors, codec)


class PooledWriter:
    """Writes an index batch by batch, in memory that does not grow with it."""

    def __init__(self, directory: Path, plan: PooledPlan) -> None:
        """Start an empty index; files of one that is there are overwritten."""
        self._plan = plan
        self._codes = NpyAppender(directory / CODES, CODE_DTYPES[plan.codec], (plan.dim,))
        self._scales = None
        if plan.codec == "int8":
            self._scales = NpyAppender(directory / SCALES, np.float32, ())

    @staticmethod
    def resume(directory: Path, state: Mapping[str, Any]) -> "PooledWriter":
        """Go on from what `checkpoint` returned; whatever was written after it is dropped.

        Raises:
            CorruptionError: if less is there than at the checkpoint.
        """
        writer = PooledWriter.__new__(PooledWriter)
        plan = writer._plan = PooledPlan(int(state["dim"]), cast("PooledCodec", state["codec"]))
        dtype, rows = CODE_DTYPES[plan.codec], int(state["n_docs"])
        writer._codes = NpyAppender.resume(directory / CODES, dtype, (plan.dim,), rows)
        writer._scales = None
        if plan.codec == "int8":
            writer._scales = NpyAppender.resume(directory / SCALES, np.float32, (), rows)
        return writer

    def append(self, vectors: NDArray[np.float32]) -> None:
        """Add documents, whose ordinals follow those that are there.

        Raises:
            ShapeError: if the vectors have another dim, are not finite, or too large for the codec.
        """
        self._append(*_encoded(vectors, self._plan.codec))

    def append_stored(self, index: PooledIndex) -> None:
        """Add the documents of an index as they are: no number is rounded a second time.

        Raises:
            ShapeError: if it has another codec or dim.
        """
        if (index.codec, index.dim) != (self._plan.codec, self._plan.dim):
            raise ShapeError(
                f"found stored vectors {index.codec} of dim {index.dim}; expected "
                f"{self._plan.codec} of dim {self._plan.dim}, as the documents before"
            )
        self._append(index.codes, index.scales)

    def _append(self, codes: NDArray[Any], scales: NDArray[np.float32] | None) -> None:
        self._codes.append(codes)
        if self._scales is not None and scales is not None:
            self._scales.append(scales)

    def checkpoint(self) -> dict[str, Json]:
        """Force everything to the disk; the state that `resume` needs."""
        for file in self._files():
            file.checkpoint()
        return self.parameters()

    def parameters(self) -> dict[str, Json]:
        """What `PooledIndex.open` needs besides the files."""
        return {"codec": self._plan.codec, "dim": self._plan.dim, "n_docs": self._codes.rows}

    def close(self) -> None:
        """Finish the files, so that `PooledIndex.open` can read them."""
        for file in self._files():
            file.close()

    def _files(self) -> list[NpyAppender]:
        return [file for file in (self._codes, self._scales) if file is not None]
