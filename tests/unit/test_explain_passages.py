"""Documents that are split are explained by one of their passages."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.explain_report import print_explanation
from lexmax.explaining.explanation import Loss
from lexmax.passages import PassagePlan
from lexmax.types import Document

BONES = "vitamin keeps bones dense and strong."
MILK = "calcium makes milk worth its price."
WINGS = "wings lift in fast flow of air."


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    plan = PassagePlan(8, 8)
    with Collection.create(tmp_path / "ix", passages=plan, encoders=cheap_encoders) as made:
        made.add(
            [
                Document("both", f"{MILK} {BONES}"),
                Document("wings", f"{WINGS} {WINGS}"),
                Document("bones", BONES),
            ]
        )
        made.flush()
        yield made


def test_a_hit_is_explained_by_the_passage_that_stands_for_it(collection: Collection) -> None:
    explanation = collection.explain("vitamin bones", 3, pipeline="sparse")
    both = next(document for document in explanation.documents if document.doc_id == "both")
    hit = next(hit for hit in explanation.result.hits if hit.doc_id == "both")
    assert both.passage == hit.passage
    assert both.passage is not None
    assert both.passage.text.strip() == BONES
    assert both.sparse is not None
    assert {term.term for term in both.sparse.terms if term.document_weight} == {"vitamin", "bones"}
    places = {place.stage: place.score for place in both.places}
    assert places["sparse"] == pytest.approx(both.sparse.score, abs=1e-4)
    assert "documents" in places


def test_what_is_not_there_is_explained_by_its_best_passage(collection: Collection) -> None:
    (document,) = collection.explain("milk price", 3, doc_id="bones", pipeline="sparse").documents
    assert document.lost == Loss("retrieve", "sparse: query and document have no term in common")
    explanation = collection.explain(
        "vitamin bones", 1, doc_id="both", pipeline="sparse", doc_ids=["bones"]
    )
    (document,) = explanation.documents
    assert document.lost == Loss("doc_ids", "the search allows other documents only")
    assert document.passage is not None
    assert document.passage.text.strip() == BONES


@pytest.mark.parametrize("pipeline", ["multivector-exact", "sparse"])
def test_every_document_has_a_place_or_a_loss(collection: Collection, pipeline: str) -> None:
    for doc_id in ("both", "wings", "bones"):
        explanation = collection.explain("vitamin bones", 1, doc_id=doc_id, pipeline=pipeline)
        (document,) = explanation.documents
        assert (document.lost is None) == (document.rank is not None)
        assert document.passage is not None


def test_the_passage_of_a_lost_document_is_shown_with_its_place(collection: Collection) -> None:
    explanation = collection.explain(
        "vitamin bones", 1, doc_id="both", pipeline="sparse", doc_ids=["bones"]
    )
    (document,) = explanation.documents
    assert document.rank is None
    console = Console(width=120, file=io.StringIO(), force_terminal=False)
    print_explanation(explanation, console)
    start = len(MILK) + 1
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"characters {start} to {start + len(BONES)}: {BONES}" in shown
    assert "lost at doc_ids" in shown


def test_a_signal_that_tells_passages_apart_chooses_one(collection: Collection) -> None:
    """No passage has a term of the query, but one has vectors nearer to it."""
    pipeline = {
        "retrieve": [{"signal": "sparse", "depth": 1}, {"signal": "multivector", "depth": 1}]
    }
    explanation = collection.explain("dense", 1, doc_id="wings", pipeline=pipeline)
    (document,) = explanation.documents
    assert document.lost is not None
    assert document.multivector is not None
    snapshot = collection.snapshot()
    rows = np.flatnonzero(snapshot.serials(np.arange(snapshot.n_docs)) == 2)
    encoder = collection.encoders.multivector
    assert encoder is not None
    scores = snapshot.maxsim(encoder.encode_queries(["dense"]).row(0), rows)
    assert document.multivector.score == pytest.approx(float(scores.max()), abs=1e-3)
