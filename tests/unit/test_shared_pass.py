import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.encoders import Bm25, Encoders
from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.inputs import Inputs, encoded_parts
from lexmax.encoders.loading import Recipe
from lexmax.encoders.pooled_encoder import PooledEncoder
from lexmax.encoders.pooling import Count, Pooling
from lexmax.encoders.shared_pass import (
    DocumentPart,
    Head,
    SharedPass,
    TokenRows,
    document_head_of,
    encode_queries,
    equal_rows,
    query_head_of,
)
from lexmax.errors import EncoderError
from lexmax.types import Document, SparseBatch, TermStatistics, TokenBatch

TEXTS = ["one two three", "", "two two", "four"]


class Counting:
    """A model that counts its passes; states are the token's number."""

    def __init__(self) -> None:
        self.n_passes = 0

    def __call__(self, ids: torch.Tensor, attention: torch.Tensor) -> Any:
        self.n_passes += 1
        return SimpleNamespace(last_hidden_state=ids.unsqueeze(-1).expand(-1, -1, 2).float())


@dataclass
class Words:
    """Tokens are lengths of words."""

    n_calls: int = 0

    def rows(self, texts: Sequence[str]) -> TokenRows:
        self.n_calls += 1
        return TokenRows([np.array([len(w) for w in text.split()], np.int64) for text in texts])


class Sums:
    """A sink whose batch is the sum of each row's states."""

    def __init__(self, rows: TokenRows) -> None:
        self._sums = [0.0] * len(rows.ids)

    def take(self, states: States) -> None:
        for place, i in enumerate(states.rows):
            self._sums[i] = float(states.hidden[place, states.mask[place], 0].sum())

    def batch(self) -> list[float]:
        return self._sums


class Vectors(Sums):
    """The same as a batch of one vector a text that has words."""

    def __init__(self, rows: TokenRows) -> None:
        super().__init__(rows)
        self._filled = [len(row) > 0 for row in rows.ids]

    def batch(self) -> Any:
        filled = zip(self._sums, self._filled, strict=True)
        rows = [np.full((int(there), 2), value, np.float32) for value, there in filled]
        return TokenBatch.from_rows(rows, 2)


class Means(Sums):
    """The same as one vector a text."""

    def batch(self) -> Any:
        return np.array([[value, value] for value in self._sums], np.float32)


class Weights(Sums):
    """The same as a batch of one term a text."""

    def batch(self) -> Any:
        return SparseBatch.from_rows([{7: value} for value in self._sums])


def backbone(model: Any, fingerprint: str = "toy") -> Backbone:
    return Backbone(model, dim=2, pad_id=0, fingerprint=fingerprint)


@pytest.fixture
def model() -> Counting:
    return Counting()


def test_equal_rows_of_equal_backbones_are_one_pass(model: Counting) -> None:
    heads = [Head(backbone(model), Words().rows, Sums) for _ in range(3)]
    assert SharedPass(heads, TEXTS).run() == [[11, 0, 6, 4]] * 3
    assert model.n_passes == 1


def test_equal_readings_make_rows_once(model: Counting) -> None:
    words = [Words(), Words(), Words()]
    readings = ["words", "words", ""]
    heads = [
        Head(backbone(model), w.rows, Sums, reading)
        for w, reading in zip(words, readings, strict=True)
    ]
    SharedPass(heads, TEXTS).run()
    assert ([w.n_calls for w in words], model.n_passes) == ([1, 0, 1], 1)


def test_other_backbones_and_other_rows_are_passes_of_their_own(model: Counting) -> None:
    def short(texts: Sequence[str]) -> TokenRows:
        return TokenRows([row[:1] for row in Words().rows(texts).ids])

    def unseen(texts: Sequence[str]) -> TokenRows:
        ids = Words().rows(texts).ids
        return TokenRows(ids, np.array([min(len(row), 2) for row in ids]))

    heads = [
        Head(backbone(model), Words().rows, Sums),
        Head(backbone(model), short, Sums),
        Head(backbone(model, "another"), Words().rows, Sums),
        Head(backbone(model), unseen, Sums),
        Head(backbone(model), short, Sums),
    ]
    assert SharedPass(heads, TEXTS).run()[1] == [3, 0, 3, 4]
    assert model.n_passes == 4


def test_heads_on_other_devices_are_passes_of_their_own(model: Counting) -> None:
    here, there = backbone(model), backbone(model)
    SharedPass([Head(here, Words().rows, Sums), Head(there, Words().rows, Sums)], TEXTS).run()
    assert model.n_passes == 1
    there.device = torch.device("cpu:0")  # Another name, and so another device.
    SharedPass([Head(here, Words().rows, Sums), Head(there, Words().rows, Sums)], TEXTS).run()
    assert model.n_passes == 3


def test_rows_are_equal_by_tokens_and_by_what_is_attended_to() -> None:
    ids = [np.array([1, 2]), np.array([3])]
    rows = TokenRows(ids)
    assert equal_rows(rows, TokenRows([row.copy() for row in ids]))
    assert equal_rows(rows, TokenRows(ids, np.array([2, 1])))
    assert not equal_rows(rows, TokenRows(ids[:1]))
    assert not equal_rows(rows, TokenRows([ids[1], ids[0]]))
    assert not equal_rows(rows, TokenRows(ids, np.array([1, 1])))
    assert not equal_rows(TokenRows(ids, np.array([1, 1])), TokenRows(ids, np.array([2, 0])))


def test_no_heads_are_no_pass() -> None:
    assert SharedPass([], TEXTS).run() == []


@dataclass
class OnToy:
    """A sparse and multi-vector encoder in one, on a counting model."""

    model: Counting
    sink: Any
    table: bool = False
    spec: str = "toy"
    fingerprint: str = "toy"
    dim: int = 2
    n_alone: int = field(default=0, init=False)

    def document_head(self) -> Head[Any] | None:
        return Head(backbone(self.model), Words().rows, self.sink)

    def query_head(self) -> Head[Any] | None:
        return None if self.table else self.document_head()

    def fitted(self, sample: Sequence[str]) -> "OnToy":
        return self

    def encode_documents(self, texts: Sequence[str]) -> Any:
        self.n_alone += 1
        head = self.document_head()
        assert head is not None
        return head.encode(texts)

    def encode_queries(self, texts: Sequence[str], statistics: Any = None) -> Any:
        return self.encode_documents(texts)

    def term(self, term_id: int, texts: Sequence[str]) -> str:
        return str(term_id)


class NoStatistics:
    n_docs = 0

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.zeros(len(term_ids), np.int64)


def test_documents_of_both_signals_are_one_pass(model: Counting) -> None:
    sparse, multivector = OnToy(model, Weights), OnToy(model, Vectors)
    encoded = DocumentPart(TEXTS, sparse=sparse, multivector=multivector).encode()
    assert model.n_passes == 1
    assert encoded.sparse is not None
    assert encoded.tokens is not None
    assert [encoded.sparse.row(i)[1].tolist() for i in range(4)] == [[11], [], [6], [4]]
    assert encoded.tokens.vectors[:, 0].tolist() == [11, 6, 4]


def test_documents_and_queries_of_three_signals_are_one_pass_each(model: Counting) -> None:
    three = [OnToy(model, sink) for sink in (Weights, Vectors, Means)]
    sparse, multivector, pooled = three
    encoded = DocumentPart(TEXTS, sparse=sparse, multivector=multivector, pooled=pooled).encode()
    asked = encode_queries(
        TEXTS, NoStatistics(), sparse=sparse, multivector=multivector, pooled=pooled
    )
    assert (model.n_passes, [one.n_alone for one in three]) == (2, [0, 0, 0])
    for found in (encoded, asked):
        assert found.sparse is not None
        assert found.tokens is not None
        assert found.pooled is not None
        assert found.sparse.weights.tolist() == [11, 6, 4]
        assert found.tokens.vectors[:, 0].tolist() == [11, 6, 4]
        assert found.pooled[:, 0].tolist() == [11, 0, 6, 4]


def test_two_of_three_share_a_pass_and_the_third_encodes_by_itself(model: Counting) -> None:
    sparse, pooled = OnToy(model, Weights, table=True), OnToy(model, Means)
    multivector = OnToy(model, Vectors)
    asked = encode_queries(
        TEXTS, NoStatistics(), sparse=sparse, multivector=multivector, pooled=pooled
    )
    assert (model.n_passes, sparse.n_alone, pooled.n_alone) == (2, 1, 0)
    alone = encode_queries(TEXTS, NoStatistics(), sparse=Bm25(), multivector=None, pooled=pooled)
    assert (model.n_passes, pooled.n_alone) == (3, 1)
    assert asked.pooled is not None
    assert alone.pooled is not None
    assert asked.pooled.tolist() == alone.pooled.tolist()


@pytest.mark.parametrize("both", [True, False])
def test_an_encoder_without_a_head_encodes_by_itself(model: Counting, both: bool) -> None:
    multivector = OnToy(model, Vectors) if both else None
    encoded = DocumentPart(TEXTS, sparse=Bm25(), multivector=multivector).encode()
    assert encoded.sparse is not None
    assert len(encoded.sparse) == 4
    assert (encoded.tokens is not None, model.n_passes) == (both, int(both))


def test_nothing_is_encoded_for_no_encoders() -> None:
    encoded = DocumentPart(TEXTS, sparse=None, multivector=None).encode()
    assert (encoded.sparse, encoded.tokens, encoded.pooled) == (None, None, None)


def test_parts_are_read_one_ahead_and_tokenized_in_another_thread(model: Counting) -> None:
    read, threads = list[int](), set[str]()

    class Watched(OnToy):
        def document_head(self) -> Head[Any] | None:
            def rows(texts: Sequence[str]) -> TokenRows:
                threads.add(threading.current_thread().name)
                return Words().rows(texts)

            return Head(backbone(self.model), rows, self.sink)

    def parts() -> Iterator[Inputs]:
        for i in range(4):
            read.append(i)
            yield Inputs(["word " * (i + 1)])

    encoded = encoded_parts(parts(), sparse=Watched(model, Weights), multivector=None)
    first = next(encoded)
    assert read == [0, 1]
    sums = [one.sparse.weights.tolist() for one in [first, *encoded] if one.sparse is not None]
    assert sums == [[4], [8], [12], [16]]
    assert read == [0, 1, 2, 3]
    assert len(threads) == 1
    assert "tokenizer" in threads.pop()


def test_a_part_that_cannot_be_read_is_an_error_of_its_turn(model: Counting) -> None:
    class Fragile(OnToy):
        def document_head(self) -> Head[Any] | None:
            def rows(texts: Sequence[str]) -> TokenRows:
                if "bad" in texts:
                    raise EncoderError("a bad text")
                return Words().rows(texts)

            return Head(backbone(self.model), rows, self.sink)

    encoded = encoded_parts(
        [Inputs([text]) for text in ("a", "bad", "b")],
        sparse=Fragile(model, Weights),
        multivector=None,
    )
    assert next(encoded).sparse is not None
    with pytest.raises(EncoderError, match="a bad text"):
        next(encoded)


@pytest.mark.parametrize(("table", "n_passes"), [(False, 1), (True, 2)])
def test_queries_share_a_pass_where_neither_side_is_a_table(
    model: Counting, table: bool, n_passes: int
) -> None:
    sparse, multivector = OnToy(model, Weights, table=table), OnToy(model, Vectors)
    statistics: TermStatistics = NoStatistics()
    encoded = encode_queries(TEXTS, statistics, sparse=sparse, multivector=multivector)
    assert encoded.tokens is not None
    assert encoded.tokens.vectors[:, 0].tolist() == [11, 6, 4]
    assert (model.n_passes, sparse.n_alone) == (n_passes, int(table))


def test_pooling_stands_behind_the_head(model: Counting) -> None:
    inner = OnToy(model, Vectors)
    pooled = PooledEncoder(inner, Pooling("tail", Count(tokens=1)))
    head = document_head_of(pooled)
    assert head is not None
    part = DocumentPart(TEXTS, sparse=OnToy(model, Weights), multivector=pooled).encode()
    assert model.n_passes == 1
    assert part.tokens is not None
    assert part.tokens.vectors.tolist() == pooled.encode_documents(TEXTS).vectors.tolist()
    assert query_head_of(pooled) is not None
    assert document_head_of(Bm25()) is None
    assert document_head_of(PooledEncoder(_Plain(), Pooling("tail", Count(tokens=1)))) is None


class _Plain:
    """A multi-vector encoder that stands on no backbone."""

    spec = fingerprint = "plain"
    dim = 2

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        return TokenBatch.from_rows([], 2)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        return TokenBatch.from_rows([], 2)


def test_a_collection_indexes_and_searches_with_one_pass_a_batch(tmp_path: Path) -> None:
    model = Counting()
    registry = Encoders(
        sparse={"toy": Recipe({}, lambda values: OnToy(model, Weights))},
        multivector={"toy": Recipe({}, lambda values: OnToy(model, Vectors))},
    )
    documents = [Document(str(i), "word " * (1 + i % 3)) for i in range(6)]
    with Collection.create(
        tmp_path / "c", sparse="toy", multivector="toy", encoders=registry
    ) as collection:
        collection.add(documents)
        collection.search("pending ones", 3)
        pending = model.n_passes
        collection.flush()
        indexed = model.n_passes - pending
        collection.search("word", 3)
        assert (pending, indexed, model.n_passes - pending - indexed) == (2, 0, 1)
        before = model.n_passes
        collection.store([Document(str(i), "other") for i in range(6, 12)])
        collection.flush()
        assert model.n_passes - before == 1
