"""What the clients say and understand, against a service on loopback."""

import asyncio
import copy
from pathlib import Path

import numpy as np
import pytest

import lexmax
from lexmax.client import AsyncClient, Client, ClientError, Retries
from lexmax.errors import InputError
from lexmax.service.key_file import change_keys
from lexmax.service.keys import new_key
from lexmax.types import Document


def test_a_collection_from_first_to_last(client: Client) -> None:
    made = client.create("pets", multivector=None, fields={"year": "integer"})
    assert (made.name, made.n_docs, made.fields) == ("pets", 0, {"year": "integer"})
    assert client.collections() == ["pets"]
    documents = [Document("a/b 🐈", "a cat", "Cats", {"year": 2020}), Document("dog", "a dog")]
    assert client.add("pets", documents).added == 2
    again = client.add("pets", documents)
    assert (again.added, again.replaced, again.unchanged) == (0, 0, 2)
    assert client.get("pets", "a/b 🐈") == documents[0]
    assert client.get("pets", "none") is None
    assert client.describe("pets").n_docs == 2
    assert client.delete("pets", ["dog", "none"]) == 1
    client.delete_collection("pets")
    assert client.collections() == []


def test_a_search_is_what_a_collection_gives(pets: Client, tmp_path: Path) -> None:
    found = pets.search("pets", "cat", 2, pipeline="bm25")
    with lexmax.open(tmp_path / "data" / "pets") as collection:
        own = collection.search("cat", 2, pipeline="bm25")
    assert found.hits == own.hits
    assert (found.query, found.pipeline, found.generation) == ("cat", "bm25", own.generation)
    assert [stage.stage for stage in found.stages] == [stage.stage for stage in own.stages]


def test_a_search_passes_on_how(pets: Client) -> None:
    assert [hit.doc_id for hit in pets.search("pets", "cat", filter="year > 2020").hits] == ["dog"]
    assert [hit.doc_id for hit in pets.search("pets", "cat", offset=1).hits] == ["dog"]
    assert pets.search("pets", "cat", pipeline={"retrieve": [{"signal": "sparse"}]}).hits
    assert not pets.search("pets", "zebra").hits
    with pytest.raises(ClientError, match="calibration") as raised:
        pets.search("pets", "cat", min_relevance=0.5)
    assert raised.value.status == 422


def test_an_explanation_is_of_the_hits_or_of_one_document(pets: Client) -> None:
    found = pets.explain("pets", "cat", 2)
    assert [said["doc_id"] for said in found.documents] == [hit.doc_id for hit in found.result.hits]
    one = pets.explain("pets", "cat", doc_id="fish")
    assert [said["doc_id"] for said in one.documents] == ["fish"]
    assert one.documents[0]["rank"] is None


def test_texts_in_numbers(client: Client) -> None:
    texts = ["a cat", "", "dog"]
    found = client.encode(texts, sparse="bm25", multivector="minilm", pooled="minilm-pooled")
    assert found.sparse is not None
    assert found.multivector is not None
    assert found.pooled is not None
    assert np.diff(found.sparse.indptr).tolist() == [1, 0, 1]
    assert np.diff(found.multivector.offsets).tolist() == [2, 0, 1]
    assert found.pooled.shape == (3, 16)
    np.testing.assert_allclose(found.pooled[2], found.multivector.row(2)[0], atol=1e-6)
    empty = client.encode([""], multivector="minilm")
    assert empty.sparse is None
    assert empty.multivector is not None
    assert len(empty.multivector) == 1
    with pytest.raises(ClientError, match="name one"):
        client.encode(texts)


def test_texts_in_their_order(client: Client) -> None:
    found = client.rerank("cat", ["a dog", "a cat", ""], model="minilm")
    assert (found[0].index, found[0].text) == (1, "a cat")
    assert (found[-1].index, found[-1].score) == (2, None)
    assert len(client.rerank("cat", ["a dog", "a cat"], top_n=1)) == 1


def test_the_status_is_told(client: Client) -> None:
    assert "version" in client.status()


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [("none", "collection_not_found", 404), ("No Name", "invalid_request", 422)],
)
def test_a_refusal_is_an_error(client: Client, name: str, code: str, status: int) -> None:
    with pytest.raises(ClientError) as raised:
        client.search(name, "cat")
    error = raised.value
    assert (error.code, error.status) == (code, status)
    assert error.detail
    assert len(error.request_id) == 32
    assert str(error).startswith(f"{code}: ")
    assert isinstance(error, lexmax.LexmaxError)


def test_what_json_cannot_hold_is_never_sent(client: Client) -> None:
    for wrong in ("\ud800", float("nan")):
        with pytest.raises(InputError, match="JSON cannot hold"):
            client.search("pets", "cat", filter={"must": [wrong]})
    for call in (lambda: client.rerank("cat", "text"), lambda: client.delete("pets", "cat")):
        with pytest.raises(InputError, match="expected a list"):
            call()
    with pytest.raises(InputError, match="empty name"):
        client.describe("")


def test_a_key_is_shown_and_kept_to_itself(start: object, tmp_path: Path) -> None:
    key, secret = new_key("reader", {"pets": "read"})
    change_keys(tmp_path / "keys.json", lambda keys: (*keys, key))
    address: str = start(keys=tmp_path / "keys.json")  # type: ignore[operator]
    with Client(address, key=secret) as client:
        assert client.collections() == []
        assert secret not in repr(client.address)
        with pytest.raises(ClientError) as raised:
            client.create("pets")
        assert raised.value.code == "forbidden"
    with Client(address) as nobody, pytest.raises(ClientError) as raised:
        nobody.collections()
    assert raised.value.code == "unauthenticated"


def test_many_questions_at_once(address: str) -> None:
    async def ask() -> None:
        async with AsyncClient(address) as client:
            await client.create("pets", multivector=None)
            assert (await client.add("pets", [Document("cat", "a cat")])).added == 1
            assert await client.collections() == ["pets"]
            found = await asyncio.gather(*(client.search("pets", "cat") for _ in range(5)))
            assert {one.hits[0].doc_id for one in found} == {"cat"}
            assert (await client.describe("pets")).n_docs == 1
            assert (await client.explain("pets", "cat")).documents
            assert await client.get("pets", "cat") == Document("cat", "a cat")
            assert await client.get("pets", "none") is None
            assert (await client.encode(["cat"], pooled="minilm-pooled")).pooled is not None
            assert (await client.rerank("cat", ["dog", "cat"]))[0].index == 1
            assert "version" in await client.status()
            with pytest.raises(ClientError, match="collection_not_found"):
                await client.search("none", "cat")
            assert await client.delete("pets", ["cat"]) == 1
            await client.delete_collection("pets")

    asyncio.run(ask())


def test_nobody_there_is_said_after_the_last_attempt() -> None:
    retries = Retries(most=1, first_s=0.01)
    with (
        Client("http://127.0.0.1:9", retries=retries) as client,
        pytest.raises(ClientError) as raised,
    ):
        client.collections()
    assert (raised.value.code, raised.value.status) == ("unreachable", 0)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "file:///etc"])
def test_an_address_is_one_of_http(url: str) -> None:
    with pytest.raises(InputError, match="expected http"):
        Client(url)
    with pytest.raises(InputError, match="above 0"):
        Client(timeout_s=0)


def test_an_error_can_be_copied_as_it_is_for_other_processes() -> None:
    error = ClientError("found", code="overloaded", status=503, retry_after_s=1.0)
    again = copy.copy(error)
    assert (again.code, again.status, again.retry_after_s) == ("overloaded", 503, 1.0)
