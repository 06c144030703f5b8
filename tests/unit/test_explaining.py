"""What is said about a hit, on documents whose scores can be worked out by hand."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.errors import EncoderError, InputError, QueryError
from lexmax.explaining import DocumentExplanation, as_json
from lexmax.explaining.explanation import ConditionOutcome, Place
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.types import Document, SparseBatch, TermStatistics, TokenBatch

WORDS = ["cat", "feline", "mat", "dog", "sleeps"]
ADDED = {"cat": {"feline": 0.5}}
# Lengths of one, and products that are easy.
DIRECTIONS = {
    "cat": [1.0, 0.0, 0.0, 0.0],
    "feline": [0.8, 0.6, 0.0, 0.0],
    "mat": [0.0, 0.0, 1.0, 0.0],
    "dog": [0.0, 0.0, 0.0, 1.0],
}


class Added:
    """Words weigh 1 in documents and 2 in queries, and cats are felines."""

    spec = fingerprint = "bm25"

    def fitted(self, sample: Sequence[str]) -> "Added":
        return self

    def encode_documents(self, texts: Sequence[str]) -> SparseBatch:
        rows: list[dict[int, float]] = []
        for text in texts:
            row = {word: 1.0 for word in text.split()}
            for word in text.split():
                row = ADDED.get(word, {}) | row
            rows.append({WORDS.index(word): weight for word, weight in row.items()})
        return SparseBatch.from_rows(rows)

    def encode_queries(self, texts: Sequence[str], statistics: TermStatistics) -> SparseBatch:
        return SparseBatch.from_rows(
            [{WORDS.index(word): 2.0 for word in text.split() if word in WORDS} for text in texts]
        )

    def term(self, term_id: int, texts: Sequence[str]) -> str:
        if WORDS[term_id] == "sleeps":
            raise EncoderError("nobody knows its name")
        return WORDS[term_id]

    def own_terms(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        rows = (sorted({WORDS.index(word) for word in text.split()}) for text in texts)
        return [np.array(row, dtype=np.uint32) for row in rows]


class Directions:
    """A vector a word, and no names of tokens."""

    spec = fingerprint = "minilm"
    dim = 4

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        rows = [
            np.array([DIRECTIONS[word] for word in text.split() if word in DIRECTIONS], np.float32)
            for text in texts
        ]
        return TokenBatch.from_rows([row.reshape(-1, 4) for row in rows], 4)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        return self.encode_documents(texts)


class Named(Directions):
    def token_texts(self, texts: Sequence[str], *, queries: bool) -> list[list[str]]:
        return [[word for word in text.split() if word in DIRECTIONS] for text in texts]


def registry(tokens: type[Directions] = Named) -> Encoders:
    return Encoders(
        sparse={"bm25": Recipe({}, lambda values: Added())},
        multivector={"minilm": Recipe({}, lambda values: tokens())},
    )


DOCUMENTS = [
    Document("cats", "cat mat", metadata={"year": 2020, "lang": ["en", "de"]}),
    Document("dogs", "dog", metadata={"year": 1999}),
    Document("rest", "sleeps"),
]
RRF: dict[str, Any] = {"retrieve": [{"signal": "sparse"}, {"signal": "multivector"}]}


def made(path: Path, encoders: Encoders) -> Collection:
    collection = Collection.create(
        path,
        encoders=encoders,
        plan=MultiVectorPlan(codec="fp16"),
        fields={"year": "integer", "lang": "keyword"},
    )
    collection.add(DOCUMENTS)
    return collection


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with made(tmp_path / "ix", registry()) as collection:
        yield collection


def only(collection: Collection, query: str, **more: Any) -> DocumentExplanation:
    (document,) = collection.explain(query, **more).documents
    return document


def test_terms_multiply_and_expansion_is_marked(collection: Collection) -> None:
    document = only(collection, "cat feline dog", doc_id="cats", pipeline="sparse")
    assert document.sparse is not None
    assert document.sparse.score == 3.0
    found = [
        (term.term, term.query_weight, term.document_weight, term.contribution, term.expansion)
        for term in document.sparse.terms
    ]
    assert found == [
        ("cat", 2.0, 1.0, 2.0, False),
        ("feline", 2.0, 0.5, 1.0, True),
        ("dog", 2.0, 0.0, 0.0, False),
    ]
    assert not any(term.from_feedback for term in document.sparse.terms)
    assert document.multivector is None
    assert (document.rank, document.score, document.lost) == (1, 3.0, None)
    assert document.places == (Place("sparse", 1, 3.0),)


def test_a_token_is_answered_by_the_most_similar_one(collection: Collection) -> None:
    document = only(collection, "mat feline", doc_id="cats", pipeline="multivector")
    assert document.multivector is not None
    assert document.multivector.score == pytest.approx(1.8, abs=1e-3)
    found = [
        (token.query_token, token.query_position, token.document_token, token.document_position)
        for token in document.multivector.tokens
    ]
    assert found == [("mat", 0, "mat", 1), ("feline", 1, "cat", 0)]
    similarities = [token.similarity for token in document.multivector.tokens]
    assert similarities == pytest.approx([1.0, 0.8], abs=1e-3)
    assert document.sparse is None


def test_tokens_without_names_have_numbers(tmp_path: Path) -> None:
    with made(tmp_path / "ix", registry(Directions)) as collection:
        document = only(collection, "mat feline", doc_id="cats", pipeline="multivector")
    assert document.multivector is not None
    pairs = [(token.query_token, token.document_token) for token in document.multivector.tokens]
    assert pairs == [("#0", "#1"), ("#1", "#0")]


def test_a_term_that_nobody_can_name_has_its_number(collection: Collection) -> None:
    document = only(collection, "sleeps", doc_id="rest", pipeline="sparse")
    assert document.sparse is not None
    assert [term.term for term in document.sparse.terms] == ["#4"]


def test_what_each_ranking_gave_in_a_fusion(collection: Collection) -> None:
    explanation = collection.explain("cat dog dog", 3, pipeline=RRF)
    cats, dogs = explanation.documents
    assert [document.doc_id for document in (cats, dogs)] == ["cats", "dogs"]
    (fusion,) = dogs.fusions
    assert (fusion.stage, fusion.method) == ("fuse", "reciprocal-rank")
    sparse, multivector = fusion.shares
    assert (sparse.stage, sparse.rank, sparse.score) == ("sparse", 2, 2.0)
    assert (multivector.stage, multivector.rank) == ("multivector", 1)
    assert [sparse.share, multivector.share] == pytest.approx([1 / 62, 1 / 61])
    assert fusion.score == pytest.approx(1 / 61 + 1 / 62)
    assert [place.stage for place in dogs.places] == ["sparse", "multivector", "fuse"]


def test_conditions_are_shown_with_every_document(collection: Collection) -> None:
    conditions = "year>=2000 and not lang=fr"
    document = only(collection, "cat", filter=conditions)
    assert document.conditions == (
        ConditionOutcome("search", "year>=2000", True),
        ConditionOutcome("search", "not lang=fr", True),
    )
    stage = {"retrieve": [{"signal": "sparse", "filter": "year<2000"}]}
    (document,) = collection.explain("cat dog", pipeline=stage).documents
    assert document.conditions == (ConditionOutcome("retrieve 1 (sparse)", "year<2000", True),)


def test_the_result_is_that_of_a_search(collection: Collection) -> None:
    explained = collection.explain("cat dog", 2).result
    searched = collection.search("cat dog", 2)
    assert explained.hits == searched.hits
    assert explained.pipeline == searched.pipeline
    assert [hit.doc_id for hit in explained.hits] == [
        document.doc_id for document in collection.explain("cat dog", 2).documents
    ]
    assert [document.rank for document in collection.explain("cat dog", 2).documents] == [1, 2]


def test_an_offset_keeps_hits_and_documents_together(collection: Collection) -> None:
    first, second = collection.explain("cat dog", 2, pipeline="sparse").documents
    (after,) = collection.explain("cat dog", 1, offset=1, pipeline="sparse").documents
    assert after.doc_id == second.doc_id != first.doc_id
    assert after.places == second.places
    assert after.sparse == second.sparse


def test_bad_input_is_refused(collection: Collection) -> None:
    with pytest.raises(InputError, match="found no document 'birds'"):
        collection.explain("cat", doc_id="birds")
    collection.delete(["dogs"])
    with pytest.raises(InputError, match="found no document 'dogs'"):
        collection.explain("cat", doc_id="dogs")
    with pytest.raises(InputError, match="which UTF-8 cannot store"):
        collection.explain("cat", doc_id="\ud800")
    with pytest.raises(QueryError, match="the query is empty"):
        collection.explain(" ")
    with pytest.raises(QueryError, match="no term to search for"):
        collection.explain("unheard")


def test_a_replaced_document_is_explained_as_it_is_now(collection: Collection) -> None:
    collection.flush()
    collection.add([Document("cats", "dog mat")])
    document = only(collection, "cat", doc_id="cats", pipeline="sparse")
    assert document.sparse is not None
    assert document.sparse.score == 0
    assert document.lost is not None


def test_no_hits_are_no_documents(collection: Collection) -> None:
    explanation = collection.explain("cat", doc_ids=["dogs"], pipeline="sparse")
    assert explanation.documents == ()
    assert explanation.feedback is None


def test_json_has_no_values_that_json_lacks() -> None:
    place = as_json(Place("sparse", 1, -np.inf))
    assert place == {"stage": "sparse", "rank": 1, "score": None}
    assert as_json({"a": (Place("x", 2, 0.5), "text", None, True)}) == {
        "a": [{"stage": "x", "rank": 2, "score": 0.5}, "text", None, True]
    }
