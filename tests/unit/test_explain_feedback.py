"""What is said about a query that documents changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.explaining.explanation import TermChange, TokenChange
from lexmax.explaining.feedback_changes import cosine, term_changes, token_changes
from lexmax.explaining.names import nearest_names
from lexmax.types import Document

DOCUMENTS = [
    Document("a", "vitamin bone calcium"),
    Document("b", "vitamin bone milk"),
    Document("c", "wing flow thrust"),
    Document("d", "milk calcium"),
]


def row(**weights: float) -> Any:
    names = "abcdef"
    ids = np.array([names.index(name) for name in weights], dtype=np.uint32)
    return ids, np.array(list(weights.values()), dtype=np.float32)


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    with Collection.create(tmp_path / "ix", encoders=cheap_encoders) as made:
        made.add(DOCUMENTS)
        yield made


def test_changes_of_terms_by_hand() -> None:
    before, after = row(a=1.0, b=2.0, c=1.0), row(a=1.0, b=0.5, d=1.25)
    assert term_changes(before, after, lambda term: "abcd"[term]) == [
        TermChange("b", 2.0, 0.5),
        TermChange("d", 0.0, 1.25),
        TermChange("c", 1.0, 0.0),
    ]
    assert term_changes(before, before, str) == []


def test_changes_of_tokens_by_hand() -> None:
    before = np.array([[1, 0], [0, 1]], dtype=np.float32)
    after = np.array([[1, 0], [3, 4], [0, 0.5]], dtype=np.float32)
    moved, added = token_changes(before, after, ["x", "y", "z"])
    assert (moved.token, moved.position, moved.weight) == ("y", 1, 5.0)
    assert moved.similarity == pytest.approx(0.8)
    assert added == TokenChange("z", 2, 0.5, None)
    assert cosine(before[0], before[1]) == 0
    assert cosine(before[0], np.zeros(2, dtype=np.float32)) == 0


def test_the_nearest_token_is_found_by_direction() -> None:
    tokens = np.array([[9, 9], [0, 1], [0, 0]], dtype=np.float32)
    vectors = np.array([[0, 2], [1, 1]], dtype=np.float32)
    assert nearest_names(vectors, tokens, ["both", "second", "none"]) == ["second", "both"]
    assert nearest_names(vectors, tokens[:0], []) == ["#0", "#1"]


def test_added_terms_are_marked_and_sums_are_of_the_second_search(collection: Collection) -> None:
    pipeline = {"retrieve": [{"signal": "sparse"}], "feedback": {"method": "rocchio", "k": 2}}
    explanation = collection.explain("vitamin bone", 4, pipeline=pipeline)
    feedback = explanation.feedback
    assert feedback is not None
    assert (feedback.method, feedback.placement) == ("rocchio", "after")
    assert feedback.doc_ids == {"sparse": ("a", "b")}
    assert {change.term for change in feedback.terms if not change.before} == {"calcium", "milk"}
    assert feedback.tokens == ()
    assert feedback.pooled is None
    for document in explanation.documents:
        assert document.sparse is not None
        marked = {term.term for term in document.sparse.terms if term.from_feedback}
        assert marked == {"calcium", "milk"}
        assert document.sparse.score == pytest.approx(document.places[-1].score, abs=1e-4)
    assert [place.stage for place in explanation.documents[0].places] == ["sparse", "sparse-2"]
    assert "d" in [document.doc_id for document in explanation.documents]


def test_added_tokens_are_named_after_what_they_came_from(collection: Collection) -> None:
    feedback = {"method": "colbert-prf", "k": 2, "clusters": 4, "tokens": 3}
    pipeline = {"retrieve": [{"signal": "multivector"}], "feedback": feedback}
    explanation = collection.explain("vitamin bone", 4, pipeline=pipeline)
    changed = explanation.feedback
    assert changed is not None
    assert changed.terms == ()
    assert [token.position for token in changed.tokens] == [2, 3, 4]
    assert all(token.similarity is None for token in changed.tokens)
    assert {token.token for token in changed.tokens} <= {"vitamin", "bone", "calcium", "milk"}
    match = explanation.documents[0].multivector
    assert match is not None
    assert [token.from_feedback for token in match.tokens] == [False, False, True, True, True]
    assert [token.query_token for token in match.tokens[:2]] == ["vitamin", "bone"]


def test_signals_that_do_not_feed_back_keep_their_query(collection: Collection) -> None:
    pipeline = {
        "retrieve": [{"signal": "sparse"}, {"signal": "multivector"}],
        "feedback": {"method": "rm3", "k": 2, "terms": 3},
    }
    explanation = collection.explain("vitamin bone", 2, pipeline=pipeline)
    assert explanation.feedback is not None
    assert set(explanation.feedback.doc_ids) == {"sparse"}
    assert explanation.feedback.tokens == ()
    match = explanation.documents[0].multivector
    assert match is not None
    assert not any(token.from_feedback for token in match.tokens)
    stages = [fusion.stage for fusion in explanation.documents[0].fusions]
    assert stages == ["fuse", "fuse-2"]
    second = explanation.documents[0].fusions[1]
    assert [share.stage for share in second.shares] == ["sparse-2", "multivector"]


def test_without_feedback_nothing_is_said_of_it(collection: Collection) -> None:
    assert collection.explain("vitamin bone", 2).feedback is None
