"""Filters by declared fields over a collection that is written to, merged, killed and damaged."""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.conditions import parse_conditions
from lexmax.encoders import Encoders
from lexmax.errors import DocumentError, FilterError, InputError
from lexmax.index import declared
from lexmax.index.catalog import Catalog
from lexmax.index.segment import Segment
from lexmax.merging import COMPACT
from lexmax.rebuilding import rebuild
from lexmax.types import Document

FIELDS = {"lang": "keyword", "year": "integer"}


def document(i: int) -> Document:
    return Document(
        f"d{i}", f"ship number {i}", metadata={"year": 2000 + i, "lang": "en" if i % 2 else "de"}
    )


def created(path: Path, fields: dict[str, str] | None = None) -> Collection:
    """Two segments of five documents and three pending ones, some deleted and replaced."""
    made = Collection.create(
        path,
        sparse="bm25?avg_doc_len=3",
        multivector=None,
        fields=fields,
        merge_in_background=False,
    )
    for start in (0, 5):
        made.add(document(i) for i in range(start, start + 5))
        made.flush()
    made.add([document(10), document(11), Document("d1", "ship again", metadata={"year": 2050})])
    made.delete(["d3", "d11"])
    return made


def matching(collection: Collection, conditions: Any) -> list[str]:
    """Ids of living documents that conditions allow."""
    snapshot = collection.snapshot()
    allowed = snapshot.matching(parse_conditions(conditions, snapshot.fields))
    restricted = snapshot.restricted(allowed)
    living: list[int] = []
    for part in restricted.parts:
        alive = np.ones(len(part.segment), bool) if part.alive is None else part.alive
        living += part.segment.serials[alive].tolist()
    found = collection.stored(snapshot, np.array(living, dtype=np.int64))
    return sorted(one.doc_id for one in found)


def segments(path: Path) -> list[str]:
    return sorted(folder.name for folder in (path / "segments").iterdir())


RECENT = "year >= 2008"
ENGLISH = "lang = en"


def assert_filters(collection: Collection) -> None:
    assert matching(collection, RECENT) == ["d1", "d10", "d8", "d9"]
    assert matching(collection, ENGLISH) == ["d5", "d7", "d9"]
    assert matching(collection, "not lang exists") == ["d1"]


def test_columns_are_written_merged_and_made_for_pending_documents(tmp_path: Path) -> None:
    with created(tmp_path / "ix", FIELDS) as collection:
        assert collection.fields == FIELDS
        assert collection.describe()["fields"] == FIELDS
        assert_filters(collection)
        collection.flush()
        assert_filters(collection)
        assert collection.merge(policy=COMPACT).n_merges == 1
        assert_filters(collection)
        assert collection.verify().problems == ()
    (name,) = segments(tmp_path / "ix")
    assert (tmp_path / "ix" / "segments" / name / "attributes.1.cells.npy").is_file()
    with Collection.open(tmp_path / "ix") as again:
        assert_filters(again)


def test_merged_columns_are_copied_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with created(tmp_path / "ix", FIELDS) as collection:
        collection.flush()
        monkeypatch.setattr("lexmax.merging.attributes_of", None)
        assert collection.merge(policy=COMPACT).n_merges == 1
        assert_filters(collection)


def test_fields_that_are_declared_later(tmp_path: Path) -> None:
    path = tmp_path / "ix"
    with created(path) as collection:
        with pytest.raises(FilterError, match="declares no fields"):
            matching(collection, RECENT)
        before = segments(path)
        assert collection.declare_fields({"year": "integer"}) == 2
        assert collection.declare_fields(FIELDS) == 2
        assert collection.declare_fields(FIELDS) == 0
        assert segments(path) == [f"{name}-2" for name in before]
        assert_filters(collection)
        assert collection.verify().problems == ()
        assert [hit.doc_id for hit in collection.search("again", pipeline="bm25").hits] == ["d1"]
    with Collection.open(path) as again:
        assert_filters(again)


def test_the_files_of_a_segment_are_shared_not_copied(tmp_path: Path) -> None:
    with created(tmp_path / "ix") as collection:
        places = {
            file.stat().st_ino for file in (tmp_path / "ix" / "segments").rglob("sparse.*.npy")
        }
        collection.declare_fields(FIELDS)
        kept = (tmp_path / "ix" / "segments").rglob("sparse.*.npy")
        assert {file.stat().st_ino for file in kept} == places


def test_where_files_cannot_be_shared_they_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", refuse)
    with created(tmp_path / "ix") as collection:
        collection.declare_fields(FIELDS)
        assert collection.verify().problems == ()
        assert_filters(collection)


def test_what_contradicts_is_refused(tmp_path: Path) -> None:
    with created(tmp_path / "ix", {"year": "integer"}) as collection:
        with pytest.raises(InputError, match="year is declared as integer, but keyword was asked"):
            collection.declare_fields({"year": "keyword"})
        with pytest.raises(
            InputError, match="document 'd0': metadata lang is a text; expected true"
        ):
            collection.declare_fields({"lang": "boolean"})
        with pytest.raises(InputError, match="expected keyword, integer"):
            collection.declare_fields({"lang": "text"})
        assert collection.fields == {"year": "integer"}


def test_a_document_of_another_type_is_refused_with_all_of_its_batch(tmp_path: Path) -> None:
    with created(tmp_path / "ix", FIELDS) as collection:
        wrong = Document("wrong", "a sail", metadata={"year": "2020"})
        with pytest.raises(DocumentError, match="'wrong': metadata year is a text; expected a who"):
            collection.add([document(20), wrong])
        assert collection.get(["d20", "wrong"]) == [None, None]


def test_a_deleted_document_may_have_had_another_type(tmp_path: Path) -> None:
    with created(tmp_path / "ix") as collection:
        collection.add([Document("old", "a sail", metadata={"year": "late"})])
        collection.flush()
        collection.delete(["old"])
        collection.declare_fields(FIELDS)
        assert_filters(collection)


class KilledError(BaseException):
    """The process is gone."""


STEPS: list[tuple[Any, str]] = [
    (os, "fsync"),
    (os, "link"),
    (Path, "replace"),
    (shutil, "rmtree"),
    (Catalog, "remember"),
    (Catalog, "replace_segments"),
    (declared, "write_manifest"),
]


def killed_at(step: int, patch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counted(call: Any) -> Any:
        def run(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= step:
                raise KilledError
            return call(*arguments, **named)

        return run

    for place, name in STEPS:
        patch.setattr(place, name, counted(getattr(place, name)))


def test_a_declaration_that_is_killed_at_any_step_goes_on(tmp_path: Path) -> None:
    created(tmp_path / "made").close()
    step, n_killed, is_whole = 1, 0, False
    while not is_whole:
        path = tmp_path / f"killed-{step}"
        shutil.copytree(tmp_path / "made", path)
        collection = Collection.open(path, merge_in_background=False)
        with pytest.MonkeyPatch.context() as patch:
            killed_at(step, patch)
            try:
                collection.declare_fields(FIELDS)
                is_whole = True
            except KilledError:
                n_killed += 1
        collection.abandon()

        with Collection.open(path, merge_in_background=False) as reader:
            if reader.fields:
                assert_filters(reader)
            assert reader.verify().problems == ()
        with Collection.open(path, merge_in_background=False) as writer:
            writer.declare_fields(FIELDS)
            assert_filters(writer)
            assert writer.verify().problems == ()
        opened = [Segment.open(path / "segments" / name) for name in segments(path)]
        assert [one.attributes is not None for one in opened] == [True, True]
        step += 1 + n_killed // 4
    assert n_killed > 10


def test_a_reader_beside_the_writer_sees_fields_at_once(tmp_path: Path) -> None:
    with created(tmp_path / "ix") as writer, Collection.open(tmp_path / "ix") as reader:
        assert reader.snapshot().fields == {}
        declared.declare(writer._catalog, {"lang": "keyword", "year": "integer"})
        assert_filters(reader)
        declared.backfill(writer._catalog, writer._layout)
        assert_filters(reader)


def test_a_rebuilt_segment_has_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "ix"
    created(path, FIELDS).close()
    damaged = path / "segments" / segments(path)[0] / "attributes.1.cells.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x07")
    assert len(rebuild(path, Silent()).rebuilt) == 1
    with Collection.open(path) as collection:
        assert collection.verify().problems == ()
        assert_filters(collection)


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        (RECENT, ["d0", "d2", "d4", "d5", "d6", "d7"]),
        ({"must_not": [{"field": "lang", "match": "de"}]}, ["d0", "d10", "d2", "d4", "d6", "d8"]),
        ("year = 7", ["d0", "d1", "d10", "d2", "d4", "d5", "d6", "d7", "d8", "d9"]),
    ],
)
def test_documents_are_deleted_by_filter(
    tmp_path: Path, conditions: Any, left: Sequence[str]
) -> None:
    with created(tmp_path / "ix", FIELDS) as collection:
        assert collection.delete_matching(conditions) == 10 - len(left)
        assert matching(collection, {}) == left
        assert collection.delete_matching(conditions) == 0


def test_documents_of_a_job_that_has_not_ended_are_deleted_by_what_they_are_now(
    tmp_path: Path,
) -> None:
    with created(tmp_path / "ix", FIELDS) as collection:
        changed = Document("d9", "ship nine", metadata={"year": 1900})
        collection.store([changed, document(30)], ingest=("files", 2))
        assert collection.delete_matching("year >= 2009") == 3
        collection.flush()
        assert "d9" in matching(collection, {})
        assert collection.get(["d1", "d10", "d30"]) == [None, None, None]


def test_a_filter_that_allows_everything_deletes_nothing(tmp_path: Path) -> None:
    with created(tmp_path / "ix", FIELDS) as collection:
        empty: list[dict[str, Any]] = [{}, {"should": []}, {"must": [], "min_should": 0}]
        for nothing in empty:
            with pytest.raises(FilterError, match="no clause, so it allows every document"):
                collection.delete_matching(nothing)
        assert collection.n_docs == 10


def test_filters_are_kept_by_generation(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with created(tmp_path / "ix", FIELDS) as collection:
        reader, snapshot = collection._reader, collection.snapshot()
        wanted = parse_conditions(RECENT, snapshot.fields)
        first = reader.matching(snapshot, wanted)
        assert reader.matching(snapshot, parse_conditions(RECENT, snapshot.fields)) is first
        collection.add([document(40)])
        newer = collection.snapshot()
        assert reader.matching(newer, wanted).n_allowed == first.n_allowed + 1
        for year in range(40):
            reader.matching(newer, parse_conditions(f"year = {year}", newer.fields))
        assert reader.matching(snapshot, wanted) is not first
