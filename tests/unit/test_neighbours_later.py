"""A graph that a collection was made without: it comes with the next merge, whatever interrupts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lexmax.cli import app
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import InputError
from lexmax.index.layout import Layout
from lexmax.index.segment import Segment
from lexmax.index.verification import verify
from lexmax.merging import worth_merging
from lexmax.types import Document

WORDS = ["sail", "wind", "wing", "flow", "bone", "milk", "calcium", "dense", "shock", "thrust"]


def documents(start: int, stop: int) -> list[Document]:
    return [
        Document(f"d{i}", " ".join(WORDS[(i * j + j * j) % 10] for j in range(1, 4 + i % 5)))
        for i in range(start, stop)
    ]


def filled(path: Path, encoders: Encoders, neighbours: int = 0) -> Collection:
    """Two segments that no policy merges, since the first is much larger."""
    made = Collection.create(
        path, encoders=encoders, neighbours=neighbours, merge_in_background=False
    )
    for start, stop in ((0, 40), (40, 45)):
        made.add(documents(start, stop))
        made.flush()
    return made


def graphs(collection: Collection) -> list[int]:
    folders = sorted((Layout(collection.path).folder / "segments").iterdir())
    found = [Segment.open(folder).neighbours for folder in folders]
    return [0 if graph is None else graph.k for graph in found]


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    made = filled(tmp_path / "later", cheap_encoders)
    yield made
    made.close()


def test_the_graph_is_that_of_a_collection_that_had_it_from_the_first(
    collection: Collection, tmp_path: Path, cheap_encoders: Encoders
) -> None:
    assert graphs(collection) == [0, 0]
    assert not worth_merging(collection.snapshot())
    before = collection.search("bone milk", 45).hits
    collection.writer.keep_neighbours(3)
    assert collection.merge().n_merges == 2
    assert graphs(collection) == [3, 3]
    assert collection.merge().n_merges == 0
    assert collection.search("bone milk", 45).hits == before
    assert verify(collection.path).problems == ()
    with filled(tmp_path / "first", cheap_encoders, neighbours=3) as first:
        ordinals = np.arange(45)
        mine, its = (one.snapshot().edges(ordinals) for one in (collection, first))
        assert np.array_equal(mine.starts, its.starts)
        assert np.array_equal(mine.ordinals, its.ordinals)
        assert np.array_equal(mine.similarities, its.similarities)
        assert collection.choice.neighbours == first.choice.neighbours == 3
    collection.add(documents(45, 50))
    collection.flush()
    assert graphs(collection) == [3, 3, 3]


class StopsAfter:
    """Lets so many merges be, and stops the next in its midst."""

    def __init__(self, n_told: int) -> None:
        self.left = n_told

    def advance(self, stage: str, done: int, total: int) -> None:
        self.left -= 1

    def stopped(self) -> bool:
        return self.left < 0


@pytest.mark.parametrize("n_told", range(8))
def test_interrupted_it_goes_on(collection: Collection, n_told: int) -> None:
    collection.writer.keep_neighbours(2)
    with pytest.raises(KeyboardInterrupt):
        collection.merge(StopsAfter(n_told))
    assert verify(collection.path).problems == ()
    found = collection.search("bone", 5, pipeline={"preset": "bm25", "graph": {"method": "hops"}})
    assert found.hits
    collection.merge()
    assert graphs(collection) == [2, 2]


def test_another_number_and_none_are_kept_too(collection: Collection) -> None:
    for k in (4, 2, 0):
        collection.writer.keep_neighbours(k)
        collection.merge()
        assert graphs(collection) == [k, k]
    with pytest.raises(InputError, match="expected 0 to 256"):
        collection.writer.keep_neighbours(257)
    assert collection.choice.neighbours == 0


def test_the_command_line_builds_it(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "ix", multivector=None) as made:
        made.add(documents(0, 20))
        made.flush()
    said = CliRunner().invoke(app, ["merge", str(tmp_path / "ix"), "--neighbours", "5"])
    assert said.exit_code == 0, said.output
    with Collection.open(tmp_path / "ix") as collection:
        assert graphs(collection) == [5]
