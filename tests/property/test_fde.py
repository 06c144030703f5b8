import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index import _native, oracle_multivector
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.product import multiply, padded
from lexmax.types import TokenBatch

_SEEDS = st.integers(0, 2**32 - 1)
_PATHS = _native.available_paths()


def _unit(rng: np.random.Generator, n: int, dim: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _batch(rng: np.random.Generator, n: int, dim: int) -> TokenBatch:
    return TokenBatch.from_rows([_unit(rng, int(rng.integers(0, 12)), dim) for _ in range(n)], dim)


def _away_from_hyperplanes(batch: TokenBatch, encoder: FdeEncoder) -> bool:
    # There rounding may choose the bucket; everywhere else float32 and float64 must agree.
    planes = encoder.hyperplanes.reshape(-1, batch.dim)
    return bool(np.abs(batch.vectors @ planes.T).min(initial=1) > 1e-5)


@settings(max_examples=150, deadline=None)
@given(
    dim=st.integers(1, 40),
    repetitions=st.integers(1, 4),
    k_sim=st.integers(0, 5),
    d_proj=st.integers(1, 40),
    fill_empty=st.booleans(),
    seed=_SEEDS,
)
def test_encodings_are_close_to_the_oracles(
    dim: int, repetitions: int, k_sim: int, d_proj: int, fill_empty: bool, seed: int
) -> None:
    parameters = FdeParameters(
        dim=dim,
        repetitions=repetitions,
        k_sim=k_sim,
        d_proj=d_proj,
        seed=seed,
        fill_empty=fill_empty,
        pooled_weight=0,
    )
    encoder, rng = FdeEncoder(parameters), np.random.default_rng(seed)
    batch = _batch(rng, 3, dim)
    assume(_away_from_hyperplanes(batch, encoder))
    planes, signs = encoder.hyperplanes.astype(np.float64), encoder.signs.astype(np.float64)
    queries, documents = encoder.queries(batch), encoder.documents(batch)
    for i in range(3):
        row = batch.row(i).astype(np.float64)
        np.testing.assert_allclose(
            queries[i], oracle_multivector.query_encoding(row, planes, signs), atol=1e-4
        )
        expected = oracle_multivector.document_encoding(row, planes, signs, fill_empty=fill_empty)
        np.testing.assert_allclose(documents[i], expected, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(seed=_SEEDS, k_sim=st.integers(0, 5), fill_empty=st.booleans())
def test_an_estimate_without_projection_never_exceeds_maxsim(
    seed: int, k_sim: int, fill_empty: bool
) -> None:
    # methods: "without inner projection the estimate never exceeds MaxSim for unit vectors".
    rng, repetitions = np.random.default_rng(seed), 7
    parameters = FdeParameters(
        dim=16,
        repetitions=repetitions,
        k_sim=k_sim,
        d_proj=16,
        seed=seed,
        fill_empty=fill_empty,
        pooled_weight=0,
    )
    encoder = FdeEncoder(parameters)
    queries, documents = _batch(rng, 4, 16), _batch(rng, 4, 16)
    estimates = encoder.queries(queries) @ encoder.documents(documents).T / repetitions
    for q in range(4):
        for d in range(4):
            if len(documents.row(d)):
                bound = oracle_multivector.maxsim(queries.row(q), documents.row(d))
                # Where a bucket of the query is empty in the document, it adds nothing: the
                # bound needs filled buckets, or a MaxSim without negative terms.
                if fill_empty or (queries.row(q) @ documents.row(d).T).max(1).min(initial=0) >= 0:
                    assert estimates[q, d] <= bound + 1e-5


@given(seed=_SEEDS, dim=st.integers(1, 50))
def test_one_token_against_one_token_without_buckets_is_their_product(seed: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    encoder = FdeEncoder(
        FdeParameters(dim=dim, repetitions=1, k_sim=0, d_proj=dim, pooled_weight=0)
    )
    a, b = (TokenBatch.from_rows([_unit(rng, 1, dim)], dim) for _ in range(2))
    found = encoder.queries(a) @ encoder.documents(b).T
    np.testing.assert_allclose(found[0, 0], a.row(0)[0] @ b.row(0)[0], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=_SEEDS)
def test_a_text_is_encoded_the_same_in_any_company(seed: int) -> None:
    rng = np.random.default_rng(seed)
    encoder = FdeEncoder(FdeParameters(dim=24, repetitions=3, k_sim=3, d_proj=8))
    batch = _batch(rng, 5, 24)
    for encode in (encoder.queries, encoder.documents):
        singles = np.concatenate([encode(batch.slice(i, i + 1)) for i in range(5)])
        np.testing.assert_array_equal(encode(batch), singles)


@settings(max_examples=60, deadline=None)
@given(
    seed=_SEEDS,
    n=st.integers(0, 15),
    depth=st.sampled_from([0, 1, 7, 511, 512, 513, 1100]),
    columns=st.integers(1, 150),
)
def test_products_have_the_same_bits_on_every_path(
    seed: int, n: int, depth: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, depth)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.3] = 0
    weights = rng.standard_normal((depth, columns)).astype(np.float32)
    matrix = padded(weights)
    found = multiply(rows, matrix, columns)
    np.testing.assert_allclose(
        found, rows.astype(np.float64) @ weights.astype(np.float64), atol=1e-3
    )
    for path in _PATHS:
        out = np.empty((n, matrix.shape[1]), dtype=np.float32)
        _native.project(rows, matrix, out, path)
        np.testing.assert_array_equal(out[:, :columns], found)
    singles = [multiply(rows[i : i + 1], matrix, columns)[0] for i in range(n)]
    np.testing.assert_array_equal(found, np.array(singles).reshape(n, columns))


@given(seed=_SEEDS)
def test_encodings_have_the_same_bits_on_every_path(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = _batch(rng, 3, 20)
    planes = padded(rng.standard_normal((20, 6)).astype(np.float32))
    signs = padded(rng.choice([-1.0, 1.0], (2 * 20, 5)).astype(np.float32))
    for side in ("query", "document", "filled_document"):
        found = []
        for path in _PATHS:
            out = np.zeros((3, 2 * 8 * 5), dtype=np.float32)
            _native.fde_encode(
                batch.vectors, batch.offsets, planes, signs, 2, 3, 5, side, out, path
            )
            found.append(out)
        for other in found[1:]:
            np.testing.assert_array_equal(found[0], other)
