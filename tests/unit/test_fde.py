import hashlib
import json
from typing import Any

import numpy as np
import pytest

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import oracle_multivector
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.types import TokenBatch

# Two hyperplanes in the plane: bit 0 is x > 0, bit 1 is y > 0.
_PLANES = np.eye(2)[None]
_SIGNS = np.ones((1, 2, 2))


def _batch(*rows: Any, dim: int = 2) -> TokenBatch:
    return TokenBatch.from_rows([np.array(row, np.float32).reshape(-1, dim) for row in rows], dim)


def test_the_oracle_by_hand() -> None:
    vectors = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 5.0]])
    np.testing.assert_array_equal(oracle_multivector.buckets(vectors, _PLANES[0]), [3, 3, 2])
    np.testing.assert_array_equal(
        oracle_multivector.query_encoding(vectors, _PLANES, _SIGNS), [0, 0, 0, 0, -1, 5, 4, 6]
    )
    np.testing.assert_array_equal(
        oracle_multivector.document_encoding(vectors, _PLANES, _SIGNS, fill_empty=False),
        [0, 0, 0, 0, -1, 5, 2, 3],
    )


def test_an_empty_bucket_takes_the_first_of_the_nearest_tokens() -> None:
    vectors = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 5.0]])
    # Bucket 0 is one bit from bucket 2 and two from 3; bucket 1 is one from 3, two from 2.
    np.testing.assert_array_equal(
        oracle_multivector.document_encoding(vectors, _PLANES, _SIGNS, fill_empty=True),
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
    digest = hashlib.sha256(encoder.signs.tobytes()).hexdigest()
    assert digest == "403144aa157c10ab6b7fc4ea525569bbf212a2a501324420b882c962f18f663d"
    np.testing.assert_allclose(
        encoder.hyperplanes[0, 0, :3], [-0.7038565, 0.63106215, 0.10757349], rtol=1e-6
    )
    assert encoder.hyperplanes.mean() == pytest.approx(0, abs=0.02)
    assert encoder.hyperplanes.std() == pytest.approx(1, abs=0.02)


def test_seeds_differ() -> None:
    one, other = (FdeEncoder(FdeParameters(dim=8, seed=seed)) for seed in (1, 2))
    assert (one.hyperplanes != other.hyperplanes).all()


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
    ],
)
def test_numbers_out_of_range(wrong: dict[str, Any]) -> None:
    numbers: dict[str, Any] = {"dim": 16} | wrong
    with pytest.raises(ShapeError):
        FdeParameters(**numbers)
    with pytest.raises(CorruptionError):
        FdeParameters.from_json(FdeParameters(dim=16).to_json() | wrong)


@pytest.mark.parametrize(
    "wrong", [{"dim": "16"}, {"dim": 16.0}, {"fill_empty": 0}, {"k_sim": True}, {"extra": 1}]
)
def test_written_parameters_of_another_type(wrong: dict[str, Any]) -> None:
    with pytest.raises(CorruptionError, match="expected the names and types"):
        FdeParameters.from_json(FdeParameters(dim=16).to_json() | wrong)
    with pytest.raises(CorruptionError):
        FdeParameters.from_json({"dim": 16})


def test_another_dim_is_refused() -> None:
    encoder = FdeEncoder(FdeParameters(dim=4))
    for encode in (encoder.queries, encoder.documents):
        with pytest.raises(ShapeError, match="dim 2; expected 4"):
            encode(_batch([[1, 2]]))
