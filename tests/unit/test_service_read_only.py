"""One process that writes and one that reads, over the same folder."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import NotACollectionError
from lexmax.service import Settings, create_app
from lexmax.service.collections import OpenCollections
from lexmax.types import Document

PETS = "/v1/collections/pets"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[TestClient, TestClient]]:
    writer = TestClient(create_app(Settings(data=tmp_path, warm=())))
    reader = TestClient(create_app(Settings(data=tmp_path, warm=(), read_only=True)))
    with writer, reader:
        yield writer, reader


def write(writer: TestClient, *texts: str) -> None:
    writer.put(PETS, json={"multivector": None}).raise_for_status()
    documents = [{"doc_id": text, "text": text} for text in texts]
    writer.post(f"{PETS}/documents", json={"documents": documents}).raise_for_status()


def found(client: TestClient, query: str) -> list[str]:
    reply = client.post(f"{PETS}/search", json={"query": query}).raise_for_status()
    return [hit["doc_id"] for hit in reply.json()["hits"]]


def test_a_reader_sees_what_the_writer_has_acknowledged(
    both: tuple[TestClient, TestClient],
) -> None:
    writer, reader = both
    write(writer, "a cat", "a dog")
    assert found(reader, "cat") == ["a cat"]
    more = {"documents": [{"doc_id": "new", "text": "another cat"}]}
    writer.post(f"{PETS}/documents", json=more).raise_for_status()
    assert set(found(reader, "cat")) == {"a cat", "new"}
    writer.delete(f"{PETS}/documents/new").raise_for_status()
    assert found(reader, "cat") == ["a cat"]


def test_a_reader_that_may_be_behind_sees_it_soon(tmp_path: Path) -> None:
    behind = Settings(data=tmp_path, warm=(), read_only=True, max_behind_ms=60_000)
    with (
        TestClient(create_app(Settings(data=tmp_path, warm=()))) as writer,
        TestClient(create_app(behind)) as reader,
    ):
        write(writer, "a cat")
        assert found(reader, "cat") == ["a cat"]
        more = {"documents": [{"doc_id": "new", "text": "another cat"}]}
        writer.post(f"{PETS}/documents", json=more).raise_for_status()
        ends_at = time.monotonic() + 20
        while len(found(reader, "cat")) < 2:
            assert time.monotonic() < ends_at
            time.sleep(0.01)
        writer.delete(PETS).raise_for_status()
        assert reader.post(f"{PETS}/search", json={"query": "cat"}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/collections/other", {}),
        ("DELETE", PETS, None),
        ("POST", f"{PETS}/documents", {"documents": [{"doc_id": "1", "text": "a"}]}),
        ("POST", f"{PETS}/documents/delete", {"doc_ids": ["1"]}),
        ("DELETE", f"{PETS}/documents/1", None),
    ],
)
def test_a_reader_changes_nothing(
    both: tuple[TestClient, TestClient], method: str, path: str, body: Any
) -> None:
    writer, reader = both
    write(writer, "a cat")
    reply = reader.request(method, path, json=body)
    assert (reply.status_code, reply.json()["code"]) == (403, "read_only")
    assert "the process that writes" in reply.json()["detail"]
    assert found(writer, "cat") == ["a cat"]


def test_a_collection_that_was_made_anew_is_another(both: tuple[TestClient, TestClient]) -> None:
    writer, reader = both
    write(writer, "an old cat")
    assert found(reader, "cat") == ["an old cat"]
    writer.delete(PETS).raise_for_status()
    assert reader.post(f"{PETS}/search", json={"query": "cat"}).status_code == 404
    write(writer, "a new cat")
    assert found(reader, "cat") == ["a new cat"]
    writer.delete(PETS).raise_for_status()
    write(writer, "a third cat")
    assert found(reader, "cat") == ["a third cat"]


def test_who_still_uses_a_deleted_collection_is_not_disturbed(tmp_path: Path) -> None:
    writer = OpenCollections(tmp_path, encoders=Encoders())
    reader = OpenCollections(tmp_path, encoders=Encoders(), read_only=True)
    writer.create("pets", IndexChoice(multivector=None))
    with writer.using("pets") as collection:
        collection.add([Document("1", "a cat")])
    with reader.using("pets") as old:
        writer.delete("pets")
        with pytest.raises(NotACollectionError), reader.using("pets"):
            pass
        assert [hit.doc_id for hit in old.search("cat").hits] == ["1"]
    writer.close()
    reader.close()
