import numpy as np
import pytest

from lexmax.encoders.pooling import LONGEST, Count, Pooling
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def batch(*texts: list[list[float]]) -> TokenBatch:
    rows = [np.array(text, np.float32).reshape(-1, 2) for text in texts]
    return TokenBatch.from_rows(rows, 2)


def numbered(*lengths: int) -> TokenBatch:
    """Texts whose n-th token is (n, 1)."""
    return batch(*([[float(n), 1.0] for n in range(length)] for length in lengths))


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        (Count(tokens=3), [0, 1, 2, 3, 3]),
        (Count(ratio=0.5), [0, 1, 1, 1, 5]),
        (Count(ratio=1.0), [0, 1, 2, 3, 10]),
        (Count(factor=1), [0, 1, 2, 3, 10]),
        (Count(factor=4), [0, 1, 1, 1, 3]),
    ],
)
def test_counts_by_length(count: Count, kept: list[int]) -> None:
    assert count.of(np.array([0, 1, 2, 3, 10])).tolist() == kept


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "found no count; expected exactly one of tokens, ratio and factor"),
        ({"tokens": 8, "ratio": 0.5}, "found tokens and ratio; expected exactly one"),
        ({"tokens": 0}, "tokens is 0; expected 1 or more"),
        ({"factor": -2}, "factor is -2; expected 1 or more"),
        ({"ratio": 0.0}, "ratio is 0.0; expected above 0 and at most 1"),
        ({"ratio": 1.5}, "ratio is 1.5; expected above 0 and at most 1"),
        ({"ratio": float("nan")}, "ratio is nan; expected above 0 and at most 1"),
    ],
)
def test_counts_that_say_nothing_are_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        Count(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "count", "seed", "message"),
    [
        ("mean", Count(factor=2), 0, "no token pooling is called 'mean'; expected one of kmeans"),
        ("spacing", Count(tokens=3), 0, "pool=spacing: found tokens=3; expected factor"),
        ("spacing", Count(ratio=0.5), 0, "pool=spacing: found ratio=0.5; expected factor"),
        ("ward", Count(factor=2), 1, "pool=ward: seed is 1; expected 0 or more"),
        ("kmeans", Count(tokens=2), -1, "pool=kmeans: seed is -1; expected 0 or more"),
    ],
)
def test_poolings_that_do_not_go_together(
    method: str, count: Count, seed: int, message: str
) -> None:
    with pytest.raises(EncoderError, match=message):
        Pooling(method, count, seed)


def test_spacing_keeps_every_nth_token_from_the_first_on() -> None:
    pooled = Pooling("spacing", Count(factor=4)).pool(numbered(9, 0, 1, 4))
    assert pooled.tokens.offsets.tolist() == [0, 3, 3, 4, 5]
    assert pooled.tokens.vectors[:, 0].tolist() == [0, 4, 8, 0, 0]
    assert pooled.sizes.tolist() == [1] * 5


def test_tail_keeps_the_last_tokens() -> None:
    pooled = Pooling("tail", Count(tokens=2)).pool(numbered(5, 0, 1))
    assert pooled.tokens.offsets.tolist() == [0, 2, 2, 3]
    assert pooled.tokens.vectors[:, 0].tolist() == [3, 4, 0]


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_means_stand_where_their_first_tokens_stood(method: str) -> None:
    near_north = [0.6, 0.8]
    text = [NORTH, WEST, near_north, WEST, WEST]
    pooled = Pooling(method, Count(tokens=2)).pool(batch([EAST], text))
    mean = np.array([0.6, 1.8]) / np.hypot(0.6, 1.8)
    np.testing.assert_allclose(pooled.tokens.vectors, [EAST, mean, WEST], atol=1e-6)
    assert pooled.tokens.offsets.tolist() == [0, 1, 3]
    assert pooled.sizes.tolist() == [1, 2, 3]
    assert pooled.sizes.dtype == np.int32


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_means_keep_their_length_where_vectors_have_any(method: str) -> None:
    text = [[2.0, 0.0], [4.0, 0.0], [0.0, 5.0]]
    pooled = Pooling(method, Count(tokens=2)).pool(batch(text), unit=False)
    np.testing.assert_allclose(pooled.tokens.vectors, [[3, 0], [0, 5]], atol=1e-6)


@pytest.mark.parametrize("method", ["kmeans", "ward"])
@pytest.mark.parametrize("unit", [False, True])
def test_vectors_that_cancel_out_leave_the_first(method: str, unit: bool) -> None:
    pooled = Pooling(method, Count(tokens=1)).pool(batch([WEST, EAST]), unit=unit)
    assert pooled.tokens.vectors.tolist() == [WEST]
    assert pooled.sizes.tolist() == [2]


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_equal_tokens_still_give_as_many_vectors_as_asked_for(method: str) -> None:
    pooled = Pooling(method, Count(tokens=3)).pool(batch([EAST] * 5))
    assert pooled.tokens.vectors.tolist() == [EAST] * 3
    assert pooled.sizes.sum() == 5


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_texts_too_long_to_compare_all_pairs_are_refused(method: str) -> None:
    long = batch([EAST] * (LONGEST + 1))
    with pytest.raises(EncoderError, match="found a text of 4,097 tokens; expected at most 4,096"):
        Pooling(method, Count(factor=2)).pool(long)
    assert len(Pooling(method, Count(tokens=5000)).pool(long).sizes) == LONGEST + 1
    assert len(Pooling("spacing", Count(factor=2)).pool(long).sizes) == LONGEST // 2 + 1


def test_another_seed_draws_other_clusters() -> None:
    vectors = np.random.default_rng(5).standard_normal((60, 8)).astype(np.float32)
    text = TokenBatch.from_rows([vectors / np.linalg.norm(vectors, axis=1, keepdims=True)], 8)
    first, second = (Pooling("kmeans", Count(tokens=6), seed).pool(text) for seed in (0, 1))
    assert not np.array_equal(first.tokens.vectors, second.tokens.vectors)


@pytest.mark.parametrize(
    ("pooling", "spec"),
    [
        (Pooling("kmeans", Count(tokens=32)), "pool=kmeans&tokens=32"),
        (Pooling("kmeans", Count(ratio=0.25), 7), "pool=kmeans&ratio=0.25&seed=7"),
        (Pooling("ward", Count(factor=3)), "pool=ward&factor=3"),
    ],
)
def test_specs(pooling: Pooling, spec: str) -> None:
    assert pooling.spec == spec
