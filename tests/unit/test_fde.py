import hashlib
import json
from typing import Any

import numpy as np
import pytest

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import oracle_fde
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.types import TokenBatch

# Two hyperplanes in the plane: bit 0 is x > 0, bit 1 is y > 0.
_PLANES = np.eye(2)[None]
_INNER = np.ones((1, 2, 2))


def _batch(*rows: Any, dim: int = 2) -> TokenBatch:
    return TokenBatch.from_rows([np.array(row, np.float32).reshape(-1, dim) for row in rows], dim)


def test_the_oracle_by_hand() -> None:
    vectors = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 5.0]])
    np.testing.assert_array_equal(oracle_fde.buckets(vectors, _PLANES[0]), [3, 3, 2])
    np.testing.assert_array_equal(
        oracle_fde.query_encoding(vectors, _PLANES, _INNER), [0, 0, 0, 0, -1, 5, 4, 6]
    )
    np.testing.assert_array_equal(
        oracle_fde.document_encoding(vectors, _PLANES, _INNER, fill_empty=False),
        [0, 0, 0, 0, -1, 5, 2, 3],
    )


def test_an_empty_bucket_takes_the_first_of_the_nearest_tokens() -> None:
    vectors = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 5.0]])
    # Bucket 0 is one bit from bucket 2 and two from 3; bucket 1 is one from 3, two from 2.
    np.testing.assert_array_equal(
        oracle_fde.document_encoding(vectors, _PLANES, _INNER, fill_empty=True),
        [-1, 5, 1, 2, -1, 5, 2, 3],
    )


def test_documents_without_tokens_are_zero_in_their_own_row() -> None:
    for fill_empty in (False, True):
        encoder = FdeEncoder(FdeParameters(dim=2, repetitions=2, k_sim=2, fill_empty=fill_empty))
        encodings = encoder.documents(_batch([[1, 2]], [], [[3, 4]]))
        assert encodings.shape == (3, encoder.parameters.encoding_dim)
        np.testing.assert_array_equal(encodings.any(axis=1), [True, False, True])


def test_the_pooled_vector_counts_as_much_as_all_repetitions() -> None:
    parameters = FdeParameters(dim=2, repetitions=4, k_sim=1, d_proj=1, pooled_weight=1.0)
    encoder = FdeEncoder(parameters)
    tokens = _batch([[1, 2], [3, 6]])
    query, document = encoder.queries(tokens)[0, -2:], encoder.documents(tokens)[0, -2:]
    np.testing.assert_allclose(query, [2 * 4, 2 * 8])
    np.testing.assert_allclose(document, [2 * 2, 2 * 4])
    assert query @ document == pytest.approx(4 * (4 * 2 + 8 * 4))


def test_queries_are_never_filled() -> None:
    filled = FdeEncoder(FdeParameters(dim=2, k_sim=4, fill_empty=True))
    plain = FdeEncoder(FdeParameters(dim=2, k_sim=4, fill_empty=False))
    tokens = _batch([[1, 2], [0.5, -1]])
    np.testing.assert_array_equal(filled.queries(tokens), plain.queries(tokens))
    assert (filled.documents(tokens) != plain.documents(tokens)).any()


def test_written_parameters_give_the_same_bytes() -> None:
    parameters = FdeParameters(dim=12, repetitions=3, k_sim=3, d_proj=4, seed=7, fill_empty=True)
    again = FdeParameters.from_json(json.loads(json.dumps(parameters.to_json())))
    assert again == parameters
    batch = TokenBatch.from_rows(
        [np.random.default_rng(0).standard_normal((9, 12)).astype(np.float32)], 12
    )
    first, second = FdeEncoder(parameters), FdeEncoder(again)
    assert first.queries(batch).tobytes() == second.queries(batch).tobytes()
    assert first.documents(batch).tobytes() == second.documents(batch).tobytes()


def test_random_numbers_are_those_of_format_version_1() -> None:
    # Indexes on disk hold the seed only: another stream would make them unsearchable.
    encoder = FdeEncoder(FdeParameters(dim=384))
    assert np.abs(encoder.inner).max() == np.abs(encoder.inner).min() == 0.25
    digest = hashlib.sha256((4 * encoder.inner).tobytes()).hexdigest()
    assert digest == "403144aa157c10ab6b7fc4ea525569bbf212a2a501324420b882c962f18f663d"
    np.testing.assert_allclose(
        encoder.planes[0, 0, :3], [-0.7038565, 0.63106215, 0.10757349], rtol=1e-6
    )
    assert encoder.planes.mean() == pytest.approx(0, abs=0.02)
    assert encoder.planes.std() == pytest.approx(1, abs=0.02)


def test_seeds_differ() -> None:
    one, other = (FdeEncoder(FdeParameters(dim=8, seed=seed)) for seed in (1, 2))
    assert (one.planes != other.planes).all()


def test_small_dims_need_no_projection() -> None:
    assert FdeParameters(dim=5).width == 5
    assert FdeParameters(dim=5, repetitions=1, k_sim=0).encoding_dim == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"dim": 0},
        {"repetitions": 0},
        {"k_sim": -1},
        {"k_sim": 17},
        {"d_proj": 0},
        {"seed": -1},
        {"pooled_weight": -0.5},
        {"pooled_weight": float("nan")},
        {"repetitions": 10**6},
        {"cells": "voronoi"},
        {"inner": "none"},
    ],
)
def test_numbers_out_of_range(wrong: dict[str, Any]) -> None:
    numbers: dict[str, Any] = {"dim": 16} | wrong
    with pytest.raises(ShapeError):
        FdeParameters(**numbers)
    with pytest.raises(CorruptionError):
        FdeParameters.from_json(FdeParameters(dim=16).to_json() | wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"dim": "16"}, {"dim": 16.0}, {"fill_empty": 0}, {"k_sim": True}, {"extra": 1}, {"inner": 1}],
)
def test_written_parameters_of_another_type(wrong: dict[str, Any]) -> None:
    with pytest.raises(CorruptionError, match="expected the names and types"):
        FdeParameters.from_json(FdeParameters(dim=16).to_json() | wrong)
    with pytest.raises(CorruptionError):
        FdeParameters.from_json({"dim": 16})


def test_parameters_of_format_version_1_name_neither_cells_nor_inner() -> None:
    written = FdeParameters(dim=16, seed=3).to_json()
    del written["cells"], written["inner"]
    assert FdeParameters.from_json(written) == FdeParameters(dim=16, seed=3)


def test_another_dim_is_refused() -> None:
    encoder = FdeEncoder(FdeParameters(dim=4))
    for encode in (encoder.queries, encoder.documents):
        with pytest.raises(ShapeError, match="dim 2; expected 4"):
            encode(_batch([[1, 2]]))


def _sample(n: int, dim: int) -> TokenBatch:
    vectors = np.random.default_rng(1).standard_normal((n, dim)).astype(np.float32)
    return TokenBatch.from_rows([vectors], dim)


def test_cells_that_are_stored_give_the_same_bytes() -> None:
    parameters = FdeParameters(dim=6, repetitions=2, k_sim=2, d_proj=3, cells="kmeans")
    batch = _sample(50, 6)
    first = FdeEncoder.fitted(parameters, batch)
    again = FdeEncoder(FdeParameters.from_json(parameters.to_json()), first.cells)
    assert first.planes.shape == (2, 4, 6)
    assert first.documents(batch).tobytes() == again.documents(batch).tobytes()
    assert first.planes.tobytes() == FdeEncoder.fitted(parameters, batch).planes.tobytes()
    assert (first.planes[0] != first.planes[1]).any()


def test_hyperplanes_need_no_sample() -> None:
    parameters = FdeParameters(dim=6, repetitions=2)
    fitted = FdeEncoder.fitted(parameters, _sample(0, 6))
    assert fitted.cells is None
    np.testing.assert_array_equal(fitted.planes, FdeEncoder(parameters).planes)


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("kmeans", None),
        ("kmeans", np.zeros((1, 4, 6), np.float32)),
        ("kmeans", np.full((2, 4, 6), np.nan, np.float32)),
        ("simhash", np.zeros((2, 4, 6), np.float32)),
    ],
)
def test_cells_that_do_not_fit(kind: Any, cells: Any) -> None:
    with pytest.raises(ShapeError, match="cells"):
        FdeEncoder(FdeParameters(dim=6, repetitions=2, k_sim=2, cells=kind), cells)


def test_cells_cannot_be_trained_on_nothing() -> None:
    parameters = FdeParameters(dim=6, cells="kmeans")
    with pytest.raises(ShapeError, match="no vectors"):
        FdeEncoder.fitted(parameters, _sample(0, 6))
    with pytest.raises(ShapeError, match="expected 6"):
        FdeEncoder.fitted(parameters, _sample(3, 5))


def test_a_count_sketch_adds_each_coordinate_to_one() -> None:
    encoder = FdeEncoder(FdeParameters(dim=40, repetitions=3, d_proj=5, inner="count-sketch"))
    np.testing.assert_array_equal(np.abs(encoder.inner).sum(axis=1), np.ones((3, 40)))
    assert (encoder.inner != 0).any(axis=2).all()
    assert {-1.0, 1.0} <= set(encoder.inner.ravel().tolist())


def test_cells_are_chosen_by_the_greatest_product_by_hand() -> None:
    cells = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    vectors = np.array([[3.0, 1.0], [2.0, 2.0], [4.0, 0.0]])
    np.testing.assert_array_equal(oracle_fde.buckets(vectors, cells[0], greatest=True), [0, 0, 0])
    filled = oracle_fde.document_encoding(vectors, cells, _INNER, fill_empty=True, greatest=True)
    np.testing.assert_array_equal(filled, [3, 1, 2, 2])
