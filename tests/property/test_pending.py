"""Pending documents are encoded once, and searches find the same as if they had been anew."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.passages import PassagePlan
from lexmax.types import Document, TokenBatch

WORDS = ["ant", "bee", "cat", "dog", "eel", "fox"]
DIM = 16
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
STEPS = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(0, 12), TEXTS), min_size=1, max_size=6),
        st.integers(0, 12),
        st.just("flush"),
    ),
    min_size=1,
    max_size=12,
)


@dataclass(slots=True)
class Counting:
    """A vector a word; remembers the texts of documents that it was given."""

    encoded: list[str] = field(default_factory=list[str])
    spec: str = "minilm"
    fingerprint: str = "counting"
    dim: int = DIM

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        self.encoded.extend(texts)
        return self._encoded(texts)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        return self._encoded(texts)

    def _encoded(self, texts: Sequence[str]) -> TokenBatch:
        rows = [np.array([_vector(word) for word in text.split()], np.float32) for text in texts]
        return TokenBatch.from_rows(rows, DIM)


def _vector(word: str) -> NDArray[np.float32]:
    found = np.random.default_rng(sum(map(ord, word))).standard_normal(DIM)
    return (found / np.linalg.norm(found)).astype(np.float32)


@contextmanager
def made(folder: Path, counting: Counting, *, split: bool = False) -> Iterator[Collection]:
    encoders = Encoders(multivector={"minilm": Recipe({}, lambda _: counting)})
    passages = PassagePlan(window=2, stride=2) if split else None
    with Collection.create(folder, encoders=encoders, passages=passages) as collection:
        yield collection


def answers(collection: Collection) -> list[list[tuple[str, float]]]:
    return [
        [(hit.doc_id, hit.score) for hit in collection.search(word, 20, pipeline=pipeline).hits]
        for word in WORDS
        for pipeline in ("bm25", "multivector")
    ]


def found(collection: Collection, pipeline: str) -> list[dict[str, float]]:
    return [
        {hit.doc_id: hit.score for hit in collection.search(word, 20, pipeline=pipeline).hits}
        for word in WORDS
    ]


@settings(max_examples=25, deadline=None)
@given(steps=STEPS, split=st.booleans())
def test_whatever_happened_before_the_same_is_found(
    steps: list[list[tuple[int, str]] | int | str], split: bool
) -> None:
    with TemporaryDirectory() as folder:
        counting, living = Counting(), dict[str, str]()
        with made(Path(folder) / "ix", counting, split=split) as collection:
            for step in steps:
                if isinstance(step, list):
                    documents = {f"d{number}": text for number, text in step}
                    collection.add([Document(*one) for one in documents.items()])
                    living |= documents
                elif isinstance(step, int):
                    collection.delete([f"d{step}"])
                    living.pop(f"d{step}", None)
                elif step == "flush":
                    collection.flush()
                by_word = found(collection, "multivector")
                assert {one for row in by_word for one in row} == set(living)
            collection.flush()
            kept = found(collection, "multivector")
        with made(Path(folder) / "anew", Counting(), split=split) as anew:
            anew.add([Document(*one) for one in living.items()])
            anew.flush()
            for row, expected in zip(kept, found(anew, "multivector"), strict=True):
                assert row == pytest.approx(expected, abs=1e-5)


def test_a_segment_is_built_of_what_searches_have_seen(tmp_path: Path) -> None:
    counting = Counting()
    with made(tmp_path / "ix", counting) as collection:
        for start in range(0, 1200, 100):
            texts = [f"ant {WORDS[i % 6]}" for i in range(start, start + 100)]
            collection.add([Document(f"d{start + i}", text) for i, text in enumerate(texts)])
        assert len(counting.encoded) == 1200
        before = answers(collection)
        assert collection.flush() == 1
        assert len(counting.encoded) == 1200
        after = answers(collection)
        collection.add([Document("new", "bee")])
        assert len(counting.encoded) == 1201
    for one, other in zip(before, after, strict=True):
        assert [score for _, score in one] == pytest.approx([score for _, score in other])


def test_what_was_stored_while_a_segment_was_built_is_not_encoded_again(tmp_path: Path) -> None:
    counting = Counting()
    with made(tmp_path / "ix", counting) as collection:
        collection.add([Document(f"d{i}", f"ant {WORDS[i % 6]}") for i in range(40)])
        last = collection.writer._catalog.last_serial()
        collection.add([Document(f"e{i}", f"bee {WORDS[i % 6]}") for i in range(30)])
        collection.writer._catalog.last_serial = lambda: last  # type: ignore[method-assign]
        assert collection.flush() == 1
        assert (len(counting.encoded), collection.n_segments) == (70, 1)
        assert len(collection.search("bee", 50, pipeline="multivector").hits) == 50
        ids = {hit.doc_id for hit in collection.search("bee", 100, pipeline="bm25").hits}
        assert {f"e{i}" for i in range(30)} <= ids
        assert len(counting.encoded) == 70
