"""Which documents have tokens near those of the query, as far as centroids tell?

Every token has the 16-bit code of its centroid. The estimate of a document is MaxSim over the
centroids of its tokens (PLAID, Santhanam et al. 2022, section 4.3), read from a table of bytes.
Large indexes have lists of the documents near each centroid too, so that only those in the lists
of the nearest centroids are looked at (WARP, Scheerer et al. 2025).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import _native
from lexmax.index.centroid_training import train_centroids
from lexmax.index.centroids import Centroids, QuantisedRows, suitable_number
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.tokens import TokenStore
from lexmax.types import Json, ranges

_CODES, _STARTS, _LISTS = (
    "centroids.codes.npy",
    "centroids.starts.npy",
    "centroids.lists.npy",
)
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"

# Fewer documents are all looked at: that takes a millisecond or two.
LISTED_FROM = 20_000
_WINDOW = 65_536
_SAMPLE_PER_CENTROID = 32
# Bytes of codes that a sample may take, and tokens assigned at a time.
_SAMPLE_BYTES = 1 << 28
_BLOCK_TOKENS = 1 << 17

Found = tuple[NDArray[np.int64], NDArray[np.uint32]]


@dataclass(frozen=True, slots=True, eq=False)
class CentroidLists:
    """Documents near each centroid: see docs/format/multivector.md.

    Attributes:
        starts: int64 (n_centroids * n_windows + 1,).
        docs: uint16 (n_postings,), offsets in windows of 65,536 documents.
    """

    starts: NDArray[np.int64]
    docs: NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class CentroidIndex:
    """Centroids, the code of every token, and perhaps lists.

    Attributes:
        codes: uint16 (n_tokens,), in the order of the token store.
        offsets: int64 (n_docs + 1,), first token of each document, then n_tokens.
        mean_residual: mean length of a token less its centroid, when these were trained.
        source: folder that the arrays are mapped from, if any.

    Raises:
        ShapeError: if these do not fit together.
    """

    centroids: Centroids
    codes: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    mean_residual: float
    lists: CentroidLists | None = None
    source: Path | None = None
    # Empty until they are asked for: 4 bytes a token in memory.
    _clusters: list[_native.TokenClusters] = field(
        default_factory=list[_native.TokenClusters], init=False, repr=False
    )
    _doc_freqs: list[NDArray[np.int64]] = field(
        default_factory=list[NDArray[np.int64]], init=False, repr=False
    )

    def __post_init__(self) -> None:
        if len(self.codes) != self.offsets[-1]:
            raise ShapeError(f"found {len(self.codes)} codes; expected {self.offsets[-1]}")
        if self.lists is None:
            return
        expected = len(self.centroids) * -(-self.n_docs // _WINDOW) + 1
        if len(self.lists.starts) != expected or self.lists.starts[-1] != len(self.lists.docs):
            raise ShapeError(
                f"found {len(self.lists.starts)} starts of lists; expected {expected}, the last "
                f"of them {len(self.lists.docs)}"
            )

    @property
    def n_docs(self) -> int:
        """Documents that can be found."""
        return len(self.offsets) - 1

    @staticmethod
    def build(
        store: TokenStore,
        *,
        seed: int,
        threads: int = 1,
        inherited: "CentroidIndex | None" = None,
        progress: Callable[[int], None] | None = None,
    ) -> "CentroidIndex":
        """Train on a sample of the store's tokens, or inherit centroids, and assign all tokens.

        Memory: the sample (at most 256 MiB of codes), 2 bytes a token, and those of the lists.
        `progress` is told how many documents are assigned. The same store and seed give the same
        bytes, whatever the number of threads.

        Raises:
            ShapeError: if the store has no tokens.
        """
        if inherited is None:
            sample = sampled_rows(store, seed=seed)
            number = suitable_number(store.n_tokens)
            centroids = train_centroids(sample, number, seed=seed, threads=threads)
            residual = mean_residual(centroids, sample, threads=threads)
        else:
            centroids, residual = inherited.centroids, inherited.mean_residual
        codes = np.empty(store.n_tokens, dtype=np.uint16)
        for start, stop in _blocks(store.offsets):
            rows = rows_of(store, start, stop)
            begin, end = store.offsets[start], store.offsets[stop]
            codes[begin:end] = centroids.assign(rows, threads=threads)
            if progress is not None:
                progress(stop)
        lists = None
        if store.n_docs >= LISTED_FROM:
            lists = _listed(codes, store.offsets, len(centroids))
        return CentroidIndex(centroids, codes, store.offsets, residual, lists)

    @staticmethod
    def open(
        directory: Path, parameters: Mapping[str, Json], offsets: NDArray[np.int64]
    ) -> "CentroidIndex":
        """Map what `save` wrote; `parameters` are those of segment.json.

        Raises:
            CorruptionError: if a file is missing, or is not what the parameters say.
        """
        residual, listed = parameters.get("mean_residual"), parameters.get("listed")
        if not isinstance(residual, float) or not isinstance(listed, bool):
            raise CorruptionError(
                f"{directory}: centroid parameters are {dict(parameters)}; expected n, listed and "
                f"mean_residual; {_REMEDY}"
            )
        codes = map_npy(directory / _CODES, (np.uint16,), 1)
        lists = None
        if listed:
            starts = map_npy(directory / _STARTS, (np.int64,), 1)
            lists = CentroidLists(starts, map_npy(directory / _LISTS, (np.uint16,), 1))
        try:
            centroids = Centroids.open(directory)
            return CentroidIndex(centroids, codes, offsets, residual, lists, directory)
        except ShapeError as error:
            raise CorruptionError(f"{directory}: {error}; {_REMEDY}") from error

    def save(self, directory: Path) -> None:
        """Write the files that `open` reads; equal indexes give equal bytes."""
        self.centroids.save(directory)
        write_npy(directory / _CODES, self.codes)
        if self.lists is not None:
            write_npy(directory / _STARTS, self.lists.starts)
            write_npy(directory / _LISTS, self.lists.docs)

    def parameters(self) -> dict[str, Json]:
        """What `open` needs besides the files."""
        return {
            "n": len(self.centroids),
            "listed": self.lists is not None,
            "mean_residual": self.mean_residual,
        }

    def scan(
        self,
        table: NDArray[np.uint8],
        n: int,
        *,
        alive: NDArray[np.bool_] | None = None,
        ordinals: NDArray[np.int64] | None = None,
        path: str = "auto",
    ) -> Found:
        """The best `n` by MaxSim over centroids, of `ordinals` (ascending) or of all that live.

        Returns ordinals and sums of bytes, best first, ties by ordinal; of all documents those
        without tokens are left out.
        """
        out = _room(min(n, self.n_docs))
        if ordinals is None:
            found = _native.centroid_scan_all(table, self.codes, self.offsets, alive, *out, path)
        else:
            found = _native.centroid_scan_of(table, self.codes, self.offsets, ordinals, *out, path)
        return out[0][:found], out[1][:found]

    def probe(
        self,
        table: NDArray[np.uint8],
        n: int,
        *,
        n_queries: int,
        n_probes: int,
        alive: NDArray[np.bool_] | None = None,
        path: str = "auto",
    ) -> Found:
        """The best `n` of the documents in the lists of each query token's nearest centroids.

        Raises:
            ShapeError: if there are no lists.
        """
        if self.lists is None:
            raise ShapeError("found no lists of documents; scan all, or index more documents")
        out = _room(min(n, self.n_docs))
        found = _native.centroid_probe(
            table,
            n_queries,
            n_probes,
            self.lists.starts,
            self.lists.docs,
            self.n_docs,
            alive,
            *out,
            path,
        )
        return out[0][:found], out[1][:found]

    def token_clusters(self) -> _native.TokenClusters:
        """Tokens sorted by centroid, in memory from the first call on: 4 bytes a token.

        Raises:
            CorruptionError: if a token is assigned to a centroid that is not there.
        """
        if not self._clusters:
            n, greatest = len(self.centroids), int(self.codes.max(initial=0))
            if greatest >= n:
                raise CorruptionError(
                    f"{self.source or 'centroids'}: found a token of centroid {greatest}; "
                    f"expected less than {n}; {_REMEDY}"
                )
            rows = self.centroids.means
            self._clusters.append(
                _native.TokenClusters(self.codes, self.offsets, rows.codes, rows.scales)
            )
        return self._clusters[0]

    def doc_freqs(self) -> NDArray[np.int64]:
        """Documents with a token of each centroid, (n_centroids,); counted at the first call."""
        if not self._doc_freqs:
            self._doc_freqs.append(self._counted())
        return self._doc_freqs[0]

    def _counted(self) -> NDArray[np.int64]:
        n = len(self.centroids)
        if self.lists is not None:
            by_window = np.diff(self.lists.starts).reshape(n, -1)
            listed: NDArray[np.int64] = by_window.sum(axis=1, dtype=np.int64)
            return listed
        documents = np.repeat(np.arange(self.n_docs), np.diff(self.offsets))
        pairs = np.unique(documents * n + self.codes)
        counted: NDArray[np.int64] = np.bincount(pairs % n, minlength=n)
        return counted

    def documents_in(
        self, centroids: NDArray[np.int64], alive: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Ordinals of the living documents with a token of any of these centroids, ascending."""
        holds = np.zeros(self.n_docs, dtype=bool)
        if self.lists is None:
            chosen = np.zeros(len(self.centroids), dtype=bool)
            chosen[centroids] = True
            tokens = np.flatnonzero(chosen[self.codes])
            holds[np.searchsorted(self.offsets, tokens, side="right") - 1] = True
        else:
            self._mark(self.lists, centroids, holds)
        return np.flatnonzero(holds if alive is None else holds & alive)

    def _mark(
        self, lists: CentroidLists, centroids: NDArray[np.int64], holds: NDArray[np.bool_]
    ) -> None:
        n_windows = -(-self.n_docs // _WINDOW)
        for centroid in centroids:
            for window in range(n_windows):
                at = int(centroid) * n_windows + window
                docs = lists.docs[lists.starts[at] : lists.starts[at + 1]] + np.int64(
                    window * _WINDOW
                )
                holds[docs[docs < self.n_docs]] = True


def sampled_rows(store: TokenStore, *, seed: int) -> QuantisedRows:
    """Tokens of documents chosen by `seed`: some 32 for each centroid, at most 256 MiB."""
    wanted = suitable_number(store.n_tokens) * _SAMPLE_PER_CENTROID
    wanted = min(store.n_tokens, wanted, max(1, _SAMPLE_BYTES // store.dim))
    n_docs = min(store.n_docs, -(-wanted * store.n_docs // max(1, store.n_tokens)))
    rng = np.random.default_rng(seed)
    docs = np.sort(rng.choice(store.n_docs, n_docs, replace=False))
    return _quantised(store, docs)


def mean_residual(centroids: Centroids, rows: QuantisedRows, *, threads: int = 1) -> float:
    """Mean length of what is left of each row when its centroid is taken away."""
    assigned = centroids.assign(rows, threads=threads)
    total = 0.0
    for start, stop in ranges(len(rows), 8192):
        decoded = rows.codes[start:stop] * rows.scales[start:stop, None]
        left = decoded - centroids.vectors[assigned[start:stop]].astype(np.float32)
        total += float(np.linalg.norm(left, axis=1).sum(dtype=np.float64))
    return total / max(1, len(rows))


def rows_of(store: TokenStore, start: int, stop: int) -> QuantisedRows:
    """Quantised tokens of the documents start to stop."""
    begin, end = store.offsets[start], store.offsets[stop]
    if store.codec == "int8" and store.scales is not None:
        return QuantisedRows(store.codes[begin:end], store.scales[begin:end])
    return _quantised(store, np.arange(start, stop))


def _quantised(store: TokenStore, docs: NDArray[np.int64]) -> QuantisedRows:
    if store.codec == "int8":
        stored = store.rows(docs)
        if stored.scales is not None:
            return QuantisedRows(stored.codes, stored.scales)
    return QuantisedRows.of(store.decode(docs).vectors)


def _blocks(offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of documents of about 131,072 tokens."""
    start, n_docs = 0, len(offsets) - 1
    while start < n_docs:
        last = int(offsets[start]) + _BLOCK_TOKENS
        stop = int(np.searchsorted(offsets, last, side="right")) - 1
        stop = max(start + 1, min(stop, n_docs))
        yield start, stop
        start = stop


def _listed(
    codes: NDArray[np.uint16], offsets: NDArray[np.int64], n_centroids: int
) -> CentroidLists:
    n_windows = -(-(len(offsets) - 1) // _WINDOW)
    starts = np.empty(n_centroids * n_windows + 1, dtype=np.int64)
    _native.centroid_count_lists(codes, offsets, n_centroids, starts)
    docs = np.empty(int(starts[-1]), dtype=np.uint16)
    _native.centroid_fill_lists(codes, offsets, n_centroids, starts, docs)
    return CentroidLists(starts, docs)


def _room(n: int) -> Found:
    return np.empty(max(1, n), dtype=np.int64), np.empty(max(1, n), dtype=np.uint32)
