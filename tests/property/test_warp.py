import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index import _native, oracle_residual, oracle_warp
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.centroids import Centroids
from lexmax.index.multivector_engines import WarpSource
from lexmax.index.oracle_multivector import quantise
from lexmax.index.token_codec import Codec
from lexmax.index.tokens import TokenStore
from lexmax.index.warp import warp_scores
from lexmax.types import TokenBatch

PATHS = _native.available_paths()
CODECS: list[Codec] = ["int8", "fp16", "residual4", "residual2"]


@dataclass(frozen=True)
class Case:
    """Vectors of small whole numbers: many scores are equal, and float sums are exact."""

    index: CentroidIndex
    store: TokenStore
    query: NDArray[np.float32]
    alive: NDArray[np.bool_] | None

    @staticmethod
    def of(seed: int, codec: Codec, dim: int, n_query: int, share: float | None) -> "Case":
        rng = np.random.default_rng(seed)
        n_docs, n_centroids = int(rng.integers(1, 40)), int(rng.choice([1, 5, 33, 200]))
        rows = [_whole(rng, int(rng.choice([0, 1, 9, 30])), dim) for _ in range(n_docs)]
        store = TokenStore.from_batch(
            TokenBatch.from_rows(rows, dim), codec="fp16" if codec == "fp16" else "int8"
        )
        # Codes at random: some centroids stand for no token, others are far from theirs.
        codes = rng.integers(0, n_centroids, store.n_tokens).astype(np.uint16)
        vectors = _whole(rng, n_centroids, dim).astype(np.float16)
        centroids = Centroids(vectors, vectors[:1], np.array([0, n_centroids]))
        if codec.startswith("residual"):
            store = _recoded(store, codec, vectors, codes)
        alive = None if share is None else rng.random(n_docs) < share
        index = CentroidIndex(centroids, codes, store.offsets, 0.0)
        return Case(index, store, _whole(rng, n_query, dim), alive)

    def similarities(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """With all tokens and with all centroids, both times the weights below."""
        store, centroids = self.store, self.index.centroids.vectors.astype(np.float32)
        near = oracle_warp.centroid_similarities(self.query, centroids)
        if store.scales is None:
            tokens = self.query @ store.codes.astype(np.float32).T
            return tokens, near * quantise(self.query)[1][:, None]
        if store.residuals is None:
            tokens = oracle_warp.token_similarities(self.query, store.codes, store.scales)
            return tokens, near
        codec = store.residuals.codec
        levels = [
            codec.levels[oracle_residual.codes_of(row, codec.bits, codec.dim)]
            for row in store.codes
        ]
        tokens = oracle_warp.residual_similarities(
            self.query,
            np.array(levels, dtype=np.int8).reshape(-1, codec.dim),
            store.scales,
            store.residuals.assigned,
            centroids=codec.centroids,
            widths=codec.widths,
        )
        return tokens, near

    def weights(self) -> NDArray[np.float32]:
        if self.store.scales is None:
            return np.ones(len(self.query), dtype=np.float32)
        return quantise(self.query)[1]


def _whole(rng: np.random.Generator, n: int, dim: int) -> NDArray[np.float32]:
    return rng.integers(-3, 4, (n, dim)).astype(np.float32)


def _recoded(
    store: TokenStore, codec: Codec, vectors: NDArray[np.float16], codes: NDArray[np.uint16]
) -> TokenStore:
    with tempfile.TemporaryDirectory() as folder:
        coded = TokenStore.recoded(
            Path(folder), store, codec=codec, centroids=vectors.astype(np.float32), assigned=codes
        )
        return coded.rows(np.arange(coded.n_docs))


def _bits(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    # Adding 0.0 makes both zeros one.
    return (scores + np.float32(0)).view(np.uint32)


def _assert_same(found: oracle_warp.Row, expected: oracle_warp.Row) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(_bits(found[1]), _bits(expected[1]))


SEEDS = st.integers(0, 2**32 - 1)
SHAPES: dict[str, Any] = {
    "seed": SEEDS,
    "dim": st.sampled_from([1, 3, 16, 64, 65, 130]),
    "n_query": st.sampled_from([1, 7, 32, 33, 70]),
    "share": st.sampled_from([None, 0.1, 0.7]),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=15, deadline=None)
@given(
    **SHAPES,
    n=st.integers(1, 50),
    probes=st.sampled_from([1, 3, 40]),
    bound=st.sampled_from([0, 20, 10_000]),
)
def test_the_oracles_documents_are_found(
    path: str,
    codec: Codec,
    seed: int,
    dim: int,
    n_query: int,
    share: float | None,
    n: int,
    probes: int,
    bound: int,
) -> None:
    case = Case.of(seed, codec, dim, n_query, share)
    if case.store.n_tokens == 0:
        return
    source = WarpSource(probes=probes, bound=bound)
    found = warp_scores(case.index, case.store, source, case.query, n, case.alive, path=path)
    has_tokens = np.diff(case.store.offsets) > 0
    findable = np.count_nonzero(has_tokens if case.alive is None else has_tokens & case.alive)
    tokens, near = case.similarities()
    arrays = (tokens, near, case.weights(), case.index.codes, case.store.offsets, n)
    while True:
        expected = oracle_warp.search(*arrays, n_probes=probes, bound=bound, alive=case.alive)
        if len(expected[0]) == min(n, findable):
            break
        probes *= 4
    _assert_same(found, expected)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=15, deadline=None)
@given(**SHAPES, n=st.integers(1, 50))
def test_all_clusters_give_the_bits_of_maxsim(
    path: str, codec: Codec, seed: int, dim: int, n_query: int, share: float | None, n: int
) -> None:
    case = Case.of(seed, codec, dim, n_query, share)
    source = WarpSource(probes=len(case.index.centroids))
    found = warp_scores(case.index, case.store, source, case.query, n, case.alive, path=path)
    _assert_same(found, case.store.best(case.query, None, n, alive=case.alive, path=path))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, bounds=st.lists(st.integers(0, 2000), min_size=2, max_size=6))
def test_what_is_imputed_falls_as_the_bound_rises(seed: int, bounds: list[int]) -> None:
    case = Case.of(seed, "int8", 16, 3, None)
    if case.store.n_tokens == 0:
        return
    sizes = np.bincount(case.index.codes, minlength=len(case.index.centroids))
    for near in case.similarities()[1]:
        rising = [
            oracle_warp.imputed(near, sizes, n_probes=1, bound=bound) for bound in sorted(bounds)
        ]
        assert rising == sorted(rising, reverse=True)
        assert rising[0] <= near[sizes > 0].max()
        assert oracle_warp.imputed(near, sizes, n_probes=1, bound=0) == near[sizes > 0].max()
