from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.dev_measures import DevMeasures, DevSet, exhaustive_hits
from lexmax.encoders import Encoders
from lexmax.encoders.training.example import Candidate, Example
from lexmax.errors import EvaluationError, TrainingError
from lexmax.index import oracle_multivector
from lexmax.types import TokenBatch

TEXTS = [f"apple w{i % 50} v{i % 7} {'long ' * (i % 5)}" for i in range(2500)]
QUERIES = ["apple w3 v2", "v6 w20", "nothing known"]


class MeanOfWords:
    """One vector a text: the mean of the words' token vectors."""

    spec, fingerprint = "mean", "mean"

    def __init__(self, tokens: Any) -> None:
        self._tokens, self.dim = tokens, tokens.dim

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        batch = self._tokens.encode_documents(texts)
        return np.array([batch.row(i).mean(axis=0) for i in range(len(batch))], np.float32)

    encode_queries = encode_documents


@pytest.fixture
def tokens(cheap_encoders: Encoders) -> Any:
    return cheap_encoders.multivector("minilm")


def test_token_vectors_are_compared_as_the_oracle_does(tokens: Any) -> None:
    hits = exhaustive_hits(tokens, QUERIES, TEXTS, 20)
    batch: TokenBatch = tokens.encode_documents(TEXTS)
    expected = oracle_multivector.search(batch, tokens.encode_queries(QUERIES), 20)
    assert hits.scores == pytest.approx(expected.scores, abs=2e-3)


def test_single_vectors_are_compared_exactly(tokens: Any) -> None:
    encoder = MeanOfWords(tokens)
    hits = exhaustive_hits(encoder, QUERIES, TEXTS, 20)
    scores = encoder.encode_queries(QUERIES) @ encoder.encode_documents(TEXTS).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :20]
    assert np.take_along_axis(scores, hits.ordinals, 1) == pytest.approx(
        np.take_along_axis(scores, order, 1), abs=1e-5
    )


def test_term_weights_use_statistics_of_all_documents() -> None:
    hits = exhaustive_hits(Encoders().sparse("bm25"), QUERIES, TEXTS, 5)
    for query, ordinals in zip(QUERIES[:2], hits.ordinals[:2], strict=True):
        rare = [word for word in query.split() if word != "apple"]
        assert all(word in TEXTS[ordinals[0]].split() for word in rare)
    assert hits.ordinals[2].tolist() == [-1] * 5


def examples() -> list[Example]:
    negative = (Candidate("apple pie"),)
    return [
        Example("w1", (Candidate("apple w1"),), negative),
        Example("w2", (Candidate("apple w2"),)),
        Example("w1", (Candidate("other w1"),)),
    ]


def test_a_set_of_examples() -> None:
    dev = DevSet.of_examples(examples(), ["apple w1", "more"])
    assert list(dev.queries.values()) == ["w1", "w2"]
    assert sorted(dev.documents.values()) == [
        "apple pie",
        "apple w1",
        "apple w2",
        "more",
        "other w1",
    ]
    relevant = {dev.documents[doc_id] for doc_id in dev.qrels["q0"]}
    assert relevant == {"apple w1", "other w1"}


def test_measures_by_hand() -> None:
    measures = DevMeasures(DevSet.of_examples(examples(), ["w2 w2 w2", "none"]), ["RR@10", "R@1"])
    found = measures(Encoders().sparse("bm25"))
    # w1 finds one of its two first; w2 is found behind the document that says it thrice.
    assert found == {"RR@10": pytest.approx(0.75), "R@1": pytest.approx(0.25)}


def test_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "title": "T", "text": "x"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "x"}\n')
    (tmp_path / "qrels" / "dev.tsv").write_text("1\ta\t1\n")
    dev = DevSet.of_dataset(tmp_path, "dev")
    assert (dev.queries, dev.documents) == ({"1": "x"}, {"a": "T x"})
    assert DevMeasures(dev, ["RR@10"])(Encoders().sparse("bm25")) == {"RR@10": 1.0}


def test_what_cannot_be_measured() -> None:
    with pytest.raises(TrainingError, match=r"no query: .*data.dev.share"):
        DevMeasures(DevSet.of_examples([], []), ["RR@10"])
    with pytest.raises(EvaluationError, match="Shoe"):
        DevMeasures(DevSet.of_examples(examples(), []), ["Shoe@3"])
