import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, QueryError, ShapeError
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.centroids import Centroids
from lexmax.index.multivector_engines import WarpSource
from lexmax.index.tokens import TokenStore
from lexmax.index.warp import imputation_bound, warp_candidates, warp_scores, xtr_scores
from lexmax.types import TokenBatch

AXES = np.eye(4, dtype=np.float32)
# Four documents: a token on each of two axes, on one, none, and on another.
ROWS = [AXES[[0, 1]], AXES[[1]], AXES[:0], AXES[[2]] * np.float32(0.5)]


def _case(codec: str = "int8") -> tuple[CentroidIndex, TokenStore]:
    """A centroid on each axis; the last one stands for no token."""
    store = TokenStore.from_batch(
        TokenBatch.from_rows(ROWS, 4), codec="fp16" if codec == "fp16" else "int8"
    )
    centroids = Centroids(AXES.astype(np.float16), AXES[:1].astype(np.float16), np.array([0, 4]))
    codes = np.array([0, 1, 1, 2], dtype=np.uint16)
    return CentroidIndex(centroids, codes, store.offsets, 0.0), store


def _query(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize("codec", ["int8", "fp16"])
def test_what_no_probed_cluster_holds_is_imputed(codec: str) -> None:
    index, store = _case(codec)
    # The first token probes axis 0, the second axis 2; the bound is reached at the second nearest.
    query = _query([1, 0.5, 0, 0], [0, 0.25, 1, 0])
    source = WarpSource(probes=1, bound=1)
    ordinals, scores = warp_scores(index, store, source, query, 2, None)
    # Document 0 is read for the first token, 1.0, and imputed for the second: 0.25, of axis 1.
    # Document 3 is read for the second, 0.5, and imputed for the first: 0.5, of axis 1.
    np.testing.assert_array_equal(ordinals, [0, 3])
    np.testing.assert_allclose(scores, [1.25, 1.0], atol=0.01)


def test_a_token_that_another_query_token_reads_counts_for_all() -> None:
    index, store = _case()
    # The bound is never reached, so -1 is imputed, less than what document 3 gives: 0.
    query = _query([1, 0, 0, 0], [0, -1, 1, 0])
    source = WarpSource(probes=1, bound=100)
    ordinals, scores = warp_scores(index, store, source, query, 2, None)
    np.testing.assert_array_equal(ordinals, [0, 3])
    np.testing.assert_allclose(scores, [1.0, 0.5], atol=0.01)


def _imputed(sizes: list[int], bound: int) -> float:
    """What a query token gives where none of its clusters, ever farther, holds a token."""
    n = len(sizes)
    means = np.zeros((n + 1, 2), dtype=np.float32)
    means[:n, 0] = 1 - np.arange(n) / n
    means[n, 1] = 1
    # Document 0 has a token near the other query token only, document 1 all the rest.
    codes = np.concatenate([[n], np.repeat(np.arange(n), sizes)]).astype(np.uint16)
    offsets = np.array([0, 1, len(codes)])
    store = TokenStore.from_batch(TokenBatch(offsets, means[codes]))
    centroids = Centroids(
        means.astype(np.float16), means[:1].astype(np.float16), np.array([0, n + 1])
    )
    index = CentroidIndex(centroids, codes, offsets, 0.0)
    query, source = np.eye(2, dtype=np.float32), WarpSource(probes=1, bound=bound)
    ordinals, scores = warp_scores(index, store, source, query, 2, None)
    return float(scores[ordinals == 0][0]) - 1


@pytest.mark.parametrize(("bound", "place"), [(0, 0), (2, 1), (3, 1), (4, 2), (7, 3)])
def test_the_bound_is_counted_off_the_nearest_clusters(bound: int, place: int) -> None:
    assert _imputed([2, 2, 2, 2, 2], bound) == pytest.approx(1 - place / 5, abs=0.001)


def test_clusters_are_counted_half_as_far_again_as_their_mean_size_needs() -> None:
    # 1 + 1.5 * 20 * 12 / 101 clusters are looked at: the fourth stands for all beyond it.
    assert _imputed([1] * 10 + [90], 20) == pytest.approx(1 - 3 / 11, abs=0.001)


def test_no_more_than_128_clusters_are_counted() -> None:
    assert _imputed([1] * 300, 1000) == pytest.approx(1 - 127 / 300, abs=0.001)


def test_fewer_than_wanted_widen_the_probing() -> None:
    index, store = _case()
    found = warp_candidates(index, store, WarpSource(probes=1), AXES[:1], 3, None)
    np.testing.assert_array_equal(found, [0, 1, 3])
    few = warp_candidates(index, store, WarpSource(probes=1), AXES[:1], 1, None)
    np.testing.assert_array_equal(few, [0])


@pytest.mark.parametrize("n", [4, 1000])
def test_documents_without_tokens_are_not_found(n: int) -> None:
    index, store = _case()
    ordinals, scores = warp_scores(index, store, WarpSource(probes=1), AXES[:1], n, None)
    expected = store.best(AXES[:1], None, n)
    np.testing.assert_array_equal(ordinals, expected[0])
    np.testing.assert_array_equal(scores, expected[1])


def test_only_the_living_are_found() -> None:
    index, store = _case()
    alive = np.array([False, True, True, False])
    found = warp_candidates(index, store, WarpSource(probes=1), AXES[:1], 3, alive)
    np.testing.assert_array_equal(found, [1])
    none = warp_candidates(index, store, WarpSource(probes=1), AXES[:1], 3, alive & False)
    assert len(none) == 0


def test_clusters_without_tokens_are_not_probed() -> None:
    index, store = _case()
    # The nearest centroid that stands for a token is on axis 2.
    query = _query([0, 0, 0.5, 1])
    ordinals, _ = warp_scores(index, store, WarpSource(probes=1), query, 1, None)
    np.testing.assert_array_equal(ordinals, [3])


def test_no_query_tokens_or_no_documents_find_nothing() -> None:
    index, store = _case()
    assert len(warp_candidates(index, store, WarpSource(), AXES[:0], 3, None)) == 0
    assert len(warp_candidates(index, store, WarpSource(), AXES[:1], 0, None)) == 0
    nothing = TokenStore.from_batch(TokenBatch.from_rows([AXES[:0]] * 2, 4))
    empty = CentroidIndex(index.centroids, index.codes[:0], nothing.offsets, 0.0)
    assert len(warp_candidates(empty, nothing, WarpSource(), AXES[:1], 3, None)) == 0


def test_documents_of_several_windows() -> None:
    rng = np.random.default_rng(5)
    n_docs, dim, n_centroids = 40_000, 4, 16
    vectors = rng.integers(-9, 10, (n_docs, dim)).astype(np.float32)
    store = TokenStore.from_batch(TokenBatch(np.arange(n_docs + 1), vectors))
    means = rng.standard_normal((n_centroids, dim)).astype(np.float16)
    centroids = Centroids(means, means[:1], np.array([0, n_centroids]))
    codes = rng.integers(0, n_centroids, n_docs).astype(np.uint16)
    index = CentroidIndex(centroids, codes, store.offsets, 0.0)
    query, alive = vectors[:3] + np.float32(0.5), rng.random(n_docs) < 0.5
    source = WarpSource(probes=n_centroids)
    found = warp_scores(index, store, source, query, 5000, alive)
    expected = store.best(query, None, 5000, alive=alive)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_xtr_scores_are_means() -> None:
    index, store = _case()
    query, source = AXES[[0, 1, 2]], WarpSource(probes=2)
    ordinals, sums = warp_scores(index, store, source, query, 3, None)
    found, means = xtr_scores(index, store, source, query, 3, None)
    np.testing.assert_array_equal(found, ordinals)
    np.testing.assert_array_equal(means, sums / np.float32(3))
    assert means.dtype == np.float32


@pytest.mark.parametrize(
    ("n_tokens", "bound"), [(1_231_901, 3000), (125_000, 1000), (124_999, 999), (2, 4), (0, 0)]
)
def test_the_bound_is_the_papers_unless_that_is_zero(n_tokens: int, bound: int) -> None:
    assert imputation_bound(n_tokens) == bound


def test_no_probes_are_refused() -> None:
    index, store = _case()
    with pytest.raises(QueryError, match="probes=0; expected 1 or more"):
        warp_candidates(index, store, WarpSource(probes=0), AXES[:1], 3, None)


def test_parts_of_different_indexes_are_refused() -> None:
    index, store = _case()
    other = TokenStore.from_batch(TokenBatch.from_rows(ROWS[:2], 4))
    with pytest.raises(ShapeError, match="expected those of one index"):
        warp_candidates(index, other, WarpSource(), AXES[:1], 3, None)
    with pytest.raises(ShapeError, match="documents have dim 4"):
        warp_candidates(index, store, WarpSource(), AXES[:1, :3], 3, None)
    with pytest.raises(ShapeError, match="alive"):
        warp_candidates(index, store, WarpSource(), AXES[:1], 3, np.ones(3, dtype=bool))


def test_a_token_of_no_centroid_is_corruption() -> None:
    index, store = _case()
    codes = np.array([0, 1, 1, 4], dtype=np.uint16)
    damaged = CentroidIndex(index.centroids, codes, store.offsets, 0.0)
    with pytest.raises(CorruptionError, match="token of centroid 4; expected less than 4"):
        warp_candidates(damaged, store, WarpSource(), AXES[:1], 3, None)
