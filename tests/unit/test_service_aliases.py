"""Aliases over HTTP: every route takes them, and no key reaches more by them."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app
from lexmax.service.key_file import change_keys
from lexmax.service.keys import new_key

AT = "/v1/collections"


def make(client: TestClient, name: str, *texts: str) -> None:
    client.put(f"{AT}/{name}", json={"multivector": None}).raise_for_status()
    documents = [{"doc_id": text, "text": text} for text in texts]
    client.post(f"{AT}/{name}/documents", json={"documents": documents}).raise_for_status()


def point(client: TestClient, alias: str, collection: str) -> None:
    client.put(f"/v1/aliases/{alias}", json={"collection": collection}).raise_for_status()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=tmp_path, warm=(), log_level="error"))) as client:
        make(client, "blue", "a blue cat")
        make(client, "green", "a green cat")
        point(client, "pets", "blue")
        yield client


def found(client: TestClient, name: str, **more: Any) -> list[str]:
    reply = client.post(f"{AT}/{name}/search", json={"query": "cat"}, **more).raise_for_status()
    return [hit["doc_id"] for hit in reply.json()["hits"]]


def test_a_switch_is_one_step(client: TestClient) -> None:
    assert found(client, "pets") == ["a blue cat"]
    reply = client.put("/v1/aliases/pets", json={"collection": "green"})
    assert reply.json() == {"alias": "pets", "collection": "green", "before": "blue"}
    assert found(client, "pets") == ["a green cat"]
    assert client.get("/v1/aliases").json() == {
        "aliases": [{"alias": "pets", "collection": "green"}]
    }
    assert client.get(AT).json() == {"collections": [{"name": "blue"}, {"name": "green"}]}


def test_every_route_takes_an_alias(client: TestClient) -> None:
    at = f"{AT}/pets"
    assert client.get(at).json()["name"] == "blue"
    new = {"documents": [{"doc_id": "a/b", "text": "another cat", "metadata": {"year": 1}}]}
    assert client.post(f"{at}/documents", json=new).json()["added"] == 1
    assert client.get(f"{at}/documents/a/b").json()["text"] == "another cat"
    assert client.put(f"{at}/fields", json={"fields": {"year": "integer"}}).status_code == 200
    assert client.post(f"{at}/flush").json() == {"n_segments": 1}
    assert client.post(f"{at}/merge").status_code == 200
    assert client.get(f"{at}/statistics").json()["name"] == "blue"
    assert client.post(f"{at}/explain", json={"query": "cat"}).status_code == 200
    batch = client.post(f"{at}/search/batch", json={"searches": [{"query": "cat"}]}).json()
    assert len(batch["results"][0]["hits"]) == 2
    assert client.post(f"{at}/snapshot").status_code == 200
    assert client.post(f"{at}/documents/delete", json={"filter": "year=1"}).json() == {"deleted": 1}
    assert client.delete(f"{at}/documents/a blue cat").json() == {"deleted": 1}
    assert client.get(f"{AT}/blue").json()["n_docs"] == 0


def test_what_an_alias_means_is_not_deleted_and_its_name_not_given(client: TestClient) -> None:
    for name in ("pets", "blue"):
        reply = client.delete(f"{AT}/{name}")
        assert (reply.status_code, reply.json()["code"]) == (409, "collection_aliased")
    for path in (f"{AT}/pets", "/v1/aliases/green"):
        body = {"collection": "blue"} if "aliases" in path else {"multivector": None}
        reply = client.put(path, json=body)
        assert (reply.status_code, reply.json()["code"]) == (409, "collection_exists")
    assert client.delete("/v1/aliases/pets").status_code == 204
    assert client.delete("/v1/aliases/pets").json()["code"] == "alias_not_found"
    assert client.delete(f"{AT}/blue").status_code == 204
    missing = client.put("/v1/aliases/pets", json={"collection": "blue"})
    assert (missing.status_code, missing.json()["code"]) == (404, "collection_not_found")
    assert client.put("/v1/aliases/P", json={"collection": "green"}).status_code == 422
    assert client.put("/v1/aliases/p", json={"collection": "../x"}).status_code == 422


def test_an_alias_that_lost_its_collection_makes_none(client: TestClient, tmp_path: Path) -> None:
    """Nobody gets a collection under a name that his key is not for."""
    (tmp_path / "blue").rename(tmp_path / "moved")
    made = client.put(f"{AT}/pets", json={"multivector": None})
    assert (made.status_code, made.json()["code"]) == (409, "collection_exists")
    assert client.get(f"{AT}/green").status_code == 200
    assert not (tmp_path / "blue").exists()


def test_aliases_outlive_the_process_and_readers_see_them(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, warm=(), log_level="error")
    reading = Settings(data=tmp_path, warm=(), log_level="error", read_only=True)
    with TestClient(create_app(settings)) as writer, TestClient(create_app(reading)) as reader:
        make(writer, "blue", "a blue cat")
        make(writer, "green", "a green cat")
        point(writer, "pets", "blue")
        assert found(reader, "pets") == ["a blue cat"]
        point(writer, "pets", "green")
        assert found(reader, "pets") == ["a green cat"]
        for method, body in (("PUT", {"collection": "blue"}), ("DELETE", None)):
            refused = reader.request(method, "/v1/aliases/pets", json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "read_only")
    with TestClient(create_app(settings)) as again:
        assert found(again, "pets") == ["a green cat"]


def test_no_request_fails_while_an_alias_is_switched_and_the_old_one_deleted(
    client: TestClient,
) -> None:
    statuses: set[int] = set()
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            reply = client.post(f"{AT}/pets/search", json={"query": "cat"})
            statuses.add(reply.status_code)
            assert len(reply.json()["hits"]) == 1

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for i in range(6):
            new, old = ("green", "blue") if i % 2 == 0 else ("blue", "green")
            point(client, "pets", new)
            client.delete(f"{AT}/{old}").raise_for_status()
            make(client, old, f"a {old} cat")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses == {200}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[TestClient, dict[str, dict[str, str]]]]:
    grants = {
        "root": {"*": "admin"},
        "blue": {"blue": "admin"},
        "pets": {"pets": "admin"},
        "green": {"green": "read"},
    }
    headers: dict[str, dict[str, str]] = {}
    for name, given in grants.items():
        key, secret = new_key(name, given)
        change_keys(tmp_path / "keys.json", lambda known, key=key: (*known, key))
        headers[name] = {"authorization": f"Bearer {secret}"}
    settings = Settings(
        data=tmp_path / "data", warm=(), log_level="error", keys=tmp_path / "keys.json"
    )
    with TestClient(create_app(settings)) as client:
        client.headers.update(headers["root"])
        make(client, "blue", "a blue cat")
        make(client, "green", "a green cat")
        point(client, "pets", "blue")
        del client.headers["authorization"]
        yield client, headers


def test_the_collection_behind_an_alias_decides_who_may(
    guarded: tuple[TestClient, dict[str, dict[str, str]]],
) -> None:
    client, keys = guarded
    assert found(client, "pets", headers=keys["blue"]) == ["a blue cat"]
    for name in ("pets", "green"):  # a grant for the alias's name is none for what it means
        reply = client.post(f"{AT}/pets/search", json={"query": "cat"}, headers=keys[name])
        assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    client.put("/v1/aliases/pets", json={"collection": "green"}, headers=keys["root"])
    assert found(client, "pets", headers=keys["green"]) == ["a green cat"]
    refused = client.post(f"{AT}/pets/search", json={"query": "cat"}, headers=keys["blue"])
    assert refused.status_code == 403
    new = {"documents": [{"doc_id": "1", "text": "x"}]}
    for path, body in (
        ("documents", new),
        ("documents/delete", {"doc_ids": ["1"]}),
        ("snapshot", {}),
    ):
        reply = client.post(f"{AT}/pets/{path}", json=body, headers=keys["green"])
        assert reply.status_code == 403, path


def test_only_who_may_do_everything_says_what_names_mean(
    guarded: tuple[TestClient, dict[str, dict[str, str]]],
) -> None:
    client, keys = guarded
    for name in ("blue", "pets", "green"):
        for alias in ("pets", "new"):
            reply = client.put(
                f"/v1/aliases/{alias}", json={"collection": "blue"}, headers=keys[name]
            )
            assert reply.status_code == 403
            assert client.delete(f"/v1/aliases/{alias}", headers=keys[name]).status_code == 403
    seen = {
        name: [one["alias"] for one in client.get("/v1/aliases", headers=key).json()["aliases"]]
        for name, key in keys.items()
    }
    assert seen == {"root": ["pets"], "blue": ["pets"], "pets": [], "green": []}
    assert client.get("/v1/aliases").status_code == 401


def test_who_was_let_in_to_the_old_is_not_let_in_to_the_new(
    guarded: tuple[TestClient, dict[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the guard and the work the alias is switched and the old collection deleted."""
    client, keys = guarded
    service = client.app.state.service  # type: ignore[attr-defined]
    opened = service.collections
    kind = type(opened)
    using, switched = kind.using, threading.Event()

    def late(self: Any, name: str) -> Any:
        if name == "blue" and not switched.is_set():
            switched.set()
            self.set_alias("pets", "green")
            self.delete("blue")
        return using(self, name)

    monkeypatch.setattr(kind, "using", late)
    reply = client.post(f"{AT}/pets/search", json={"query": "cat"}, headers=keys["blue"])
    assert switched.is_set()
    assert reply.status_code == 404
    assert "green" not in reply.text
    assert found(client, "pets", headers=keys["root"]) == ["a green cat"]
