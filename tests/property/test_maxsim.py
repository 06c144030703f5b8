import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from lexmax.index import _native, oracle_multivector
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.token_codec import quantise
from lexmax.index.tokens import TokenStore
from lexmax.types import Hits, TokenBatch

PATHS = _native.available_paths()
_DIMS = st.one_of(st.integers(1, 140), st.sampled_from([255, 256, 257, 384, 768]))
_SEEDS = st.integers(0, 2**32 - 1)


def _vectors(rng: np.random.Generator, n: int, dim: int) -> NDArray[np.float32]:
    # Vectors of very different lengths, some of them zero.
    lengths = rng.choice([0.0, 1e-20, 0.5, 1.0, 1000.0], n)
    return (rng.standard_normal((n, dim)) * lengths[:, None]).astype(np.float32)


def _batch(rng: np.random.Generator, n: int, most: int, dim: int) -> TokenBatch:
    return TokenBatch.from_rows(
        [_vectors(rng, int(rng.integers(0, most + 1)), dim) for _ in range(n)], dim
    )


def _bits(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    # Adding 0.0 makes both zeros one.
    return (np.asarray(scores, np.float32) + np.float32(0)).view(np.uint32)


def _assert_same(found: Hits, expected: Hits) -> None:
    np.testing.assert_array_equal(found.ordinals, expected.ordinals)
    np.testing.assert_array_equal(_bits(found.scores), _bits(expected.scores))


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_codes_and_scales_are_the_oracles(vectors: NDArray[np.float32]) -> None:
    found, expected = quantise(vectors), oracle_multivector.quantise(vectors)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None)
@given(dim=_DIMS, n_query=st.integers(0, 70), seed=_SEEDS)
def test_int8_scores_are_the_oracles_bits(path: str, dim: int, n_query: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    documents, query = _batch(rng, 4, 27, dim), _vectors(rng, n_query, dim)
    found = TokenStore.from_batch(documents).maxsim(query, None, path=path)
    expected = [oracle_multivector.quantised_maxsim(query, documents.row(i)) for i in range(4)]
    np.testing.assert_array_equal(_bits(found), _bits(np.array(expected)))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=30, deadline=None)
@given(dim=_DIMS, n_query=st.integers(0, 40), seed=_SEEDS)
def test_fp16_scores_are_those_of_the_decoded_vectors(
    path: str, dim: int, n_query: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    documents = _batch(rng, 3, 27, dim)
    query = rng.standard_normal((n_query, dim)).astype(np.float32)
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    store = TokenStore.from_batch(documents, codec="fp16")
    decoded = store.decode(np.arange(3))
    scale = max(1.0, float(np.linalg.norm(decoded.vectors, axis=1).max(initial=0)) * n_query)
    found = store.maxsim(query, None, path=path)
    expected = [oracle_multivector.maxsim(query, decoded.row(i)) for i in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


@given(seed=_SEEDS, path=st.sampled_from(PATHS))
def test_the_order_of_a_documents_tokens_does_not_matter(seed: int, path: str) -> None:
    rng = np.random.default_rng(seed)
    document, query = _vectors(rng, 30, 20), _vectors(rng, 5, 20)
    both = TokenStore.from_batch(TokenBatch.from_rows([document, rng.permutation(document)], 20))
    first, second = both.maxsim(query, None, path=path)
    assert first == second


@settings(deadline=None)
@given(seed=_SEEDS, k=st.integers(1, 12), codec=st.sampled_from(["int8", "fp16"]))
def test_exhaustive_search_is_the_oracles(seed: int, k: int, codec: str) -> None:
    rng = np.random.default_rng(seed)
    # Few small integers: what is stored is what was given, and many scores tie.
    rows = [rng.integers(-1, 2, (int(rng.integers(0, 4)), 3)) for _ in range(9)]
    documents = TokenBatch.from_rows([row.astype(np.float32) for row in rows], 3)
    asked = [rng.integers(-1, 2, (int(rng.integers(0, 4)), 3)) for _ in range(3)]
    queries = TokenBatch.from_rows([row.astype(np.float32) for row in asked], 3)
    alive = rng.random(9) < 0.7
    store = TokenStore.from_batch(documents, codec="fp16" if codec == "fp16" else "int8")
    found = MultiVectorIndex(store, None).search(queries, k, alive=alive)
    expected = oracle_multivector.search(documents, queries, k, alive=alive)
    if codec == "fp16":
        _assert_same(found, expected)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6, atol=1e-6)
