import numpy as np
import pytest

from lexmax.errors import ShapeError
from lexmax.index import oracle_fde
from lexmax.index.carving import carved
from lexmax.types import TokenBatch

# Unit vectors at 0, 30, 60 and 90 degrees.
_TURNS = np.array([[1, 0], [3**0.5 / 2, 0.5], [0.5, 3**0.5 / 2], [0, 1]], np.float32)


def _batch(*rows: list[int]) -> TokenBatch:
    return TokenBatch.from_rows([_TURNS[row].reshape(-1, 2) for row in rows], 2)


def test_tokens_near_the_first_are_added_to_it_by_hand() -> None:
    # At 0.8, 30 degrees are near (0.866) and 60 are not.
    found = carved(_batch([0, 1, 2, 3]), 0.8)
    np.testing.assert_allclose(found.vectors, [_TURNS[:2].sum(0), _TURNS[2:].sum(0)])


def test_the_order_of_tokens_decides() -> None:
    # Begun at 30 degrees, the first cluster takes the tokens on both sides.
    found = carved(_batch([1, 0, 2, 3]), 0.8)
    np.testing.assert_allclose(found.vectors, [_TURNS[:3].sum(0), _TURNS[3]], rtol=1e-6)


def test_queries_without_tokens_stay_in_their_place() -> None:
    found = carved(_batch([0, 0], [], [3]), 1.0)
    np.testing.assert_array_equal(found.offsets, [0, 1, 1, 2])
    np.testing.assert_array_equal(found.vectors, [[2, 0], [0, 1]])


def test_a_token_of_zeros_is_near_no_other() -> None:
    zero = TokenBatch.from_rows([np.zeros((2, 2), np.float32)], 2)
    assert len(carved(zero, 0.5).vectors) == 2


@pytest.mark.parametrize("tau", [0.0, -0.5, 1.01, float("nan"), float("inf")])
def test_a_tau_that_is_no_cosine(tau: float) -> None:
    with pytest.raises(ShapeError, match="expected a cosine"):
        carved(_batch([0]), tau)


def test_tokens_that_are_not_of_unit_length() -> None:
    with pytest.raises(ShapeError, match="expected unit vectors"):
        carved(TokenBatch.from_rows([2 * _TURNS], 2), 0.7)


def test_the_oracle_by_hand() -> None:
    np.testing.assert_allclose(
        oracle_fde.carved(_TURNS, 0.8), [_TURNS[:2].sum(0), _TURNS[2:].sum(0)]
    )
