from typing import Literal

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index import _native, oracle_fde
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.oracle_multivector import maxsim
from lexmax.index.product import multiply, padded, padded_halves
from lexmax.types import TokenBatch

_SEEDS = st.integers(0, 2**32 - 1)
_PATHS = _native.available_paths()


def _unit(rng: np.random.Generator, n: int, dim: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _batch(rng: np.random.Generator, n: int, dim: int) -> TokenBatch:
    return TokenBatch.from_rows([_unit(rng, int(rng.integers(0, 12)), dim) for _ in range(n)], dim)


def _decided(batch: TokenBatch, encoder: FdeEncoder) -> bool:
    """Whether rounding chooses no bucket and no token: only there may float32 and 64 differ."""
    planes = encoder.planes
    for row in (batch.row(i).astype(np.float64) for i in range(len(batch))):
        for products in (row @ of_one.T for of_one in planes.astype(np.float64)):
            if encoder.parameters.cells == "simhash":
                if np.abs(products).min(initial=1) < 1e-5:
                    return False
            elif _ties(products) or _ties(products.T):
                return False
    return True


def _ties(products: NDArray[np.float64]) -> bool:
    if products.size == 0 or products.shape[1] < 2:
        return False
    ordered = np.sort(products, axis=1)
    return bool((ordered[:, -1] - ordered[:, -2]).min() < 1e-5)


def _oracles(
    encoder: FdeEncoder, vectors: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    arrays = (vectors, encoder.planes, encoder.inner)
    row, planes, inner = (array.astype(np.float64) for array in arrays)
    greatest = encoder.parameters.cells == "kmeans"
    return (
        oracle_fde.query_encoding(row, planes, inner, greatest=greatest),
        oracle_fde.document_encoding(
            row, planes, inner, fill_empty=encoder.parameters.fill_empty, greatest=greatest
        ),
    )


@settings(max_examples=200, deadline=None)
@given(
    dim=st.integers(1, 40),
    repetitions=st.integers(1, 4),
    k_sim=st.integers(0, 5),
    d_proj=st.integers(1, 40),
    fill_empty=st.booleans(),
    cells=st.sampled_from(["simhash", "kmeans"]),
    inner=st.sampled_from(["signs", "count-sketch"]),
    seed=_SEEDS,
)
def test_encodings_are_close_to_the_oracles(
    dim: int,
    repetitions: int,
    k_sim: int,
    d_proj: int,
    fill_empty: bool,
    cells: Literal["simhash", "kmeans"],
    inner: Literal["signs", "count-sketch"],
    seed: int,
) -> None:
    parameters = FdeParameters(
        dim=dim,
        repetitions=repetitions,
        k_sim=k_sim,
        d_proj=d_proj,
        seed=seed,
        fill_empty=fill_empty,
        pooled_weight=0,
        cells=cells,
        inner=inner,
    )
    rng = np.random.default_rng(seed)
    trained = _unit(rng, repetitions * 2**k_sim, dim).reshape(repetitions, -1, dim)
    encoder = FdeEncoder(parameters, trained if cells == "kmeans" else None)
    batch = _batch(rng, 3, dim)
    assume(_decided(batch, encoder))
    queries, documents = encoder.queries(batch), encoder.documents(batch)
    for i in range(3):
        query, document = _oracles(encoder, batch.row(i))
        np.testing.assert_allclose(queries[i], query, atol=1e-4)
        np.testing.assert_allclose(documents[i], document, atol=1e-4)


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
                bound = maxsim(queries.row(q), documents.row(d))
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
@given(seed=_SEEDS, threads=st.integers(1, 4), cells=st.sampled_from(["simhash", "kmeans"]))
def test_a_text_is_encoded_the_same_in_any_company_on_any_number_of_threads(
    seed: int, threads: int, cells: Literal["simhash", "kmeans"]
) -> None:
    rng = np.random.default_rng(seed)
    parameters = FdeParameters(dim=24, repetitions=3, k_sim=3, d_proj=8, cells=cells)
    batch = _batch(rng, 20, 24)
    encoder = FdeEncoder.fitted(parameters, TokenBatch.from_rows([_unit(rng, 30, 24)], 24))
    for encode in (encoder.queries, encoder.documents):
        singles = np.concatenate([encode(batch.slice(i, i + 1)) for i in range(20)])
        np.testing.assert_array_equal(encode(batch), singles)
    np.testing.assert_array_equal(encoder.documents(batch, threads), singles)


@settings(max_examples=60, deadline=None)
@given(
    seed=_SEEDS,
    n=st.integers(0, 15),
    depth=st.sampled_from([0, 1, 7, 511, 512, 513, 1100]),
    columns=st.integers(1, 300),
)
def test_products_are_close_to_numpys_on_every_path(
    seed: int, n: int, depth: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, depth)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.3] = 0
    weights = rng.standard_normal((depth, columns)).astype(np.float16)
    matrix, halves = padded(weights), padded_halves(weights)
    expected = rows.astype(np.float64) @ weights.astype(np.float64)
    for path in _PATHS:
        found = np.empty((2, n, matrix.shape[1]), dtype=np.float32)
        _native.project(rows, matrix, found[0], path)
        _native.project_halves(rows, halves.view(np.uint16), found[1], path)
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_allclose(found[0, :, :columns], expected, atol=1e-3)
        # Of one row, few and many, on each path.
        for i in range(n):
            one = np.empty((1, matrix.shape[1]), dtype=np.float32)
            _native.project(rows[i : i + 1], matrix, one, path)
            np.testing.assert_array_equal(one[0], found[0, i])
    np.testing.assert_array_equal(multiply(rows, matrix, columns), multiply(rows, halves, columns))


@given(seed=_SEEDS, greatest=st.booleans(), pooled=st.sampled_from([0.0, 2.0]))
def test_encodings_are_close_on_every_path(seed: int, greatest: bool, pooled: float) -> None:
    rng = np.random.default_rng(seed)
    batch, cells = _batch(rng, 3, 20), 2 * (8 if greatest else 3)
    planes = rng.standard_normal((cells, 20)).astype(np.float32)
    parameters = FdeParameters(
        dim=20, repetitions=2, k_sim=3, cells="kmeans" if greatest else "simhash"
    )
    encoder = FdeEncoder(parameters, planes.reshape(2, 8, 20) if greatest else None)
    assume(_decided(batch, encoder))
    inner = padded(rng.choice([-1.0, 1.0], (2 * 20, 5)).astype(np.float32))
    matrix = padded(encoder.planes.reshape(-1, 20).T)
    for side in ("query", "document", "filled_document"):
        found = []
        for path in _PATHS:
            out = np.zeros((3, 2 * 8 * 5 + (20 if pooled else 0)), dtype=np.float32)
            _native.fde_encode(
                batch.vectors,
                batch.offsets,
                matrix,
                inner,
                2,
                3,
                5,
                greatest=greatest,
                pooled=pooled,
                side=side,
                out=out,
                path=path,
            )
            found.append(out)
        for other in found[1:]:
            np.testing.assert_allclose(found[0], other, atol=1e-4)
