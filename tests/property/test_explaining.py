"""Sums of an explanation are the scores that the stages gave, whatever is asked."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.explaining import DocumentExplanation
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.types import Document

WORDS = [f"w{i}" for i in range(40)]
DIM = 24

QUERIES = st.lists(st.sampled_from([*WORDS, "unheard"]), min_size=1, max_size=9).filter(
    lambda words: set(words) != {"unheard"}
)
SIGNALS = st.lists(
    st.sampled_from(["sparse", "multivector", "pooled"]), min_size=1, max_size=4
).map(lambda signals: [{"signal": signal, "depth": 20} for signal in signals])
FUSE = st.sampled_from(
    [
        {"method": "reciprocal-rank"},
        {"method": "borda"},
        {"method": "comb-sum", "scale": "z-score"},
        {"method": "comb-mnz"},
        {"method": "weighted-sum", "scale": "z-score"},
        {"method": "weighted-sum", "missing": "zero"},
    ]
)
FEEDBACK = st.sampled_from(
    [
        None,
        {"method": "average", "placement": "before"},
        {"method": "rocchio", "placement": "after", "k": 2},
        {"method": "rocchio", "placement": "both"},
    ]
)
RERANK = st.sampled_from([[], [{"by": "maxsim", "depth": 8}]])


class BagOfWords:
    """A text's vector adds up what its words hash to."""

    spec, fingerprint, dim = "minilm-pooled", "bag", DIM

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        found = np.zeros((len(texts), DIM), dtype=np.float32)
        for row, text in zip(found, texts, strict=True):
            for word in text.split():
                row += np.random.default_rng(sum(map(ord, word))).standard_normal(DIM)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encode_documents(texts)


@pytest.fixture(params=["int8", "fp16"])
def collection(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    cheap_encoders: Encoders,
) -> Iterator[Collection]:
    random = Random(7)
    words = [random.choices(WORDS, k=random.randint(0, 30)) for _ in range(60)]
    encoders = Encoders(
        multivector={"minilm": Recipe({}, lambda _: cheap_encoders.multivector("minilm"))},
        dense={"minilm-pooled": Recipe({}, lambda _: BagOfWords())},
    )
    with Collection.create(
        tmp_path_factory.mktemp("explained") / "ix",
        pooled="minilm-pooled",
        plan=MultiVectorPlan(codec=request.param),
        encoders=encoders,
    ) as made:
        made.add(Document(f"d{i}", " ".join(row)) for i, row in enumerate(words[:40]))
        made.flush()
        made.add(Document(f"d{i}", " ".join(row)) for i, row in enumerate(words[40:], start=40))
        yield made


def assert_sums(document: DocumentExplanation) -> None:
    given = {place.stage: place.score for place in document.places}
    if (sparse := document.sparse) is not None:
        assert sparse.score == pytest.approx(sum(term.contribution for term in sparse.terms))
        assert given.get(sparse.stage, sparse.score) == pytest.approx(sparse.score, abs=1e-4)
    if (tokens := document.multivector) is not None:
        assert tokens.score == pytest.approx(sum(token.similarity for token in tokens.tokens))
        assert given.get(tokens.stage, tokens.score) == pytest.approx(tokens.score, abs=1e-3)
    for fusion in document.fusions:
        shares = sum(share.share for share in fusion.shares)
        assert shares == pytest.approx(fusion.score, abs=1e-5)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(words=QUERIES, retrieve=SIGNALS, fuse=FUSE, feedback=FEEDBACK, rerank=RERANK)
def test_sums_are_scores(
    collection: Collection,
    words: list[str],
    retrieve: list[dict[str, Any]],
    fuse: dict[str, Any],
    feedback: dict[str, Any] | None,
    rerank: list[dict[str, Any]],
) -> None:
    pipeline: dict[str, Any] = {"retrieve": retrieve, "fuse": fuse, "rerank": rerank}
    if feedback is not None:
        pipeline["feedback"] = feedback
    explanation = collection.explain(" ".join(words), 10, pipeline=pipeline)
    assert len(explanation.documents) == len(explanation.result.hits)
    assert all(document.lost is None for document in explanation.documents)
    for rank, document in enumerate(explanation.documents, start=1):
        assert_sums(document)
        assert document.rank == rank
        if not rerank or rank <= rerank[-1].get("depth", 100):
            assert document.score == document.places[-1].score
    scores = [hit.score for hit in explanation.result.hits]
    assert scores == sorted(scores, reverse=True)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(words=QUERIES, retrieve=SIGNALS, rerank=RERANK, number=st.integers(0, 59))
def test_a_document_is_a_hit_or_was_lost(
    collection: Collection,
    words: list[str],
    retrieve: list[dict[str, Any]],
    rerank: list[dict[str, Any]],
    number: int,
) -> None:
    pipeline = {"retrieve": retrieve, "rerank": rerank}
    explanation = collection.explain(" ".join(words), 5, doc_id=f"d{number}", pipeline=pipeline)
    (document,) = explanation.documents
    hits = {hit.doc_id: hit.rank for hit in explanation.result.hits}
    assert_sums(document)
    for place in document.places:
        if place.stage.startswith("pooled"):
            assert document.pooled == pytest.approx(place.score, abs=1e-5)
    assert document.rank == hits.get(document.doc_id)
    assert (document.lost is None) == (document.doc_id in hits)
    if document.lost is not None:
        assert document.lost.stage in ("retrieve", "limit", "maxsim")
        assert "would do" not in document.lost.reason


def test_of_equal_scores_the_first_stored_are_found(collection: Collection) -> None:
    pipeline = {"retrieve": [{"signal": "multivector", "depth": 20}]}
    explained = (
        collection.explain("w4 w30", 5, doc_id=f"d{number}", pipeline=pipeline).documents[0]
        for number in range(60)
    )
    reasons = [document.lost.reason for document in explained if document.lost is not None]
    assert not [reason for reason in reasons if "would do" in reason]
    assert [reason for reason in reasons if "of equal ones the first stored" in reason]
