"""Studied codecs beside plain oracles: what is decoded, how far off it may be, odd shapes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.eval.compression.codecs.codec import Codec, Sample, n_bytes, rows_of
from lexmax.eval.compression.codecs.leanvec import LeanVec
from lexmax.eval.compression.codecs.packing import WIDTHS, packed, unpacked
from lexmax.eval.compression.codecs.products import Products
from lexmax.eval.compression.codecs.residuals import Residuals
from lexmax.eval.compression.codecs.scalar import Affine, Plain, Symmetric
from lexmax.eval.compression.codecs.signs import Signs
from lexmax.index.token_codec import quantise

Floats = NDArray[np.float32]

CODECS: dict[str, Codec] = {
    "fp32": Plain(),
    "fp16": Plain(np.float16),
    "int8": Symmetric(8),
    "int4": Symmetric(4),
    "int2": Symmetric(2),
    "lvq8": Affine(8),
    "lvq4": Affine(4),
    "lvq1": Affine(1),
    "signs": Signs(),
    "turned signs": Signs(turned=True),
    "pq8": Products(8, 4),
    "pq4": Products(4, 3),
    "opq8": Products(8, 2, turned=True),
    "residual1": Residuals(1),
    "residual8": Residuals(8, n_centroids=3),
    "id": LeanVec(3, Plain(np.float16)),
    "ood": LeanVec(3, Symmetric(8), by_queries=True),
    "ood, shrunk": LeanVec(3, Plain(), by_queries=True, shrinkage=0.3),
}


def _vectors(rows: int, dim: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


# Dimensions that none of the codes divides, one coordinate, one document, no queries.
@pytest.mark.parametrize(("rows", "dim", "queries"), [(40, 7, 9), (1, 7, 3), (5, 13, 0), (6, 1, 2)])
def test_any_shape_can_be_coded_and_multiplied(
    codec: Codec, rows: int, dim: int, queries: int
) -> None:
    vectors = _vectors(rows, dim, seed=1)
    fitted = codec.fit(Sample(vectors, _vectors(queries, dim, seed=2)))
    stored = fitted.encode(vectors)
    assert all(len(array) == rows for array in stored.values())
    products = fitted.queries(_vectors(4, dim, seed=3)) @ fitted.decode(stored).T
    assert products.shape == (4, rows)
    assert np.isfinite(products).all()


def test_odd_vectors_give_finite_products(codec: Codec) -> None:
    vectors = _vectors(30, 6, seed=4)
    vectors[0] = 0
    vectors[1] = 1.5
    vectors[:, 2] = 0.25
    vectors[3] = 1e-30
    fitted = codec.fit(Sample(vectors, vectors[:5]))
    assert np.isfinite(fitted.decode(fitted.encode(vectors))).all()


def test_vectors_of_zeros_alone_have_products_of_zero(codec: Codec) -> None:
    vectors = np.zeros((9, 6), np.float32)
    fitted = codec.fit(Sample(vectors, vectors))
    queries = fitted.queries(_vectors(3, 6, seed=5))
    assert np.abs(queries @ fitted.decode(fitted.encode(vectors)).T).max() == 0


def test_the_same_sample_gives_the_same_bytes(codec: Codec) -> None:
    vectors, queries = _vectors(50, 9, seed=6), _vectors(12, 9, seed=7)
    made = [codec.fit(Sample(vectors, queries, seed=3)) for _ in range(2)]
    coded = [fitted.encode(vectors) for fitted in made]
    for one, other in ((made[0].fixed, made[1].fixed), (coded[0], coded[1])):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_row_does_not_depend_on_the_others(codec: Codec) -> None:
    vectors = _vectors(60, 8, seed=8)
    fitted = codec.fit(Sample(vectors, vectors[:7]))
    together = fitted.encode(vectors)
    alone = fitted.encode(vectors[17:18])
    part = rows_of(together, 17, 18)
    np.testing.assert_allclose(fitted.decode(alone), fitted.decode(part), atol=1e-5)


def test_an_empty_batch_has_no_rows(codec: Codec) -> None:
    vectors = _vectors(20, 8, seed=9)
    fitted = codec.fit(Sample(vectors, vectors[:5]))
    assert len(fitted.decode(fitted.encode(vectors[:0]))) == 0


@given(
    st.sampled_from(WIDTHS).flatmap(
        lambda bits: st.tuples(
            st.just(bits),
            arrays(
                np.uint8,
                st.tuples(st.integers(0, 5), st.integers(1, 19)),
                elements=st.integers(0, 2**bits - 1),
            ),
        )
    )
)
def test_packed_codes_come_back_and_lie_as_said(case: tuple[int, NDArray[np.uint8]]) -> None:
    bits, codes = case
    found = packed(codes, bits)
    n, dim = codes.shape
    assert found.shape == (n, -(-dim * bits // 8))
    assert np.array_equal(unpacked(found, bits, dim), codes)
    for row, said in zip(found.tolist(), codes.tolist(), strict=True):
        whole = sum(code << (i * bits) for i, code in enumerate(said))
        assert int.from_bytes(bytes(row), "little") == whole


def test_bits_that_no_byte_holds_are_refused() -> None:
    with pytest.raises(ShapeError, match="expected one of"):
        packed(np.zeros((1, 3), np.uint8), 3)
    with pytest.raises(ShapeError, match="expected one of"):
        Symmetric(1).fit(Sample(_vectors(3, 3, seed=0), _vectors(0, 3, seed=0)))


_ROWS = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 9)),
    elements=st.floats(-100, 100, width=32),
)


@given(_ROWS)
def test_halves_err_by_their_last_bit(vectors: Floats) -> None:
    decoded = Plain(np.float16).decode(Plain(np.float16).encode(vectors))
    # The least subnormal half is 2 ** -24.
    assert (np.abs(decoded - vectors) <= np.abs(vectors) * 2.0**-11 + 2.0**-25).all()


def test_numbers_beyond_halves_are_refused() -> None:
    with pytest.raises(ShapeError, match="greatest half"):
        Plain(np.float16).encode(np.full((1, 2), 1e5, np.float32))


@given(_ROWS, st.sampled_from([2, 4, 8]))
def test_whole_numbers_err_by_half_a_scale(vectors: Floats, bits: int) -> None:
    fitted = Symmetric(bits).fit(Sample(vectors, vectors))
    stored = fitted.encode(vectors)
    most = 2 ** (bits - 1) - 1
    for row, scale, decoded in zip(vectors, stored["scales"], fitted.decode(stored), strict=True):
        assert scale == np.float32(max(abs(x) for x in row)) / np.float32(most)
        assert (np.abs(decoded - row) <= scale * 0.5001 + 1e-37).all()


@given(_ROWS)
def test_eight_bits_are_those_of_collections(vectors: Floats) -> None:
    fitted = Symmetric(8).fit(Sample(vectors, vectors))
    codes, scales = quantise(vectors)
    found = fitted.decode(fitted.encode(vectors))
    np.testing.assert_array_equal(found, codes.astype(np.float32) * scales[:, None])


@given(_ROWS, st.sampled_from([1, 2, 4, 8]))
def test_steps_err_by_half_of_one(vectors: Floats, bits: int) -> None:
    fitted = Affine(bits).fit(Sample(vectors, vectors))
    decoded = fitted.decode(fitted.encode(vectors))
    rest = vectors - vectors.astype(np.float64).mean(axis=0).astype(np.float32)
    spread = np.ptp(rest, axis=1, keepdims=True)
    # Besides half a step: lows and steps are halves, and float32 rounds sums.
    rounding = 2.0**-10 * (np.abs(rest).max(axis=1, keepdims=True) + spread) + 1e-4
    assert (np.abs(decoded - vectors) <= spread / (2**bits - 1) / 2 + rounding).all()


@given(_ROWS)
def test_signs_stand_for_the_mean_magnitude(vectors: Floats) -> None:
    fitted = Signs().fit(Sample(vectors, vectors))
    for row, decoded in zip(vectors, fitted.decode(fitted.encode(vectors)), strict=True):
        mean = np.abs(row).mean(dtype=np.float32)
        np.testing.assert_array_equal(decoded, [mean if x > 0 else -mean for x in row])


def test_turned_signs_keep_lengths_and_products() -> None:
    vectors = _vectors(20, 16, seed=10)
    fitted = Signs(turned=True).fit(Sample(vectors, vectors, seed=4))
    turned = fitted.queries(vectors)
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, atol=1e-4)


def _nearest(codebooks: Floats, vector: Floats) -> list[int]:
    """The oracle of product quantisation: the centroid of least distance in each place."""
    size = codebooks.shape[2]
    parts = [vector[i * size : (i + 1) * size] for i in range(len(codebooks))]
    return [
        int(((book.astype(np.float64) - part) ** 2).sum(axis=1).argmin())
        for book, part in zip(codebooks, parts, strict=True)
    ]


@pytest.mark.parametrize("bits", [4, 8])
def test_products_take_the_nearest_centroids(bits: int) -> None:
    vectors = _vectors(300, 7, seed=11)
    fitted = Products(bits, 2).fit(Sample(vectors, vectors))
    stored = fitted.encode(vectors)
    books = fitted.fixed["codebooks"]
    padded = fitted.queries(vectors)
    assert padded.shape == (300, 8)
    assert stored["codes"].shape == (300, 8 // 2 * bits // 8)
    decoded = fitted.decode(stored)
    for row, found in list(zip(padded, decoded, strict=True))[:40]:
        said = np.concatenate([books[i, c] for i, c in enumerate(_nearest(books, row))])
        # Two centroids may be equally near in float32.
        assert ((found - row) ** 2).sum() <= ((said - row) ** 2).sum() + 1e-5


def test_few_vectors_are_their_own_centroids() -> None:
    vectors = _vectors(20, 8, seed=12)
    fitted = Products(8, 4).fit(Sample(vectors, vectors))
    np.testing.assert_allclose(fitted.decode(fitted.encode(vectors)), vectors, atol=1e-5)


def test_turning_suits_codes_to_vectors() -> None:
    rng = np.random.default_rng(13)
    shared = rng.standard_normal((600, 2)) @ rng.standard_normal((2, 8)) * 3
    vectors = (shared + 0.05 * rng.standard_normal((600, 8))).astype(np.float32)

    def error(codec: Products) -> float:
        fitted = codec.fit(Sample(vectors, vectors))
        return float(((fitted.decode(fitted.encode(vectors)) - fitted.queries(vectors)) ** 2).sum())

    assert error(Products(4, 2, turned=True)) < error(Products(4, 2))


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Floats = vectors / lengths
    return found


@pytest.mark.parametrize("bits", WIDTHS)
def test_residuals_are_counted_into_quantiles(bits: int) -> None:
    vectors = _unit(_vectors(400, 6, seed=14))
    fitted = Residuals(bits, n_centroids=5).fit(Sample(vectors, vectors))
    stored, fixed = fitted.encode(vectors), fitted.fixed
    assert len(fixed["values"]) == 2**bits
    assert stored["codes"].shape == (400, -(-6 * bits // 8))
    for row, centroid, decoded in list(
        zip(vectors, stored["centroids"], fitted.decode(stored), strict=True)
    )[:40]:
        middle = fixed["centroids"][centroid].astype(np.float32)
        plain = np.array(
            [
                m + fixed["values"][sum(bool(c < x - m) for c in fixed["cutoffs"])]
                for m, x in zip(middle, row, strict=True)
            ]
        )
        np.testing.assert_allclose(decoded, plain / np.linalg.norm(plain), atol=1e-5)


def test_more_bits_of_residuals_err_less() -> None:
    vectors = _unit(_vectors(500, 8, seed=15))

    def error(bits: int) -> float:
        fitted = Residuals(bits, n_centroids=8).fit(Sample(vectors, vectors))
        return float(((fitted.decode(fitted.encode(vectors)) - vectors) ** 2).sum())

    errors = [error(bits) for bits in WIDTHS]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01 * errors[0]


def test_residuals_of_other_lengths_are_not_brought_to_one() -> None:
    vectors = 3 * _vectors(200, 6, seed=16)
    fitted = Residuals(8, n_centroids=4).fit(Sample(vectors, vectors))
    decoded = fitted.decode(fitted.encode(vectors))
    np.testing.assert_allclose(
        np.linalg.norm(decoded, axis=1), np.linalg.norm(vectors, axis=1), rtol=0.2
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 17))
def test_bytes_are_those_of_the_arrays(rows: int, dim: int) -> None:
    vectors = _vectors(rows, dim, seed=17)
    sizes: dict[str, Callable[[], int]] = {
        "fp32": lambda: 4 * dim,
        "fp16": lambda: 2 * dim,
        "int8": lambda: dim + 4,
        "int4": lambda: -(-dim // 2) + 4,
        "lvq4": lambda: -(-dim // 2) + 4,
        "signs": lambda: -(-dim // 8) + 4,
        "residual1": lambda: -(-dim // 8) + 2,
    }
    for name, size in sizes.items():
        stored = CODECS[name].fit(Sample(vectors, vectors)).encode(vectors)
        assert n_bytes(stored) == rows * size(), name
