from collections import Counter
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.encoders import Bm25
from lexmax.encoders.analysis import Analyzer
from lexmax.encoders.bm25 import term_id_of
from lexmax.types import SparseBatch

WORDS = st.sampled_from(["cat", "Dog", "the", "naïve", "東京都", "x1", "हिन्दी", "—", "don't"])
TEXTS = st.lists(st.lists(WORDS, max_size=12).map(" ".join), min_size=1, max_size=6)
ANY_TEXTS = st.lists(st.text(max_size=60), max_size=6)


class Statistics:
    def __init__(self, batch: SparseBatch) -> None:
        self.n_docs = len(batch)
        self._counts = Counter(batch.term_ids.tolist())

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.array([self._counts[int(t)] for t in term_ids], dtype=np.int64)


@given(ANY_TEXTS)
def test_batch_equals_single(texts: list[str]) -> None:
    encoder = Bm25(avg_doc_len=3)
    batch = encoder.encode_documents(texts)
    assert len(batch) == len(texts)
    for i, text in enumerate(texts):
        single = encoder.encode_documents([text])
        assert np.array_equal(batch.row(i)[0], single.term_ids)
        assert np.array_equal(batch.row(i)[1], single.weights)


@given(TEXTS, st.floats(0, 5), st.floats(0, 1))
def test_dot_product_is_bm25(texts: list[str], k1: float, b: float) -> None:
    """Every pair of texts, against the formula summed term by term."""
    encoder = Bm25(k1=k1, b=b).fitted(texts)
    documents = encoder.encode_documents(texts)
    queries = encoder.encode_queries(texts, Statistics(documents))
    counted = [Counter(Analyzer().terms(text)) for text in texts]
    average = encoder.avg_doc_len or 1
    for i, query in enumerate(counted):
        for j, document in enumerate(counted):
            norm = k1 * (1 - b + b * document.total() / average)
            expected = 0.0
            for term in query.keys() & document.keys():
                df = sum(term in other for other in counted)
                idf = log(1 + (len(texts) - df + 0.5) / (df + 0.5))
                expected += query[term] * idf * document[term] / (document[term] + norm)
            assert dot(queries, i, documents, j) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def dot(a: SparseBatch, i: int, b: SparseBatch, j: int) -> float:
    left = dict(zip(*(column.tolist() for column in a.row(i)), strict=True))
    right = dict(zip(*(column.tolist() for column in b.row(j)), strict=True))
    return sum(weight * right.get(term, 0.0) for term, weight in left.items())


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=80))
def test_ascii_texts_have_the_same_words_in_other_company(text: str) -> None:
    analyzer = Analyzer()
    assert analyzer.words(text + " é") == [*analyzer.words(text), "é"]


@given(st.text(max_size=40))
def test_words_are_the_words_of_themselves(text: str) -> None:
    analyzer = Analyzer()
    for word in analyzer.words(text):
        assert analyzer.words(word) == [word]


@given(st.text(max_size=20))
def test_every_term_is_found_again(text: str) -> None:
    encoder = Bm25()
    for term_id in encoder.encode_documents([text]).term_ids.tolist():
        assert term_id_of(encoder.term(term_id, [text])) == term_id
