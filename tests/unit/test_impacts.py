"""Queries that carry their weights, and terms whose hashes meet."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.encoders import Encoders, Impacts, SparseEncoder
from lexmax.encoders.bm25 import term_id_of
from lexmax.errors import EncoderError, QueryError


class NoStatistics:
    n_docs = 0

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.zeros(len(term_ids), np.int64)


def encoded(text: str, encoder: Impacts | None = None) -> dict[int, float]:
    batch = (encoder or Impacts()).encode_queries([text], NoStatistics())
    terms, weights = batch.row(0)
    return dict(zip(terms.tolist(), weights.tolist(), strict=True))


def ids(**weights: float) -> dict[int, float]:
    return {term_id_of(term): weight for term, weight in weights.items()}


def test_it_is_a_sparse_encoder() -> None:
    assert isinstance(Impacts(), SparseEncoder)
    assert Encoders().sparse("impacts").spec == "impacts"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (" \t\n", {}),
        ("hello world", ids(hello=1, world=1)),
        ("hello^2 world", ids(hello=2, world=1)),
        ("hello^2.5\thello", ids(hello=3.5)),
        ("hello^0 world^1e2", ids(world=100)),
        ("Straße^3", ids(Straße=3)),
        ("a^b^2", {term_id_of("a^b"): 2.0}),
        ("^ ^2", {term_id_of("^"): 1.0, term_id_of("^2"): 1.0}),
    ],
)
def test_queries(text: str, expected: dict[int, float]) -> None:
    assert encoded(text) == expected


@pytest.mark.parametrize("token", ["a^b", "a^", "a^-1", "a^nan", "a^inf", "a^1e39", "a^2^"])
def test_what_is_no_weight_is_refused(token: str) -> None:
    with pytest.raises(QueryError, match="expected term or term\\^weight"):
        encoded(f"fine^2 {token}")


def test_documents_cannot_be_encoded() -> None:
    assert len(Impacts().encode_documents([])) == 0
    with pytest.raises(EncoderError, match="imported or given vectors"):
        Impacts().encode_documents(["hello"])


# Of the few pairs among words of this kind with one hash.
MEETING = ("term4488", "term33231")


def test_terms_whose_hashes_meet_are_told_apart() -> None:
    first, second = MEETING
    assert term_id_of(first) == term_id_of(second)
    encoder = Impacts.over(["alpha", first, second])

    same = Encoders().sparse(encoder.spec)
    assert isinstance(same, Impacts)
    assert same == encoder
    assert same.fingerprint == encoder.fingerprint != Impacts().fingerprint
    ids = encoder.term_ids(["alpha", first, second])
    assert len(set(ids)) == 3
    assert ids[:2] == [term_id_of("alpha"), term_id_of(first)]
    assert encoded(f"{first}^2 {second}^3", encoder) == {ids[1]: 2.0, ids[2]: 3.0}
    assert encoder.term(ids[2], ["alpha", f"{second}^3"]) == second


def test_terms_that_do_not_meet_need_no_list() -> None:
    assert Impacts.over(["a", "b", "ü"]) == Impacts()


@pytest.mark.parametrize("apart", ["", "x", "{}", "[1]", "null"])
def test_a_list_that_is_none_is_refused(apart: str) -> None:
    with pytest.raises(EncoderError, match="JSON list of terms"):
        Impacts(apart)


def test_a_term_that_is_nowhere_has_no_name() -> None:
    with pytest.raises(EncoderError, match="in none of the 1 texts"):
        Impacts().term(7, ["hello"])


def test_weights_too_small_for_float32_are_none() -> None:
    assert encoded("hello^1e-50 world") == ids(world=1)


def test_weights_that_sum_to_no_float32_are_refused() -> None:
    with pytest.raises(QueryError, match="sum to 6e\\+38; expected at most"):
        encoded("hello^3e38 hello^3e38")
