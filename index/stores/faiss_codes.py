"""What does FAISS do here? It trains and makes codes, scans them, and links graphs.

Its indexes are made in memory from arrays that were checked: FAISS is never given bytes of a file
to parse, and what it holds is never written.
"""

import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.index.stores.store import Row
from lexmax.index.threads import one_thread

_TURNING_ITERATIONS = 20
_CODEBOOK_ITERATIONS = 4
# Vectors that a vector's links are chosen from, when graphs are built.
_LINKED_FROM = 100


class ListScan:
    """Codes uint8 (n, bytes) of `codebooks`, in lists (n,) about centroids (n_lists, dim)."""

    def __init__(
        self,
        codebooks: NDArray[np.float32],
        codes: NDArray[np.uint8],
        lists: NDArray[Any],
        centroids: NDArray[np.float32],
    ) -> None:
        faiss = _faiss()
        places, n_centroids, sub_dim = codebooks.shape
        dim, bits = places * sub_dim, n_centroids.bit_length() - 1
        # Python must hold what C++ only points at.
        self._coarse = faiss.IndexFlatIP(dim)
        self._coarse.add(np.ascontiguousarray(centroids))
        metric = faiss.METRIC_INNER_PRODUCT
        made = faiss.IndexIVFPQ(self._coarse, dim, len(centroids), places, bits, metric)
        made.by_residual, made.is_trained, made.ntotal = False, True, len(codes)
        made.pq = quantiser(codebooks)
        order = np.argsort(lists, kind="stable")
        bounds = np.searchsorted(lists[order], np.arange(len(centroids) + 1))
        for i in range(len(centroids)):
            members = order[bounds[i] : bounds[i + 1]]
            rows = np.ascontiguousarray(codes[members])
            if len(members):
                made.invlists.add_entries(
                    i, len(members), faiss.swig_ptr(members), faiss.swig_ptr(rows)
                )
        # Fast scan keeps codes in a layout of its own, which is for registers.
        self._index = faiss.IndexIVFPQFastScan(made) if bits == 4 else made

    def search(
        self,
        query: NDArray[np.float32],
        n: int,
        *,
        probes: int,
        alive: NDArray[np.bool_] | None,
    ) -> Row:
        """At most n of the living in the lists whose centroids suit best; query (1, dim)."""
        faiss = _faiss()
        options = faiss.SearchParametersIVF(nprobe=probes)
        if alive is not None:
            bits = np.packbits(alive, bitorder="little")
            chosen = faiss.IDSelectorBitmap(bits)
            options = faiss.SearchParametersIVF(nprobe=probes, sel=chosen)
        scores, ordinals = self._index.search(query, n, params=options)
        found = ordinals[0] >= 0
        return ordinals[0][found], scores[0][found]


def train_codebooks(
    sample: NDArray[np.float32], n_centroids: int, sub_dim: int, *, seed: int
) -> NDArray[np.float32]:
    """Codebooks (dim / sub_dim, n_centroids, sub_dim) for vectors like the sample (n, dim)."""
    with one_thread():
        made = _quantiser(sample.shape[1], n_centroids, sub_dim)
        made.cp.seed, made.cp.min_points_per_centroid = seed % 2**31, 1
        made.train(_repeated(sample, n_centroids))
        centroids: NDArray[np.float32] = _faiss().vector_to_array(made.centroids)
    return centroids.reshape(-1, n_centroids, sub_dim).copy()


def quantiser(codebooks: NDArray[np.float32]) -> Any:
    """A FAISS ProductQuantizer; its `compute_codes` makes codes uint8 of vectors (n, dim)."""
    places, n_centroids, sub_dim = codebooks.shape
    made = _quantiser(places * sub_dim, n_centroids, sub_dim)
    _faiss().copy_array_to_vector(np.ascontiguousarray(codebooks).reshape(-1), made.centroids)
    return made


def train_rotation(
    sample: NDArray[np.float32], n_centroids: int, sub_dim: int, *, seed: int
) -> NDArray[np.float32]:
    """A matrix (dim, dim) whose columns turn vectors so that codes lose little of them.

    Codebooks and the best turn for them in alternation (Ge et al. 2013, section 3.1). FAISS has
    this too, but ends the process where a sample has fewer vectors than it likes.
    """
    with one_thread():
        turn = _balanced(sample, sub_dim)
        made = _quantiser(sample.shape[1], n_centroids, sub_dim)
        made.cp.seed, made.cp.min_points_per_centroid = seed % 2**31, 1
        made.cp.niter = _CODEBOOK_ITERATIONS
        for _ in range(_TURNING_ITERATIONS):
            turned = np.ascontiguousarray(sample @ turn)
            made.train(_repeated(turned, n_centroids))
            made.train_type = made.Train_hot_start
            kept = made.decode(made.compute_codes(turned))
            left, _, right = np.linalg.svd(sample.T @ kept)
            turn = left @ right
    return np.ascontiguousarray(turn)


def _balanced(sample: NDArray[np.float32], sub_dim: int) -> NDArray[np.float32]:
    """Principal directions, dealt out so that all codes have about the same to tell apart.

    That is, the same product of variances (Ge et al. 2013, section 3.2): a start for turning.
    """
    variances, directions = np.linalg.eigh(sample.T @ sample)
    places: list[list[int]] = [[] for _ in range(len(variances) // sub_dim)]
    told = np.zeros(len(places))
    for direction in np.argsort(-variances, kind="stable").tolist():
        place = int(np.argmin(told))
        places[place].append(direction)
        told[place] += np.log(max(float(variances[direction]), 1e-30))
        if len(places[place]) == sub_dim:
            told[place] = np.inf
    turn: NDArray[np.float32] = directions[:, np.concatenate(places)].astype(np.float32)
    return turn


def train_lists(sample: NDArray[np.float32], n_lists: int, *, seed: int) -> NDArray[np.float32]:
    """Centroids (n_lists, dim) that a sample (n, dim) clusters about."""
    faiss = _faiss()
    with one_thread():
        clustering = faiss.Clustering(sample.shape[1], n_lists)
        clustering.seed, clustering.min_points_per_centroid = seed % 2**31, 1
        clustering.train(_repeated(sample, n_lists), faiss.IndexFlatL2(sample.shape[1]))
        centroids: NDArray[np.float32] = faiss.vector_to_array(clustering.centroids)
    return centroids.reshape(n_lists, -1).copy()


def linked(
    blocks: Iterable[NDArray[np.float32]], dim: int, m: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Links (n, 2 m) of the vectors that come in blocks, -1 where there are fewer; and levels (n,).

    Holds 2 bytes a coordinate of every vector meanwhile.
    """
    faiss = _faiss()
    with one_thread():
        metric = faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_fp16, m, metric)
        index.hnsw.efConstruction = _LINKED_FROM
        for block in blocks:
            index.train(block)
            index.add(block)
        levels = faiss.vector_to_array(index.hnsw.levels).astype(np.int64)
        starts = faiss.vector_to_array(index.hnsw.offsets)[:-1].astype(np.int64)
        neighbours = faiss.vector_to_array(index.hnsw.neighbors)
    links: NDArray[np.int32] = neighbours[starts[:, None] + np.arange(2 * m)].astype(np.int32)
    return links, levels


def _faiss() -> Any:
    return importlib.import_module("faiss")


def _quantiser(dim: int, n_centroids: int, sub_dim: int) -> Any:
    return _faiss().ProductQuantizer(dim, dim // sub_dim, n_centroids.bit_length() - 1)


def _repeated(sample: NDArray[np.float32], least: int) -> NDArray[np.float32]:
    """The sample, over and over until it has `least` rows, without which FAISS trains nothing."""
    if len(sample) >= least:
        return np.ascontiguousarray(sample)
    return np.ascontiguousarray(sample[np.arange(least) % len(sample)])
