from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index import _native
from lexmax.index import oracle_vector_scan as oracle

PATHS = _native.available_paths()
SHAPES = st.tuples(st.integers(1, 2500), st.sampled_from([1, 3, 16, 63, 64, 65, 130, 200]))


def _case(seed: int, n: int, dim: int) -> tuple[NDArray[np.int8], ...]:
    """A query and vectors of few different values, so that many products are equal."""
    rng = np.random.default_rng(seed)
    most = int(rng.choice([1, 127]))
    codes = rng.integers(-most, most + 1, (n, dim)).astype(np.int8)
    return rng.integers(-most, most + 1, dim).astype(np.int8), codes


def _scales(seed: int, n: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).choice([0.0, 0.5, 0.7], n).astype(np.float32)


def _alive(seed: int, n: int, share: float | None) -> NDArray[np.bool_] | None:
    return None if share is None else np.random.default_rng(seed + 1).random(n) < share


def _found(kernel: Any, n: int, *before: Any, **options: Any) -> oracle.Row:
    ordinals, scores = np.empty(n, np.int64), np.empty(n, np.float32)
    count = kernel(*before, ordinals=ordinals, scores=scores, **options)
    return ordinals[:count], scores[:count]


def _equal(found: oracle.Row, expected: oracle.Row) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


CASES: dict[str, Any] = {
    "seed": st.integers(0, 1000),
    "shape": SHAPES,
    "n": st.integers(1, 3000),
    "share": st.sampled_from([None, 0.0, 0.01, 0.5]),
    "threads": st.sampled_from([1, 2, 3]),
}


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25, deadline=None)
@given(**CASES)
def test_bytes_are_scanned_as_the_oracle_does(
    path: str, seed: int, shape: tuple[int, int], n: int, share: float | None, threads: int
) -> None:
    query, codes = _case(seed, *shape)
    scales, alive = _scales(seed, shape[0]), _alive(seed, shape[0], share)
    found = _found(_native.scan_int8, n, query, codes, scales, alive, threads=threads, path=path)
    _equal(found, oracle.nearest(oracle.byte_products(query, codes, scales), n, alive))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25, deadline=None)
@given(**CASES)
def test_signs_are_scanned_as_the_oracle_does(
    path: str, seed: int, shape: tuple[int, int], n: int, share: float | None, threads: int
) -> None:
    query, codes = (np.packbits(part > 0, axis=-1) for part in _case(seed, *shape))
    scales, alive = _scales(seed, shape[0]), _alive(seed, shape[0], share)
    found = _found(
        _native.scan_bits, n, query, codes, scales, shape[1], alive, threads=threads, path=path
    )
    products = oracle.sign_products(query, codes, scales, dim=shape[1])
    _equal(found, oracle.nearest(products, n, alive))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), shape=SHAPES)
def test_products_of_a_few_are_those_of_the_oracle(
    path: str, seed: int, shape: tuple[int, int]
) -> None:
    query, codes = _case(seed, *shape)
    scales = _scales(seed, shape[0])
    ordinals = np.random.default_rng(seed).integers(0, shape[0], 50)
    out = np.empty(50, np.float32)
    _native.score_int8(query, codes, scales, ordinals, out, path)
    expected = oracle.byte_products(query, codes, scales)[ordinals]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n_docs=st.integers(1, 300),
    width=st.integers(1, 6),
    n=st.integers(1, 20),
    wider=st.integers(0, 20),
    share=st.sampled_from([None, 0.0, 0.3]),
)
def test_graphs_are_walked_as_by_the_oracle(
    path: str, seed: int, n_docs: int, width: int, n: int, wider: int, share: float | None
) -> None:
    query, codes = _case(seed, n_docs, 24)
    scales, alive = _scales(seed, n_docs), _alive(seed, n_docs, share)
    rng = np.random.default_rng(seed)
    # Some links lead nowhere, as damaged ones may.
    links = rng.integers(-2, n_docs + 3, (n_docs, width)).astype(np.int32)
    entries = rng.integers(-1, n_docs + 1, 3).astype(np.int32)
    found = _found(
        _native.search_graph,
        n,
        query,
        codes,
        scales,
        links,
        entries,
        alive,
        beam=n + wider,
        path=path,
    )
    products = oracle.byte_products(query, codes, scales)
    expected = oracle.walk(products, links, entries, beam=n + wider, alive=alive)
    _equal(found, (expected[0][:n], expected[1][:n]))


@pytest.mark.parametrize("path", PATHS)
def test_the_greatest_sums_fit(path: str) -> None:
    for sign in (-1, 1):
        codes = np.full((2, 65536), 127 * sign, np.int8)
        ones = np.ones(2, np.float32)
        found = _found(
            _native.scan_int8, 2, np.full(65536, 127, np.int8), codes, ones, None, path=path
        )
        np.testing.assert_array_equal(found[1], np.full(2, sign * 127 * 127 * 65536, np.float32))


def test_nan_is_never_found() -> None:
    codes = np.ones((4, 8), np.int8)
    scales = np.array([np.nan, 1, -np.inf, 2], np.float32)
    found = _found(_native.scan_int8, 4, codes[0], codes, scales, None)
    np.testing.assert_array_equal(found[0], [3, 1])


@pytest.mark.parametrize("damage", ["query", "scales", "alive", "wide"])
def test_arrays_that_do_not_fit_are_refused(damage: str) -> None:
    dim = 65537 if damage == "wide" else 8
    codes = np.ones((4, dim), np.int8)
    query = np.ones(9 if damage == "query" else dim, np.int8)
    scales = np.ones(3 if damage == "scales" else 4, np.float32)
    alive = np.ones(3, bool) if damage == "alive" else None
    with pytest.raises(ValueError, match=r"must|one scale"):
        _found(_native.scan_int8, 2, query, codes, scales, alive)


@pytest.mark.parametrize("ordinal", [-1, 4])
def test_ordinals_outside_are_refused(ordinal: int) -> None:
    codes, scales = np.ones((4, 8), np.int8), np.ones(4, np.float32)
    with pytest.raises(ValueError, match="below"):
        _native.score_int8(codes[0], codes, scales, np.array([ordinal]), np.empty(1, np.float32))
