from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.encoders.bm25 import idf
from lexmax.errors import ShapeError
from lexmax.feedback.rm3 import rm3
from lexmax.feedback.terms import Terms
from lexmax.types import SparseBatch


@dataclass(frozen=True)
class Statistics:
    n_docs: int = 1000
    common: dict[int, int] = field(default_factory=dict[int, int])

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.array([self.common.get(t, 10) for t in term_ids.tolist()], dtype=np.int64)


IDF = float(idf(np.array([10]), 1000)[0])
DOCUMENTS = SparseBatch.from_rows([{2: 0.5, 3: 0.5}, {3: 0.25, 5: 0.75}])
SCORES = np.array([3, 1], np.float32)
QUERY = SparseBatch.from_rows([{1: IDF, 3: IDF}]).row(0)


def weights(terms: Terms) -> dict[int, float]:
    assert terms[0].dtype == np.uint32
    assert terms[1].dtype == np.float32
    return dict(zip(terms[0].tolist(), terms[1].tolist(), strict=True))


def of_idf(shares: dict[int, float]) -> object:
    return pytest.approx({term: share * IDF for term, share in shares.items()}, rel=1e-6)


def test_terms_of_documents_are_mixed_with_the_query_by_the_documents_scores() -> None:
    # P(t|R): 2 has .75 * .5, 3 has .75 * .5 + .25 * .25, 5 has .25 * .75. The query has two terms.
    found = weights(rm3(QUERY, DOCUMENTS, SCORES, Statistics()))
    assert found == of_idf({1: 0.5, 2: 0.375, 3: 0.5 + 0.4375, 5: 0.1875})


def test_only_the_strongest_terms_are_added_and_scaled_to_sum_to_one() -> None:
    found = weights(rm3(QUERY, DOCUMENTS, SCORES, Statistics(), added=2, original_weight=0.6))
    assert found == of_idf({1: 0.6, 2: 0.8 * 0.375 / 0.8125, 3: 0.6 + 0.8 * 0.4375 / 0.8125})


@pytest.mark.parametrize("scores", [[7, 7], [0, 0], [-1, -2], [np.nan, 1], [np.inf, 1]])
def test_equal_scores_and_scores_that_tell_nothing_give_equal_shares(scores: list[float]) -> None:
    found = weights(rm3(QUERY, DOCUMENTS, np.array(scores, np.float32), Statistics()))
    assert found == of_idf({1: 0.5, 2: 0.25, 3: 0.5 + 0.375, 5: 0.375})


def test_terms_of_many_documents_are_not_added_and_stay_in_the_query() -> None:
    statistics = Statistics(common={3: 101, 5: 100})
    query = SparseBatch.from_rows([{1: IDF, 3: float(idf(np.array([101]), 1000)[0])}]).row(0)
    found = weights(rm3(query, DOCUMENTS, SCORES, statistics))
    rare, common = idf(np.array([100, 101]), 1000)
    assert found == pytest.approx(
        {1: 0.5 * IDF, 2: 0.375 / 0.5625 * IDF, 3: 0.5 * common, 5: 0.1875 / 0.5625 * rare},
        rel=1e-6,
    )


def test_in_a_small_collection_no_term_is_too_common() -> None:
    statistics = Statistics(n_docs=10, common=dict.fromkeys(range(9), 2))
    assert list(weights(rm3(QUERY, DOCUMENTS, SCORES, statistics))) == [1, 2, 3, 5]


def test_a_weight_of_one_for_the_original_gives_it_back() -> None:
    found = weights(rm3(QUERY, DOCUMENTS, SCORES, Statistics(), original_weight=1))
    assert found == of_idf({1: 1, 3: 1})


def test_where_nothing_can_be_added_the_query_is_unchanged() -> None:
    nothing = SparseBatch.from_rows([])
    empty = SparseBatch.from_rows([{}, {}])
    everywhere = Statistics(common=dict.fromkeys(range(9), 900))
    assert rm3(QUERY, nothing, SCORES[:0], Statistics()) is QUERY
    assert rm3(QUERY, empty, SCORES, Statistics()) is QUERY
    assert rm3(QUERY, DOCUMENTS, SCORES, everywhere) is QUERY
    no_terms = empty.row(0)
    assert rm3(no_terms, DOCUMENTS, SCORES, Statistics()) is no_terms


def test_every_document_has_a_score() -> None:
    with pytest.raises(ShapeError, match="expected one each"):
        rm3(QUERY, DOCUMENTS, SCORES[:1], Statistics())
