from collections.abc import Mapping
from math import log

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.encoders import Bm25, SparseEncoder
from lexmax.encoders import bm25 as bm25_module
from lexmax.encoders.bm25 import term_id_of
from lexmax.errors import EncoderError


class Counted:
    """Statistics that were counted by hand."""

    def __init__(self, n_docs: int, doc_freqs: Mapping[str, int]) -> None:
        self.n_docs = n_docs
        self._doc_freqs = {term_id_of(term): n for term, n in doc_freqs.items()}

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.array([self._doc_freqs.get(int(t), 0) for t in term_ids], dtype=np.int64)


def weights(terms: NDArray[np.uint32], values: NDArray[np.float32]) -> dict[int, float]:
    return dict(zip(terms.tolist(), values.tolist(), strict=True))


def test_it_is_a_sparse_encoder() -> None:
    assert isinstance(Bm25(), SparseEncoder)


def test_document_weights_by_hand() -> None:
    encoder = Bm25(k1=1.2, b=0.75, avg_doc_len=4)
    row = weights(*encoder.encode_documents(["the cat, the Cat and a dog"]).row(0))
    # Three terms without stop words: norm = 1.2 * (1 - .75 + .75 * 3 / 4) = .975.
    expected = {term_id_of("cat"): 2 / 2.975, term_id_of("dog"): 1 / 1.975}
    assert row == pytest.approx(expected, rel=1e-6)


def test_query_weights_by_hand() -> None:
    statistics = Counted(10, {"cat": 2, "dog": 10})
    row = weights(*Bm25().encode_queries(["cat cat dog the unknown"], statistics).row(0))
    expected = {
        term_id_of("cat"): 2 * log(1 + 8.5 / 2.5),
        term_id_of("dog"): log(1 + 0.5 / 10.5),
        term_id_of("unknown"): log(1 + 10.5 / 0.5),
    }
    assert row == pytest.approx(expected, rel=1e-6)


def test_weights_stay_positive_where_statistics_count_deleted_documents() -> None:
    row = Bm25().encode_queries(["cat"], Counted(1, {"cat": 5})).row(0)
    assert row[1] == pytest.approx(log(1 + 0.5 / 1.5), rel=1e-6)


def test_term_ids_are_xxh32() -> None:
    # The published test vector of xxHash, 32 bits, seed 0.
    assert term_id_of("abc") == 0x32D153FF


@pytest.mark.parametrize("text", ["", "  ", "the of and", "?!", "\U0001f600"])
def test_texts_without_terms_give_empty_rows(text: str) -> None:
    documents = Bm25().encode_documents(["cat", text])
    queries = Bm25().encode_queries([text], Counted(1, {}))
    assert (len(documents), len(documents.row(1)[0])) == (2, 0)
    assert (len(queries), len(queries.row(0)[0])) == (1, 0)


def test_no_texts_no_rows() -> None:
    assert len(Bm25().encode_documents([])) == 0


def test_fitted_measures_the_mean_length_without_stop_words() -> None:
    assert Bm25().fitted(["one two", "the three four five", ""]).avg_doc_len == pytest.approx(5 / 3)


@pytest.mark.parametrize(("sample", "expected"), [([], 100), ([""], 100), (["x", "", ""], 1)])
def test_fitted_on_next_to_nothing(sample: list[str], expected: float) -> None:
    assert Bm25().fitted(sample).avg_doc_len == expected


def test_fitted_keeps_a_length_that_is_set() -> None:
    encoder = Bm25(avg_doc_len=7)
    assert encoder.fitted(["one two"]) is encoder


def test_without_a_length_a_hundred_terms_are_assumed() -> None:
    texts = ["some words here"]
    assert np.array_equal(
        Bm25().encode_documents(texts).weights,
        Bm25(avg_doc_len=100).encode_documents(texts).weights,
    )


def test_terms_that_share_an_id_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bm25_module, "term_id_of", lambda term: 7)
    batch = Bm25(k1=1, b=0).encode_documents(["clashone clashtwo clashone"])
    assert weights(*batch.row(0)) == pytest.approx({7: 3 / 4})


def test_fingerprint_follows_the_parameters_but_not_the_measured_length() -> None:
    assert Bm25().fingerprint == Bm25(avg_doc_len=9).fingerprint
    others = [Bm25(), Bm25(k1=1.0), Bm25(b=0.5), Bm25(stemmer="english"), Bm25(stop_words="none")]
    assert len({encoder.fingerprint for encoder in others}) == 5


def test_term_is_the_word_of_the_text() -> None:
    encoder = Bm25(stemmer="english")
    (term_id,) = encoder.encode_documents(["Running"]).term_ids
    assert encoder.term(int(term_id), ["cats", "He runs"]) == "runs"
    with pytest.raises(EncoderError, match="is in none of the 1 texts"):
        encoder.term(int(term_id), ["cats"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k1": -1}, "k1 is -1; expected 0 to 1000"),
        ({"k1": float("nan")}, "k1 is nan"),
        ({"b": 1.1}, "b is 1.1; expected 0 to 1"),
        ({"avg_doc_len": 0.0}, "avg_doc_len is 0.0; expected 1 to 1e"),
        ({"avg_doc_len": float("inf")}, "avg_doc_len is inf"),
    ],
)
def test_numbers_out_of_range_are_refused(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        Bm25(**parameters)  # pyright: ignore[reportArgumentType]


def test_many_distinct_words_do_not_grow_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    bm25_module._word_ids.cache_clear()  # words that other tests have read
    monkeypatch.setattr(bm25_module, "_MAX_KNOWN_WORDS", 10)
    text = " ".join(f"w{i}" for i in range(100))
    assert len(Bm25().encode_documents([text]).term_ids) == 100
    assert len(bm25_module._word_ids("english", None)) <= 10
