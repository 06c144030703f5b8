"""Snapshots over HTTP: taken while others write, restored whole and checked, or not at all."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.archiving import write_snapshot
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.restoring import Restoring
from lexmax.service import Settings, create_app
from lexmax.service.places import Places
from lexmax.types import Document

AT = "/v1/collections"
TAR = {"content-type": "application/x-tar"}


@contextmanager
def serving(data: Path, **more: Any) -> Iterator[TestClient]:
    settings = Settings(data=data, warm=(), log_level="error", **more)
    with TestClient(create_app(settings)) as client:
        yield client


def make(client: TestClient, name: str = "pets") -> None:
    client.put(f"{AT}/{name}", json={"multivector": None}).raise_for_status()
    documents = [{"doc_id": str(i), "text": f"a cat number {i}"} for i in range(30)]
    client.post(f"{AT}/{name}/documents", json={"documents": documents}).raise_for_status()
    client.post(f"{AT}/{name}/flush").raise_for_status()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with serving(tmp_path / "data") as client:
        make(client)
        yield client


def test_a_collection_goes_out_and_comes_in(client: TestClient, tmp_path: Path) -> None:
    taken = client.post(f"{AT}/pets/snapshot").raise_for_status()
    assert taken.headers["content-type"] == "application/x-tar"
    assert int(taken.headers["content-length"]) == len(taken.content)
    made = client.put(f"{AT}/twin/snapshot", content=taken.content, headers=TAR)
    assert made.status_code == 201
    here = client.get(f"{AT}/pets").json()
    assert int(taken.headers["lexmax-generation"]) == here["generation"]
    assert {**made.json(), "name": "pets", "bytes": 0} == {**here, "bytes": 0}
    searches = [
        client.post(f"{AT}/{name}/search", json={"query": "number 7"}).json()["hits"]
        for name in ("pets", "twin")
    ]
    assert searches[0] == searches[1]
    new = {"documents": [{"doc_id": "new", "text": "a new cat"}]}
    assert client.post(f"{AT}/twin/documents", json=new).json()["added"] == 1
    assert not list((tmp_path / "data").glob(".*"))


def test_a_name_that_is_taken_is_refused(client: TestClient) -> None:
    taken = client.post(f"{AT}/pets/snapshot").content
    reply = client.put(f"{AT}/pets/snapshot", content=taken, headers=TAR)
    assert (reply.status_code, reply.json()["code"]) == (409, "collection_exists")
    assert client.put(f"{AT}/P/snapshot", content=taken, headers=TAR).status_code == 422
    assert client.post(f"{AT}/none/snapshot").status_code == 404


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "json"])
def test_what_cannot_be_trusted_leaves_nothing(
    client: TestClient, tmp_path: Path, damage: str
) -> None:
    content = client.post(f"{AT}/pets/snapshot").content
    given = {
        "cut": content[:-5000],
        "changed": content[:3000] + b"x" + content[3001:],
        "empty": b"",
        "json": b'{"a": 1}' * 100,
    }[damage]
    reply = client.put(f"{AT}/twin/snapshot", content=given, headers=TAR)
    assert (reply.status_code, reply.json()["code"]) == (422, "snapshot_invalid")
    assert str(tmp_path) not in reply.text
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["pets"]
    assert client.get(f"{AT}/twin").status_code == 404


def test_a_snapshot_is_sent_as_one(client: TestClient) -> None:
    content = client.post(f"{AT}/pets/snapshot").content
    for headers in ({}, {"content-type": "application/json"}):
        reply = client.put(f"{AT}/twin/snapshot", content=content, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("limit", [{"max_snapshot_bytes": 20_000}, {"max_snapshot_members": 2}])
def test_what_may_be_restored_is_bounded(
    client: TestClient, tmp_path: Path, limit: dict[str, int]
) -> None:
    content = client.post(f"{AT}/pets/snapshot").content
    with serving(tmp_path / "other", **limit) as other:
        reply = other.put(f"{AT}/twin/snapshot", content=content, headers=TAR)
        assert (reply.status_code, reply.json()["code"]) == (422, "snapshot_invalid")
        assert "more than may be restored here" in reply.json()["detail"]
    assert list((tmp_path / "other").iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    data = tmp_path / "data"
    left = [data / ".twin.restoring", data / ".pets.snapshot-0123"]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "catalog.sqlite").write_bytes(b"half")
    with serving(data, read_only=True):
        assert all(folder.exists() for folder in left)
    with Restoring(data / "other") as held, serving(data):
        assert [path.name for path in data.iterdir()] == [".other.restoring"]
        held.close()
    assert list(data.iterdir()) == []


def test_few_are_under_way_at_once(client: TestClient) -> None:
    places: Places = client.app.state.service.snapshots  # type: ignore[attr-defined]
    content = client.post(f"{AT}/pets/snapshot").content
    with ExitStack() as others:
        for _ in range(places.most):
            others.enter_context(places.taken_by_one())
        taken = client.post(f"{AT}/pets/snapshot")
        given = client.put(f"{AT}/twin/snapshot", content=content, headers=TAR)
    for reply in (taken, given):
        assert (reply.status_code, reply.json()["code"]) == (503, "overloaded")
        assert reply.headers["retry-after"] == "1"
    assert client.put(f"{AT}/twin/snapshot", content=content, headers=TAR).status_code == 201
    assert places.taken == 0


def test_a_damaged_collection_is_not_sent_whole(client: TestClient, tmp_path: Path) -> None:
    whole = client.post(f"{AT}/pets/snapshot").content
    [segment] = (tmp_path / "data" / "pets" / "segments").iterdir()
    file = segment / "sparse.postings.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    cut = client.post(f"{AT}/pets/snapshot").content
    assert len(cut) < len(whole)
    reply = client.put(f"{AT}/twin/snapshot", content=cut, headers=TAR)
    assert reply.json()["code"] == "snapshot_invalid"
    assert client.app.state.service.snapshots.taken == 0  # type: ignore[attr-defined]
    assert not list((tmp_path / "data").glob(".*"))


def test_readers_neither_take_nor_restore(client: TestClient, tmp_path: Path) -> None:
    content = client.post(f"{AT}/pets/snapshot").content
    with serving(tmp_path / "data", read_only=True) as reader:
        taken = reader.post(f"{AT}/pets/snapshot")
        given = reader.put(f"{AT}/twin/snapshot", content=content, headers=TAR)
    assert {taken.json()["code"], given.json()["code"]} == {"read_only"}


def test_no_encoder_comes_in_that_no_request_could_name(
    client: TestClient, tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with Collection.create(tmp_path / "made", multivector=None) as collection:
        collection.add([Document("1", "a cat")])
        catalog = collection._catalog  # pyright: ignore[reportPrivateUsage]
        catalog.remember("encoders", {"sparse": "splade:/etc/model"})
    write_snapshot(tmp_path / "made", tmp_path / "made.tar")
    content = (tmp_path / "made.tar").read_bytes()
    reply = client.put(f"{AT}/twin/snapshot", content=content, headers=TAR)
    assert (reply.status_code, reply.json()["code"]) == (422, "encoder_unavailable")
    assert client.get(f"{AT}/twin").status_code == 404
    assert not list((tmp_path / "data").glob(".*"))


def test_writes_and_searches_go_on_meanwhile(client: TestClient) -> None:
    def write(i: int) -> int:
        new = {"documents": [{"doc_id": f"new-{i}", "text": f"new cat {i}"}]}
        return client.post(f"{AT}/pets/documents", json=new).status_code

    with ThreadPoolExecutor(3) as pool:
        writes = [pool.submit(write, i) for i in range(20)]
        taken = [pool.submit(client.post, f"{AT}/pets/snapshot") for _ in range(2)]
        contents = [one.result().raise_for_status().content for one in taken]
        assert {one.result() for one in writes} == {200}
    for i, content in enumerate(contents):
        made = client.put(f"{AT}/twin-{i}/snapshot", content=content, headers=TAR)
        assert made.status_code == 201
        n_docs = made.json()["n_docs"]
        assert 30 <= n_docs <= 50
        found = client.post(f"{AT}/twin-{i}/search", json={"query": "cat", "k": 100}).json()
        assert len(found["hits"]) == n_docs
