import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from lexmax.encoders import Bm25, Encoders
from lexmax.encoders.loading import Recipe
from lexmax.encoders.shared_pass import encode_queries
from lexmax.service.served_encoders import ServedEncoders, tokens_of
from lexmax.types import SparseBatch, TokenBatch

PATIENCE_S = 30


class Letters:
    """A vector a letter; counts what it is asked, and can be held up."""

    dim = 4
    spec = "letters"
    fingerprint = "letters"

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.busy, self.go = threading.Event(), threading.Event()
        self.go.set()

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        self.asked.append(list(texts))
        self.busy.set()
        assert self.go.wait(PATIENCE_S)
        rows = [
            np.array([[ord(letter), 1, 2, 3] for letter in text], np.float32).reshape(-1, 4)
            for text in texts
        ]
        return TokenBatch.from_rows(rows, self.dim)

    encode_queries = encode_documents


class Lengths:
    """One vector a text."""

    dim = 2
    spec = "lengths"
    fingerprint = "lengths"

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(text), 1] for text in texts], np.float32).reshape(-1, 2)

    encode_queries = encode_documents


class Scorer:
    """Scores by how often the query stands in a text."""

    spec = fingerprint = "count"

    def __init__(self) -> None:
        self.asked: list[list[tuple[str, Sequence[str]]]] = []

    def score(self, query: str, texts: Sequence[str]) -> np.ndarray:
        return self.score_many([(query, texts)])[0]

    def score_many(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[np.ndarray]:
        self.asked.append(list(asked))
        return [np.array([t.count(q) for t in texts], np.float32) for q, texts in asked]


class Statistics:
    n_docs = 10

    def doc_freqs(self, term_ids: np.ndarray) -> np.ndarray:
        return np.ones(len(term_ids), np.int64)


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def scorer() -> Scorer:
    return Scorer()


@pytest.fixture
def served(letters: Letters, scorer: Scorer) -> Iterator[ServedEncoders]:
    inner = Encoders(
        multivector={"letters": Recipe({}, lambda values: letters)},
        dense={"lengths": Recipe({}, lambda values: Lengths())},
        pairs={"count": Recipe({}, lambda values: scorer)},
    )
    made = ServedEncoders(inner, batch_tokens=64, cache_bytes=1_000_000)
    yield made
    made.close()


def encoded(served: ServedEncoders, texts: Sequence[str]) -> Any:
    return served.encode_queries(
        texts,
        Statistics(),
        sparse=served.sparse("bm25"),
        multivector=served.multivector("letters"),
        pooled=served.dense("lengths"),
    )


@pytest.mark.parametrize("texts", [[], ["one"], ["one", "", "two words"], ["x"] * 40])
def test_queries_are_what_the_encoders_give(served: ServedEncoders, texts: list[str]) -> None:
    for _ in range(2):  # the second time from memory
        found = encoded(served, texts)
        expected = encode_queries(
            texts, Statistics(), sparse=Bm25(), multivector=Letters(), pooled=Lengths()
        )
        assert isinstance(found.sparse, SparseBatch)
        assert isinstance(expected.sparse, SparseBatch)
        assert isinstance(expected.tokens, TokenBatch)
        np.testing.assert_array_equal(found.sparse.term_ids, expected.sparse.term_ids)
        np.testing.assert_array_equal(found.sparse.weights, expected.sparse.weights)
        np.testing.assert_array_equal(found.tokens.vectors, expected.tokens.vectors)
        np.testing.assert_array_equal(found.tokens.offsets, expected.tokens.offsets)
        np.testing.assert_array_equal(found.pooled, expected.pooled)


def test_a_query_goes_through_a_model_once(served: ServedEncoders, letters: Letters) -> None:
    for _ in range(3):
        encoded(served, ["one", "two"])
    assert [text for texts in letters.asked for text in texts] == ["one", "two"]
    assert served.cache.n_hits == 8  # of two signals, of two queries, twice


def test_what_depends_on_statistics_is_never_kept(served: ServedEncoders) -> None:
    class Other(Statistics):
        n_docs = 1000

    bm25 = served.sparse("bm25")
    first = served.encode_queries(["cat"], Statistics(), sparse=bm25, multivector=None)
    later = served.encode_queries(["cat"], Other(), sparse=bm25, multivector=None)
    assert first.sparse is not None
    assert later.sparse is not None
    assert later.sparse.weights[0] > first.sparse.weights[0]
    assert len(served.cache) == 0


def test_queries_of_many_requests_share_a_batch(served: ServedEncoders, letters: Letters) -> None:
    letters.go.clear()
    encoder = served.multivector("letters")
    with ThreadPoolExecutor(9) as requests:
        first = requests.submit(served.query_tokens, encoder, "first")
        assert letters.busy.wait(PATIENCE_S)
        others = [requests.submit(served.query_tokens, encoder, f"q{i}") for i in range(8)]
        batcher = served._queries  # pyright: ignore[reportPrivateUsage]
        while batcher.n_waiting < 8:
            pass
        letters.go.set()
        assert first.result(PATIENCE_S)[0, 0] == ord("f")
        for i, other in enumerate(others):
            assert other.result(PATIENCE_S)[1, 0] == ord(str(i))
    assert [len(texts) for texts in letters.asked] == [1, 8]


def test_documents_come_back_to_their_requests(served: ServedEncoders, letters: Letters) -> None:
    encoder = served.multivector("letters")
    texts = [[chr(97 + i) * (j + 1) for j in range(i)] for i in range(6)]
    with ThreadPoolExecutor(6) as requests:
        found = list(requests.map(lambda mine: served.document_tokens(encoder, mine), texts))
    for mine, batch in zip(texts, found, strict=True):
        assert len(batch) == len(mine)
        for i, text in enumerate(mine):
            assert batch.row(i)[:, 0].tolist() == [ord(letter) for letter in text]


def test_pairs_of_many_requests_come_back_to_them(served: ServedEncoders, scorer: Scorer) -> None:
    shared = served.pairs("count")
    assert (shared.spec, shared.fingerprint) == ("count", "count")
    texts = ["a", "ab", "aab", ""]
    with ThreadPoolExecutor(3) as requests:
        found = list(requests.map(lambda query: shared.score(query, texts).tolist(), "abx"))
    assert found == [[1, 1, 2, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert sum(len(asked) for asked in scorer.asked) == 3


def test_it_knows_what_is_loaded(served: ServedEncoders) -> None:
    assert served.used == {}
    served.multivector("letters")
    served.pairs("count")
    assert set(served.used.values()) == {"letters", "count"}


def test_tokens_are_guessed_from_characters() -> None:
    assert tokens_of("") == 2
    assert tokens_of("abcdefgh") == 4
    assert tokens_of("a" * 1_000_000) == 512
