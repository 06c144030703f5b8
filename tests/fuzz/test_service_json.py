"""Whatever JSON arrives, and whatever bytes: a reply below 500 that says what was wrong."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app

JSON = {"content-type": "application/json"}
ROUTES = [
    ("PUT", "/v1/collections/new"),
    ("POST", "/v1/collections/pets/documents"),
    ("POST", "/v1/collections/pets/documents/delete"),
    ("POST", "/v1/collections/pets/search"),
    ("POST", "/v1/rerank"),
]

texts = st.text(max_size=40) | st.sampled_from(["cat", "bm25", "sparse", "\ud800", "a\0b", "🐈‍⬛"])
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(width=32) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
documents = st.fixed_dictionaries(
    {"doc_id": texts, "text": texts},
    optional={"title": texts, "metadata": st.dictionaries(texts, values, max_size=3)},
)
# Rerank names an encoder that does not exist: this test is about JSON, not about models.
requests = st.one_of(
    st.fixed_dictionaries({"documents": st.lists(documents | values, max_size=3)}),
    st.fixed_dictionaries({"doc_ids": st.lists(texts | scalars, max_size=3)}),
    st.fixed_dictionaries(
        {"query": texts | values},
        optional={"k": st.integers(-5, 20_000) | values, "pipeline": texts | values},
    ),
    st.fixed_dictionaries(
        {"query": texts, "documents": st.lists(texts | values), "model": texts | st.just("none")}
    ),
    st.fixed_dictionaries({"multivector": st.none()}, optional={"sparse": texts | values}),
    values,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    service = create_app(Settings(data=tmp_path_factory.mktemp("data"), warm=()))
    with TestClient(service, raise_server_exceptions=False) as client:
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        yield client


def assert_answered(reply: Any) -> None:
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["code"] not in ("internal_error", "http_error")


@settings(max_examples=300, deadline=None)
@given(route=st.sampled_from(ROUTES), value=requests)
def test_any_json_is_answered(client: TestClient, route: tuple[str, str], value: Any) -> None:
    method, path = route
    assert_answered(client.request(method, path, content=json.dumps(value), headers=JSON))


@settings(max_examples=150, deadline=None)
@given(route=st.sampled_from(ROUTES), content=st.binary(max_size=60))
def test_any_bytes_are_answered(client: TestClient, route: tuple[str, str], content: bytes) -> None:
    method, path = route
    assert_answered(client.request(method, path, content=content, headers=JSON))


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    path=st.text(max_size=30).filter(lambda path: not any("\ud800" <= c <= "\udfff" for c in path)),
)
def test_any_path_is_answered(client: TestClient, method: str, path: str) -> None:
    assert_answered(client.request(method, f"/v1/collections/{quote(path)}"))
