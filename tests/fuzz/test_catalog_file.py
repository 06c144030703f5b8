"""Whatever is done to a catalog's file, one of our errors or an answer comes of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from lexmax.collection import Collection
from lexmax.errors import LexmaxError
from lexmax.index.layout import Layout
from lexmax.index.verification import verify
from lexmax.merging import COMPACT
from lexmax.types import Document
from lexmax.vectors import Query, Vectors


def document(i: int) -> Document:
    vectors = Vectors({"a": 1.0 + i, f"t{i}": 2.0}, pooled=[1.0, i])
    return Document(f"d{i}", f"text {i}", "title", {"n": i % 3, "k": ["x", "y"]}, vectors)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two segments, a pending document, a deleted and a replaced one."""
    path = tmp_path_factory.mktemp("fuzzed") / "c"
    collection = Collection.create(
        path,
        sparse="impacts",
        multivector=None,
        pooled="given-pooled?dim=2",
        fields={"n": "integer", "k": "keyword"},
        merge_in_background=False,
    )
    collection.add(map(document, range(9)))
    collection.flush()
    collection.add([document(9), Document("d1", "new", vectors=document(1).vectors)])
    collection.flush()
    collection.add([document(10)])
    collection.delete(["d4"])
    collection.abandon()
    return path


def damaged(content: bytes, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    place = int(rng.integers(100, len(content)))
    match seed % 4:
        case 0:
            return content[:place]
        case 1:
            width = int(rng.choice([1, 8, 200]))
            return content[:place] + bytes(width) + content[place + width :]
        case 2:
            return content[:place] + rng.bytes(64) + content[place + 64 :]
        case _:
            flipped = bytearray(content)
            for at in rng.integers(100, len(content), int(rng.choice([1, 3, 20]))):
                flipped[at] ^= 1 << int(rng.integers(8))
            return bytes(flipped)


def searched(path: Path) -> None:
    with Collection.open(path, merge_in_background=False) as collection:
        for pipeline, filtered in (("sparse", "k = x"), ("pooled", None)):
            query = Query(vectors=Vectors({"a": 1.0}, pooled=[1.0, 1.0]))
            collection.search(query, 5, pipeline=pipeline, filter=filtered)
        collection.abandon()


def written(path: Path) -> None:
    with Collection.open(path, merge_in_background=False) as collection:
        collection.add([document(11)])
        collection.flush()
        collection.merge(policy=COMPACT)


@pytest.mark.parametrize("use", [verify, searched, written])
def test_a_damaged_catalog_is_told_or_answers(
    whole: Path, tmp_path: Path, rounds: Iterator[int], use: Callable[[Path], object]
) -> None:
    content = Layout(whole).catalog.read_bytes()
    for seed in rounds:
        path = tmp_path / str(seed)
        shutil.copytree(whole, path)
        Layout(path).catalog.write_bytes(damaged(content, seed))
        with suppress(LexmaxError):
            use(path)
        shutil.rmtree(path)
