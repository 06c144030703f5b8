from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import InputError, ShapeError
from lexmax.index.filters import Filter
from lexmax.index.multivector_engines import AUTO_MAXSIM, EXACT_MAXSIM
from lexmax.index.segment import Segment
from lexmax.index.snapshot import Snapshot
from lexmax.types import Document, SparseBatch, TokenBatch

EVEN = np.array([True, False, True, False, True])


def test_a_filter_is_made_of_a_bitmap_a_mask_or_a_predicate() -> None:
    for chosen in (BitMap([4, 0, 2]), EVEN, lambda ordinals: ordinals % 2 == 0):
        made = Filter.of(chosen, 5)
        assert made.mask.tolist() == EVEN.tolist()
        assert (made.n_docs, made.n_allowed) == (5, 3)
    assert Filter.of(BitMap(), 0).n_allowed == 0


def test_filters_combine() -> None:
    even, first = Filter.of(EVEN, 5), Filter.of(BitMap([0, 1]), 5)
    assert (even & first).mask.tolist() == [True, False, False, False, False]
    assert (even | first).mask.tolist() == [True, True, True, False, True]
    assert (~even).mask.tolist() == [False, True, False, True, False]
    assert (even & ~even).n_allowed == 0


def test_filters_of_other_documents_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"over \(5,\) documents; expected \(4,\)"):
        Filter.of(EVEN, 4)
    with pytest.raises(ShapeError, match="run from 1 to 5; expected 0 to 4"):
        Filter.of(BitMap([1, 5]), 5)
    with pytest.raises(ShapeError, match=r"over \(\) documents"):
        Filter.of(lambda ordinals: np.bool_(True), 5)  # type: ignore[arg-type, return-value]
    with pytest.raises(ShapeError, match=r"int64 \(5,\); expected bool"):
        Filter.of(np.arange(5), 5)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="over 5 and 4 documents"):
        _ = Filter.of(EVEN, 5) & Filter.of(EVEN[:4], 4)
    with pytest.raises(ShapeError, match="over 5 documents, the snapshot has 3"):
        snapshot().restricted(Filter.of(EVEN, 5))


def snapshot() -> Snapshot:
    """Documents 0 and 1 in one segment, of which 1 is deleted, and 2 in another."""
    sparse = SparseBatch.from_rows([{7: 1.0}, {7: 2.0}])
    ones = np.ones((1, 2), np.float32)
    tokens = TokenBatch.from_rows([ones, ones * 2], 2)
    parts = [
        Segment.in_memory(np.array([10, 11]), sparse, tokens),
        Segment.in_memory(np.array([20]), sparse.slice(0, 1), tokens.slice(0, 1)),
    ]
    return Snapshot.of(3, parts, np.array([11]))


@pytest.mark.parametrize(
    ("allowed", "found"),
    [([0, 1, 2], [0, 2]), ([1], []), ([], []), ([2], [2]), ([0, 1], [0])],
)
def test_deleted_documents_stay_so_whatever_the_filter(
    allowed: list[int], found: list[int]
) -> None:
    restricted = snapshot().restricted(Filter.of(BitMap(allowed), 3))
    assert restricted.n_living == len(found)
    assert restricted.n_docs == 3
    assert restricted.doc_freqs(np.array([7], np.uint32)).tolist() == [3]
    query = SparseBatch.from_rows([{7: 1.0}, {8: 1.0}])
    assert restricted.search_sparse(query, 5).row(0)[0].tolist() == found
    assert restricted.search_sparse(query, 5).row(1)[0].tolist() == []
    tokens = TokenBatch.from_rows([np.ones((1, 2), np.float32)], 2)
    for engine in (EXACT_MAXSIM, AUTO_MAXSIM):
        hits = restricted.search_multivector(tokens, 5, engine=engine)
        assert hits.row(0)[0].tolist() == found


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Collection:
    made = Collection.create(tmp_path / "ix", encoders=cheap_encoders)
    made.add(Document(f"d{i}", f"ship number {i}") for i in range(6))
    made.flush()
    made.add([Document("d1", "ship number one"), Document("late", "a ship")])
    return made


@pytest.mark.parametrize("pipeline", ["bm25", "multivector", "multivector-exact", "hybrid"])
def test_searches_are_restricted_to_documents_by_id(collection: Collection, pipeline: str) -> None:
    def found(*doc_ids: str) -> dict[str, float]:
        hits = collection.search("ship number", pipeline=pipeline, doc_ids=doc_ids).hits
        batch = collection.search_batch(["ship number"], 10, pipeline=pipeline, doc_ids=doc_ids)
        assert batch.doc_ids == [[hit.doc_id for hit in hits]]
        return {hit.doc_id: hit.score for hit in hits}

    everything = {
        hit.doc_id: hit.score for hit in collection.search("ship number", pipeline=pipeline).hits
    }
    assert found("d1", "d4", "late", "nothing") == {
        doc_id: everything[doc_id] for doc_id in ("d1", "d4", "late")
    }
    assert found() == {}
    assert found("nothing") == {}
    collection.delete(["d4"])
    assert set(found("d1", "d4")) == {"d1"}
    (hit,) = collection.search("ship", pipeline=pipeline, doc_ids=iter(["d1"])).hits
    assert hit.text == "ship number one"


def test_one_text_is_no_list_of_ids(collection: Collection) -> None:
    with pytest.raises(InputError, match="doc_ids is one text; expected a list"):
        collection.search("ship", doc_ids="d1")


def test_a_version_that_an_ingest_replaces_is_allowed_by_its_id(collection: Collection) -> None:
    collection.store([Document("d2", "a sail")], ingest=("files", 1))
    (hit,) = collection.search("ship", pipeline="bm25", doc_ids=["d2"]).hits
    assert hit.text == "ship number 2"
