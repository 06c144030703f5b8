"""Which documents are worth scoring by MaxSim? The best of an estimate that costs one look each.

Fixed-dimensional encodings (fde.py) are projected to a few hundred coordinates (projection.py)
and kept in a store (stores/). Parameters are kept in segment.json, arrays in `fde.*.npy`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, InputError, ShapeError
from lexmax.index.candidate_build import CandidateParts, CandidatePlan, build_candidates
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.projection import Projection
from lexmax.index.stores.kinds import forms, open_store
from lexmax.index.stores.spec import StoreSpec, parse_store
from lexmax.index.stores.store import Arrays, Form, Row
from lexmax.index.tokens import TokenStore
from lexmax.types import Hits, Json, TokenBatch

_CELLS = "fde.cells.npy"
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"


class CandidateIndex:
    """Finds candidates for MaxSim among the documents of one token store.

    Attributes:
        n_docs: documents that can be found.
        fde: what encodings depend on, but for trained cells.
        store_spec: how their projections are kept.
    """

    def __init__(
        self,
        parts: CandidateParts,
        *,
        seed: int,
        written: Mapping[str, Json] | None = None,
    ) -> None:
        """Candidates over parts that were built with `seed`, or opened by `written` parameters."""
        self.n_docs = len(parts.arrays["codes"])
        self.fde = parts.encoder.parameters
        self.store_spec = parts.spec
        self._parts, self._seed, self._written = parts, seed, written
        self._store = open_store(parts.spec, parts.arrays)

    @staticmethod
    def build(
        store: TokenStore,
        *,
        parameters: FdeParameters,
        store_spec: StoreSpec | None = None,
        projection_dim: int | None = None,
        queries: TokenBatch | None = None,
        seed: int,
        threads: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> "CandidateIndex":
        """Fit on at most 4,096 documents of the store, chosen by `seed`, and encode all of them.

        Encodings are projected to at most `projection_dim` coordinates, 512 unless said; None
        for `store_spec` is `stores.spec.chosen`. With sample `queries` the projection is made for
        their products with documents (see Projection.fit). `progress` is told how many documents
        are encoded. Memory is bounded: the sample's encodings, 128 documents' a thread, and the
        store's arrays. The same store and seed give the same bytes, whatever `threads` is.

        Raises:
            ShapeError: if the store is empty or `parameters` are for another dim, or
                `projection_dim` or `threads` is below 1.
        """
        if (projection_dim is not None and projection_dim < 1) or threads < 1:
            raise ShapeError(
                f"projection_dim is {projection_dim} and threads {threads}; expected 1 or more"
            )
        plan = CandidatePlan(parameters, store_spec, projection_dim, queries, seed, threads)
        return CandidateIndex(build_candidates(store, plan, progress), seed=seed)

    @staticmethod
    def open(directory: Path, parameters: Mapping[str, Json]) -> "CandidateIndex":
        """Map what `save` wrote; `parameters` are those of segment.json.

        Raises:
            CorruptionError: if a file is missing, or is not what the parameters say.
        """
        written = _read(directory, parameters)
        encoder = _open_encoder(directory, written.fde)
        projection = Projection.open(directory)
        _require_shape(
            directory / "fde.projection.npy",
            projection.matrix.shape,
            (written.fde.encoding_dim, written.dim),
        )
        arrays = _open_arrays(directory, written)
        return CandidateIndex(
            CandidateParts(encoder, projection, written.spec, arrays),
            seed=written.seed,
            written=parameters,
        )

    def save(self, directory: Path) -> None:
        """Write the files that `open` reads; equal indexes give equal bytes."""
        self._parts.projection.save(directory)
        if self._parts.encoder.cells is not None:
            write_npy(directory / _CELLS, self._parts.encoder.cells)
        for name, array in self._parts.arrays.items():
            write_npy(directory / f"fde.{name}.npy", array)

    def parameters(self) -> dict[str, Json]:
        """What `open` needs besides the files; of an opened index, what it was given."""
        if self._written is not None:
            return dict(self._written)
        return {
            "fde": self.fde.to_json(),
            "codes": self.store_spec.text,
            "dim": self._parts.projection.dim,
            "seed": self._seed,
        }

    @property
    def n_bytes(self) -> int:
        """Bytes of the arrays that a store keeps, headers and the projection left out."""
        return sum(array.nbytes for array in self._parts.arrays.values())

    def search(
        self, queries: TokenBatch, n: int, *, alive: NDArray[np.bool_] | None = None
    ) -> Hits:
        """Candidates of every query, (n_queries, min(n, n_docs)), by their estimates.

        Estimates are comparable inside a query only. A query without tokens has none.

        Raises:
            ShapeError: if the queries have another dim, or `alive` another shape or dtype.
        """
        vectors = self.project(queries)
        rows = [
            self.nearest(vector, n if stop > start else 0, alive)
            for vector, start, stop in zip(
                vectors, queries.offsets[:-1], queries.offsets[1:], strict=True
            )
        ]
        return Hits.from_rows(rows, min(n, self.n_docs))

    def project(self, queries: TokenBatch) -> NDArray[np.float32]:
        """Projected encodings of queries, (n_queries, dim), for `nearest`."""
        return self._parts.projection.apply_queries(self._parts.encoder.queries(queries))

    def nearest(
        self, vector: NDArray[np.float32], n: int, alive: NDArray[np.bool_] | None = None
    ) -> Row:
        """Ordinals and estimates of the best `n` documents for one projected query, best first.

        Only documents whose `alive` (n_docs,) is True; never fewer than min(n, those).

        Raises:
            ShapeError: if `alive` has another shape or dtype.
        """
        if alive is not None and (alive.shape != (self.n_docs,) or alive.dtype != np.bool_):
            raise ShapeError(
                f"alive is {alive.dtype} {alive.shape}; expected bool ({self.n_docs},), "
                "one a document"
            )
        if n < 1:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        if alive is not None:
            alive = np.ascontiguousarray(alive)
        return self._store.nearest(vector, n, alive)


class _Written(NamedTuple):
    fde: FdeParameters
    spec: StoreSpec
    dim: int
    seed: int


def _read(directory: Path, parameters: Mapping[str, Json]) -> _Written:
    """What `CandidateIndex.parameters` says."""
    fde, dim, codes, seed = (parameters.get(name) for name in ("fde", "dim", "codes", "seed"))
    if (
        len(parameters) != 4
        or not isinstance(fde, Mapping)
        or not isinstance(dim, int)
        or not isinstance(seed, int)
        or not isinstance(codes, str)
    ):
        raise CorruptionError(
            f"{directory}: candidate parameters are {dict(parameters)}; "
            f"expected fde, codes, dim and seed; {_REMEDY}"
        )
    try:
        spec = parse_store(codes)
        written = _Written(FdeParameters.from_json(fde), spec, dim, seed)
    except (CorruptionError, InputError) as error:
        raise CorruptionError(f"{directory}: {error}") from error
    if dim < 1 or dim % spec.multiple or (spec.nprobe and not spec.lists):
        raise CorruptionError(
            f"{directory}: candidates of dim {dim} are kept as {codes!r}; "
            f"expected a multiple of {spec.multiple} and a number of lists, if any; {_REMEDY}"
        )
    return written


def _open_encoder(directory: Path, fde: FdeParameters) -> FdeEncoder:
    if fde.cells == "simhash":
        return FdeEncoder(fde)
    cells = map_npy(directory / _CELLS, (np.float32,), 3)
    try:
        return FdeEncoder(fde, cells)
    except ShapeError as error:
        raise CorruptionError(f"{directory / _CELLS}: {error}; {_REMEDY}") from error


def _open_arrays(directory: Path, written: _Written) -> Arrays:
    expected = forms(written.spec, 0, written.dim)
    codes = _open_array(directory / "fde.codes.npy", expected["codes"])
    expected = forms(written.spec, len(codes), written.dim)
    arrays = {name: _open_array(directory / f"fde.{name}.npy", expected[name]) for name in expected}
    for name, form in expected.items():
        _require_shape(directory / f"fde.{name}.npy", arrays[name].shape, form.shape)
        if form.finite and not np.isfinite(arrays[name]).all():
            raise CorruptionError(
                f"{directory / f'fde.{name}.npy'}: found NaN or infinity; "
                f"expected finite numbers; {_REMEDY}"
            )
    return arrays


def _open_array(path: Path, form: Form) -> np.ndarray:
    return map_npy(path, (form.dtype,), len(form.shape))


def _require_shape(path: Path, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise CorruptionError(f"{path}: found {found}; expected {expected}; {_REMEDY}")
