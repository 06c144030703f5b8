"""What the clients say where collections are kept in order, against a service on loopback."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lexmax.client import AsyncClient, Client, ClientError
from lexmax.errors import InputError

TAR = {"content-type": "application/x-tar"}


def test_many_searches_are_what_each_would_be(pets: Client) -> None:
    queries = ["cat", "fish", "dog"]
    found = pets.search_batch("pets", queries, 2)
    alone = [pets.search("pets", query, 2) for query in queries]
    assert [one.hits for one in found] == [one.hits for one in alone]
    assert [one.query for one in found] == queries
    late = pets.search_batch("pets", ["cat", "cat"], filter=["year > 2020", None])
    assert [[hit.doc_id for hit in one.hits] for one in late] == [["dog"], ["cat", "dog"]]
    same = pets.search_batch(
        "pets", ["cat", "dog"], filter={"must": [{"field": "year", "match": 2024}]}
    )
    assert [[hit.doc_id for hit in one.hits] for one in same] == [["dog"], ["dog"]]
    with pytest.raises(InputError, match="1 filters for 2 queries"):
        pets.search_batch("pets", ["cat", "dog"], filter=[None])
    with pytest.raises(InputError, match="one text"):
        pets.search_batch("pets", "cat")


def test_aliases_are_set_and_deleted(pets: Client) -> None:
    assert pets.set_alias("animals", "pets") is None
    assert pets.set_alias("animals", "pets") == "pets"
    assert pets.aliases() == {"animals": "pets"}
    assert pets.search("animals", "fish").hits[0].doc_id == "fish"
    pets.delete_alias("animals")
    assert pets.aliases() == {}
    with pytest.raises(ClientError) as raised:
        pets.delete_alias("animals")
    assert raised.value.code == "alias_not_found"


def test_a_collection_is_kept_in_order(pets: Client) -> None:
    assert pets.declare_fields("pets", {"lang": "keyword"})["lang"] == "keyword"
    assert pets.flush("pets") == 1
    assert pets.merge("pets", everything=True)["after"]["n_segments"] == 1
    assert pets.merge("pets", neighbours=2)["n_merges"] == 1
    assert pets.merge("pets", neighbours=2)["n_merges"] == 0
    assert pets.statistics("pets")["n_docs"] == 3
    assert pets.delete_matching("pets", "year >= 2024") == 1
    assert pets.describe("pets").n_docs == 2


def test_a_snapshot_goes_to_a_file_and_back(pets: Client, tmp_path: Path) -> None:
    file = tmp_path / "pets.tar"
    assert pets.snapshot("pets", file) == file.stat().st_size
    made = pets.restore("twin", file)
    assert (made.name, made.n_docs) == ("twin", 3)
    assert pets.search("twin", "fish").hits == pets.search("pets", "fish").hits
    with pytest.raises(InputError, match="is there already"):
        pets.snapshot("pets", file)
    for attempt, code in (
        (lambda: pets.snapshot("none", tmp_path / "none.tar"), "collection_not_found"),
        (lambda: pets.restore("twin", file), "collection_exists"),
    ):
        with pytest.raises(ClientError) as raised:
            attempt()
        assert raised.value.code == code
    with pytest.raises(InputError, match="No such file"):
        pets.restore("other", tmp_path / "none.tar")
    assert sorted(path.name for path in tmp_path.glob("*.tar*")) == ["pets.tar"]


def test_the_same_for_programs_that_use_asyncio(pets: Client, tmp_path: Path) -> None:
    async def ask() -> None:
        async with AsyncClient(pets.address.url) as client:
            found = await client.search_batch("pets", ["cat", "fish"])
            assert [one.hits[0].doc_id for one in found] == ["cat", "fish"]
            assert await client.snapshot("pets", tmp_path / "a.tar") > 10_000
            assert (await client.restore("twin", tmp_path / "a.tar")).n_docs == 3
            with pytest.raises(ClientError):
                await client.snapshot("none", tmp_path / "none.tar")
            with pytest.raises(ClientError):
                await client.restore("twin", tmp_path / "a.tar")
            assert await client.set_alias("animals", "pets") is None
            assert await client.aliases() == {"animals": "pets"}
            await client.delete_alias("animals")
            assert await client.flush("pets") == 1
            assert (await client.merge("pets"))["n_merges"] == 0
            assert (await client.statistics("pets"))["n_docs"] == 3
            assert await client.declare_fields("pets", {"a": "float"})
            assert await client.delete_matching("pets", "year > 0") == 2

    asyncio.run(ask())


def test_a_snapshot_that_comes_too_slowly_is_given_up(
    start: Callable[..., str], tmp_path: Path
) -> None:
    address = start(snapshot_seconds=0.3)

    def slowly() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.02)
            yield b"x" * 1000

    with httpx.Client(base_url=address) as http:
        reply = http.put("/v1/collections/twin/snapshot", content=slowly(), headers=TAR)
        assert (reply.status_code, reply.json()["code"]) == (408, "body_timeout")
        assert http.get("/v1/collections").json() == {"collections": []}
    assert not list((tmp_path / "data").glob(".*"))


def test_whoever_leaves_while_sending_leaves_nothing(
    start: Callable[..., str], tmp_path: Path
) -> None:
    address = start()
    went = tmp_path / "data" / ".twin.restoring"

    class Left(Exception):
        pass

    def half() -> Iterator[bytes]:
        yield b"x" * 100
        deadline = time.monotonic() + 30
        while not went.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert went.exists()
        raise Left

    with httpx.Client(base_url=address) as http, pytest.raises(Left):
        http.put("/v1/collections/twin/snapshot", content=half(), headers=TAR)
    deadline = time.monotonic() + 30
    while went.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not went.exists()
