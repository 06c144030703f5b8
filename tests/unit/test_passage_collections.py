"""Split documents from text to hits: pending, in segments, deleted, merged, rebuilt, stopped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.building import Silent, build_segments
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import CorruptionError, InputError
from lexmax.exporting import export_vectors
from lexmax.forecast import forecast
from lexmax.index.layout import Layout
from lexmax.index.passage_rows import FILE_NAME
from lexmax.index.verification import verify
from lexmax.indexing import index_corpus
from lexmax.merging import COMPACT
from lexmax.passages import PassagePlan, split
from lexmax.rebuilding import rebuild
from lexmax.results import SearchResult
from lexmax.types import Document

PLAN = PassagePlan(8, 8)
WORDS = ["Sails", "Ships", "Bones", "Wings", "Flows"]


def documents(start: int, stop: int) -> list[Document]:
    """Of i % 4 sentences of four tokens; every sentence names its document."""
    return [
        Document(
            f"d{i}",
            " ".join(f"{WORDS[(i + j) % 5]} n{i} s{j}." for j in range(i % 4 * 2)),
            f"t{i}",
            {"year": 2000 + i},
        )
        for i in range(start, stop)
    ]


def create(path: Path, encoders: Encoders, **options: Any) -> Collection:
    given = {"passages": PLAN, "encoders": encoders, "merge_in_background": False, **options}
    return Collection.create(path, **given)


def rows(collection: Collection) -> list[tuple[int, str]]:
    """Serial and text of every living passage, as the snapshot says they lie in the catalog."""
    snapshot = collection.snapshot()
    alive = [
        np.arange(len(part.segment)) if part.alive is None else np.flatnonzero(part.alive)
        for part in snapshot.parts
    ]
    bases = [part.base for part in snapshot.parts]
    living = np.concatenate([mine + base for mine, base in zip(alive, bases, strict=True)])
    spans = snapshot.passages(living)
    assert spans is not None
    serials = snapshot.serials(living)
    stored = collection.stored(snapshot, serials)
    return [
        (serial, document.text[start:stop])
        for serial, document, (start, stop) in zip(
            serials.tolist(), stored, spans.tolist(), strict=True
        )
    ]


def expected(collection: Collection) -> list[tuple[int, str]]:
    serials = collection._catalog.living_serials(0)
    stored = collection._catalog.documents(serials)
    return [
        (serial, document.text[start:stop])
        for serial, document in zip(serials.tolist(), stored, strict=True)
        for start, stop in split(document.text, PLAN)
    ]


def answers(collection: Collection, query: str = "Sails n7 Bones") -> list[Any]:
    found = [
        collection.search(query, 30, pipeline=name) for name in ("sparse", "multivector-exact")
    ]
    return [[(hit.doc_id, hit.score, hit.passage) for hit in result.hits] for result in found]


def ids(result: SearchResult) -> list[str]:
    return [hit.doc_id for hit in result.hits]


def test_rows_are_passages_before_and_after_they_are_in_a_segment(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with create(tmp_path / "c", cheap_encoders) as collection:
        collection.add(documents(0, 10))
        assert rows(collection) == expected(collection)
        collection.add(documents(10, 20))
        collection.delete(["d3", "d12"])
        assert rows(collection) == expected(collection)
        pending = answers(collection)
        collection.flush()
        assert rows(collection) == expected(collection)
        assert [len(part.segment) for part in collection.snapshot().parts] == [31]
        assert answers(collection)[1] == pending[1]


def test_a_hit_says_where_in_the_document_it_matches(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with create(tmp_path / "c", cheap_encoders) as collection:
        collection.add(documents(0, 20))
        (hit,) = collection.search("s5 n7", 1).hits
        assert (hit.doc_id, hit.title) == ("d7", "t7")
        assert hit.passage is not None
        assert hit.passage.text == "Ships n7 s4. Bones n7 s5."
        assert hit.text[hit.passage.start : hit.passage.end] == hit.passage.text


def test_updates_and_deletions_take_all_passages_along(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with create(tmp_path / "c", cheap_encoders) as collection:
        collection.add(documents(0, 20))
        collection.flush()
        collection.delete(["d7"])
        collection.add([Document("d11", "Nothing of the old. One more sentence is here.")])
        assert "d7" not in ids(collection.search("n7 s1 s3 s5", 20))
        assert "d11" not in ids(collection.search("n11", 20, pipeline="sparse"))
        assert collection.snapshot().n_living == len(rows(collection)) == len(expected(collection))
        collection.flush()
        before = answers(collection)[1]
        report = collection.merge(policy=COMPACT)
        assert report.n_dropped == 2
        assert (report.before.n_docs, report.after.n_docs) == (21, 19)
        assert (report.before.n_rows, report.after.n_rows) == (37, 31)
        assert answers(collection)[1] == before
        assert rows(collection) == expected(collection)
        assert collection.verify().problems == ()


def test_a_merged_segment_has_the_bytes_of_one_that_was_built_at_once(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    spec = "bm25?avg_doc_len=5"  # a fitted length would differ
    with (
        create(tmp_path / "one", cheap_encoders, sparse=spec) as one,
        create(tmp_path / "two", cheap_encoders, sparse=spec) as two,
    ):
        one.add(documents(0, 24))
        one.flush()
        for start in (0, 12):
            two.add(documents(start, start + 12))
            two.flush()
        two.merge(policy=COMPACT)
    left, right = (content(tmp_path / name, manifest=False) for name in ("one", "two"))
    assert left == right
    assert FILE_NAME in left


def content(path: Path, *, manifest: bool = True) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes()
        for file in sorted((path / "segments").rglob("*"))
        if file.is_file() and (manifest or file.name != "segment.json")
    }


class _StopsAfter(Silent):
    def __init__(self, parts: int) -> None:
        self.left = parts

    def stopped(self) -> bool:
        self.left -= 1
        return self.left == 0


@pytest.mark.parametrize("parts", [1, 3])
def test_a_stopped_build_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    # Parts end in the middle of documents.
    monkeypatch.setattr("lexmax.building.PART_DOCS", 5)
    for name, watcher in (("whole", Silent()), ("stopped", _StopsAfter(parts))):
        with create(tmp_path / name, cheap_encoders, fields={"year": "integer"}) as collection:
            collection.store(documents(0, 20))
            if isinstance(watcher, _StopsAfter):
                with pytest.raises(KeyboardInterrupt):
                    collection.flush(watcher)
                catalog, layout = collection._catalog, Layout(tmp_path / name)
                build_segments(catalog, layout, collection.encoders, Silent())
            else:
                collection.flush(watcher)
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")


def test_a_segment_takes_documents_until_it_has_rows_enough(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexmax.building.PART_DOCS", 4)
    monkeypatch.setattr("lexmax.building.SEGMENT_DOCS", 15)
    with create(tmp_path / "c", cheap_encoders) as collection:
        collection.store(documents(0, 22))
        assert collection.flush() == 3
        # Four documents have seven passages: 1, 1, 2 and 3.
        held = [len(part.segment) for part in collection.snapshot().parts]
        assert held == [14, 14, 9]
        assert rows(collection) == expected(collection)
        assert collection.verify().problems == ()


def test_filters_see_the_metadata_of_the_document(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with create(tmp_path / "c", cheap_encoders, fields={"year": "integer"}) as collection:
        collection.add(documents(0, 12))
        collection.flush()
        collection.add(documents(12, 16))
        for filter_ in ("year >= 2006", "year = 2007 or year = 2015"):
            found = ids(collection.search("Sails Bones s1 s3", 16, filter=filter_))
            wanted = range(6, 16) if ">" in filter_ else (7, 15)
            assert set(found) == {f"d{i}" for i in wanted}
        allowed = collection.search("Sails Bones s1 s3", 16, doc_ids=["d3", "d7", "d15"])
        assert set(ids(allowed)) == {"d3", "d7", "d15"}
        assert collection.delete_matching("year < 2008") == 8
        assert rows(collection) == expected(collection)
        collection.declare_fields({"kind": "keyword"})
        assert ids(collection.search("n15", 1, filter="not kind exists", pipeline="sparse")) == [
            "d15"
        ]


def test_people_are_told_documents_and_passages(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with create(tmp_path / "c", cheap_encoders) as collection:
        collection.add(documents(0, 12))
        collection.flush()
        collection.add(documents(12, 14))
        described = collection.describe()
        assert (described["n_docs"], described["n_pending"]) == (14, 2)
        assert described["passages"] == {"window": 8, "stride": 8}
        (segment,) = described["segments"]  # type: ignore[misc]
        assert (segment["n_docs"], segment["n_passages"]) == (12, 21)  # type: ignore[index,call-overload]
        report = collection.verify()
        assert (report.n_docs, report.n_pending, report.n_passages) == (14, 2, 21)
        assert collection.snapshot().n_documents == 14
        assert collection.choice.passages == PLAN


@pytest.mark.parametrize("damage", ["gone", "short"])
def test_damage_is_found_and_built_anew(
    tmp_path: Path, cheap_encoders: Encoders, damage: str
) -> None:
    path = tmp_path / "c"
    with create(path, cheap_encoders) as collection:
        collection.add(documents(0, 30))
        collection.flush()
        before = answers(collection)
    (file,) = path.rglob(FILE_NAME)
    file.unlink() if damage == "gone" else file.write_bytes(file.read_bytes()[:-8])
    assert any(FILE_NAME in problem for problem in verify(path).problems)
    with pytest.raises(CorruptionError, match=FILE_NAME):
        Collection.open(path, encoders=cheap_encoders)
    assert rebuild(path, Silent(), encoders=cheap_encoders).n_docs == 30
    with Collection.open(path, encoders=cheap_encoders) as opened:
        assert opened.verify().problems == ()
        assert answers(opened) == before


def test_passages_are_exported_by_number(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with create(tmp_path / "c", cheap_encoders, multivector=None) as collection:
        collection.add(documents(0, 4))
        report = export_vectors(collection, tmp_path / "out.csr", form="csr", watcher=Silent())
    names = report.files[1].read_text().split()
    assert names == ["d0#0", "d1#0", "d2#0", "d2#1", "d3#0", "d3#1", "d3#2"]


def test_the_batch_job_splits_documents(tmp_path: Path, cheap_encoders: Encoders) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id": "a", "text": "One two six. One two ten. One."}\n')
    choice = IndexChoice(passages=PLAN)
    given: dict[str, Any] = {"watcher": Silent(), "encoders": cheap_encoders}
    predicted = forecast([str(corpus)], choice=choice, **given)
    assert (predicted.n_docs, predicted.n_sampled) == (1, 1)
    assert predicted.tokens == 7.0
    index_corpus(tmp_path / "c", [str(corpus)], choice=choice, **given)
    with Collection.open(tmp_path / "c", encoders=cheap_encoders) as collection:
        assert [text for _, text in rows(collection)] == ["One two six. One two ten.", "One."]
    other = IndexChoice(passages=PassagePlan(9, 3))
    with pytest.raises(InputError, match=r"split by .*window=8.* but .*window=9"):
        index_corpus(tmp_path / "c", [str(corpus)], choice=other, **given)


def test_collections_that_split_nothing_stay_as_they_were(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with create(tmp_path / "c", cheap_encoders, passages=None) as collection:
        collection.add(documents(0, 12))
        collection.flush()
        result = collection.search(
            "Sails", 3, pipeline={"preset": "hybrid", "documents": {"by": "top"}}
        )
        assert [hit.passage for hit in result.hits] == [None] * 3
        assert "documents" not in [stage.stage for stage in result.stages]
        assert collection.snapshot().passages(np.arange(2)) is None
        assert collection.verify().n_passages is None
        assert "n_passages" not in collection.describe()["segments"][0]  # type: ignore[index,operator]
    assert not list((tmp_path / "c").rglob(FILE_NAME))
