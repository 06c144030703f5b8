"""The graph in collections: built, searched, merged, verified."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import InputError
from lexmax.index.filters import Filter
from lexmax.index.layout import Layout
from lexmax.index.neighbours import ORDINALS
from lexmax.index.segment import Segment
from lexmax.index.verification import verify
from lexmax.merging import COMPACT
from lexmax.rebuilding import rebuild
from lexmax.types import Document

TEXTS = {
    "a": "red apples grow on old trees",
    "b": "green apples grow on young trees",
    "c": "ships sail over the cold sea",
    "d": "boats sail over the warm sea",
    "e": "red apples and green apples",
}


def documents(*doc_ids: str) -> list[Document]:
    return [Document(doc_id, TEXTS[doc_id]) for doc_id in doc_ids]


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """Two segments, of a, b, c and of d, e, with up to 2 neighbours a document."""
    made = Collection.create(
        tmp_path / "c", multivector=None, neighbours=2, merge_in_background=False
    )
    for some in ("abc", "de"):
        made.add(documents(*some))
        made.flush()
    yield made
    made.close()


def segment_folders(collection: Collection) -> list[Path]:
    return sorted((Layout(collection.path).folder / "segments").iterdir())


def neighbours(collection: Collection, ordinal: int) -> list[int]:
    return collection.snapshot().edges(np.array([ordinal])).ordinals.tolist()


def test_every_segment_has_a_graph_of_its_own(collection: Collection) -> None:
    first, second = map(Segment.open, segment_folders(collection))
    assert first.neighbours is not None
    assert second.neighbours is not None
    assert (first.neighbours.k, first.neighbours.signal) == (2, "sparse")
    # Apples, apples, ships; and boats, apples, which share no word.
    edges = first.neighbours.edges(np.arange(3))
    assert edges.ordinals[edges.starts[:2]].tolist() == [1, 0]
    assert len(second.neighbours.edges(np.arange(2)).ordinals) == 0
    assert verify(collection.path).problems == ()


def test_edges_lead_to_ordinals_of_the_snapshot_and_stay_in_a_segment(
    collection: Collection,
) -> None:
    assert neighbours(collection, 0)[0] == 1
    edges = collection.snapshot().edges(np.array([3, 1, 0, 1]))
    rows = [
        edges.ordinals[a:b].tolist() for a, b in zip(edges.starts, edges.starts[1:], strict=False)
    ]
    assert rows == [[], rows[1], neighbours(collection, 0), rows[1]]
    assert rows[1][0] == 0


def test_merging_makes_the_graph_anew(collection: Collection) -> None:
    collection.merge(policy=COMPACT)
    (folder,) = segment_folders(collection)
    graph = Segment.open(folder).neighbours
    assert graph is not None
    assert (graph.n_docs, graph.k) == (5, 2)
    assert neighbours(collection, 2) == [3]
    assert set(neighbours(collection, 4)) == {0, 1}
    assert verify(collection.path).problems == ()


def test_no_edge_leads_to_a_deleted_document_or_past_a_filter(collection: Collection) -> None:
    collection.merge(policy=COMPACT)
    snapshot = collection.snapshot()
    allowed = Filter(np.array([True, False, True, True, True]))
    edges = snapshot.restricted(allowed).edges(np.array([4, 2]))
    assert edges.ordinals.tolist() == [0, 3]
    assert edges.starts.tolist() == [0, 1, 2]
    collection.delete(["d"])
    assert neighbours(collection, 2) == []


def test_pending_documents_have_no_edges(collection: Collection) -> None:
    collection.add([Document("f", TEXTS["a"])])
    snapshot = collection.snapshot()
    assert snapshot.n_living == 6
    edges = snapshot.edges(np.array([5, 0]))
    assert edges.starts[1] == 0
    assert edges.ordinals[0] == 1


def test_rebuilding_gives_the_same_bytes(collection: Collection) -> None:
    first, _ = segment_folders(collection)
    before = (first / ORDINALS).read_bytes()
    collection.close()
    (first / ORDINALS).write_bytes(before[:-4] + b"\xff" * 4)
    assert verify(collection.path).problems != ()
    rebuild(collection.path, Silent())
    assert verify(collection.path).problems == ()
    first, _ = segment_folders(collection)
    assert (first / ORDINALS).read_bytes() == before


def test_the_best_signal_gives_the_directions(tmp_path: Path, cheap_encoders: Encoders) -> None:
    made = Collection.create(
        tmp_path / "c", neighbours=1, encoders=cheap_encoders, merge_in_background=False
    )
    made.add(documents(*"abcde"))
    made.flush()
    (folder,) = segment_folders(made)
    made.close()
    graph = Segment.open(folder).neighbours
    assert graph is not None
    assert graph.signal == "multivector"


def test_without_neighbours_there_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 0 to 256"):
        Collection.create(tmp_path / "none", multivector=None, neighbours=-1)
    assert not (tmp_path / "none").exists()
    made = Collection.create(tmp_path / "c", multivector=None, merge_in_background=False)
    made.add(documents("a", "b"))
    made.flush()
    (folder,) = segment_folders(made)
    assert Segment.open(folder).neighbours is None
    assert neighbours(made, 0) == []
    made.close()
