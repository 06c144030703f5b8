import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.encoders.pooling import Count, Pooled, Pooling
from lexmax.types import TokenBatch

DIM = 8
COUNTS = st.one_of(
    st.builds(Count, tokens=st.integers(1, 40)),
    st.builds(Count, ratio=st.floats(0.01, 1)),
    st.builds(Count, factor=st.integers(1, 9)),
)
CLUSTERINGS = st.one_of(
    st.builds(Pooling, st.just("kmeans"), COUNTS, st.integers(0, 3)),
    st.builds(Pooling, st.just("ward"), COUNTS),
)
POOLINGS = st.one_of(
    CLUSTERINGS,
    st.builds(Pooling, st.just("spacing"), st.builds(Count, factor=st.integers(1, 9))),
    st.builds(Pooling, st.just("tail"), COUNTS),
)
LENGTHS = st.lists(st.integers(0, 60), max_size=8)


@st.composite
def batches(draw: st.DrawFn) -> TokenBatch:
    """Unit vectors; some texts say a few things over and over, some cancel out."""
    rows: list[NDArray[np.float32]] = []
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    for length in draw(LENGTHS):
        vectors = random.standard_normal((length, DIM))
        few = draw(st.sampled_from([0, 1, 2, 5]))
        if few and length:
            vectors = vectors[random.integers(0, min(few, length), length)]
            vectors *= random.choice([-1, 1], (length, 1))
        rows.append(vectors.astype(np.float32))
    batch = TokenBatch.from_rows(rows, DIM)
    lengths = np.linalg.norm(batch.vectors, axis=1, keepdims=True)
    return TokenBatch(batch.offsets, batch.vectors / lengths)


@settings(deadline=None)
@given(batches(), POOLINGS)
def test_as_many_vectors_as_the_count_says_and_never_more_than_tokens(
    batch: TokenBatch, pooling: Pooling
) -> None:
    lengths = np.diff(batch.offsets)
    kept = np.diff(pooling.pool(batch).tokens.offsets)
    np.testing.assert_array_equal(kept, pooling.count.of(lengths))
    assert np.all(kept <= lengths)
    assert np.all((kept > 0) == (lengths > 0))


@settings(deadline=None)
@given(batches(), POOLINGS)
def test_vectors_keep_length_one(batch: TokenBatch, pooling: Pooling) -> None:
    pooled = pooling.pool(batch)
    np.testing.assert_allclose(np.linalg.norm(pooled.tokens.vectors, axis=1), 1, atol=1e-5)


@settings(deadline=None)
@given(batches(), CLUSTERINGS, st.booleans())
def test_no_vector_is_zero_and_every_token_is_counted(
    batch: TokenBatch, pooling: Pooling, unit: bool
) -> None:
    pooled = pooling.pool(batch, unit=unit)
    assert np.all(np.any(pooled.tokens.vectors != 0, axis=1))
    assert np.all(pooled.sizes > 0)
    for i in range(len(batch)):
        first, last = pooled.tokens.offsets[i : i + 2]
        assert pooled.sizes[first:last].sum() == len(batch.row(i))


@settings(deadline=None)
@given(batches(), POOLINGS, st.booleans())
def test_a_text_is_pooled_alike_alone_and_among_others(
    batch: TokenBatch, pooling: Pooling, unit: bool
) -> None:
    together = pooling.pool(batch, unit=unit).tokens
    again = pooling.pool(batch, unit=unit).tokens
    assert again.vectors.tobytes() == together.vectors.tobytes()
    for i in range(len(batch)):
        alone = pooling.pool(batch.slice(i, i + 1), unit=unit).tokens
        assert alone.vectors.tobytes() == together.row(i).tobytes()


@pytest.mark.parametrize("count", [Count(factor=1), Count(tokens=60), Count(ratio=1.0)])
@pytest.mark.parametrize("method", ["kmeans", "ward", "spacing", "tail"])
@settings(deadline=None)
@given(batch=batches())
def test_texts_that_may_keep_all_keep_all(method: str, count: Count, batch: TokenBatch) -> None:
    if method == "spacing":
        count = Count(factor=1)
    pooled = Pooling(method, count).pool(batch)
    np.testing.assert_array_equal(pooled.tokens.offsets, batch.offsets)
    np.testing.assert_array_equal(pooled.tokens.vectors, batch.vectors)
    assert np.all(pooled.sizes == 1)


@settings(deadline=None)
@given(batches(), CLUSTERINGS)
def test_a_vector_is_the_mean_of_as_many_tokens_as_it_stands_for(
    batch: TokenBatch, pooling: Pooling
) -> None:
    """Weighed by their sizes, means have the sum of all tokens."""
    pooled = pooling.pool(batch, unit=False)
    if np.any(_vanished(batch, pooled)):
        return
    for i in range(len(batch)):
        first, last = pooled.tokens.offsets[i : i + 2]
        sums = pooled.sizes[first:last] @ pooled.tokens.row(i)
        np.testing.assert_allclose(sums, batch.row(i).sum(axis=0), rtol=0, atol=1e-4)


def _vanished(batch: TokenBatch, pooled: Pooled) -> NDArray[np.bool_]:
    """Vectors that are a token although they stand for several."""
    same = np.any(np.all(pooled.tokens.vectors[:, None] == batch.vectors[None], axis=2), axis=1)
    return same & (pooled.sizes > 1)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(2, 9))
def test_k_means_fits_clustered_tokens_better_than_spacing(seed: int, n_groups: int) -> None:
    """Over many texts: draws are random, so that a single text may have bad luck."""
    random = np.random.default_rng(seed)
    rows: list[NDArray[np.float32]] = []
    for _ in range(30):
        centres = random.standard_normal((n_groups, DIM))
        vectors = centres[random.integers(0, n_groups, 12 * n_groups)]
        vectors += 0.3 * random.standard_normal(vectors.shape)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        rows.append(vectors.astype(np.float32))
    texts = TokenBatch.from_rows(rows, DIM)
    means = Pooling("kmeans", Count(factor=12), seed).pool(texts)
    spaced = Pooling("spacing", Count(factor=12)).pool(texts)
    assert len(means.sizes) == len(spaced.sizes) == 30 * n_groups
    assert _inertia(texts, means) < 0.9 * _inertia(texts, spaced)


def _inertia(texts: TokenBatch, pooled: Pooled) -> float:
    """Sum over tokens of one minus the cosine with the nearest vector that is left."""
    nearest = [
        (texts.row(i) @ pooled.tokens.row(i).T).max(axis=1, initial=-1) for i in range(len(texts))
    ]
    return float((1 - np.concatenate(nearest)).sum())
