from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app

JSON = {"content-type": "application/json"}
SEARCH = "/v1/collections/pets/search"
DOCUMENTS = "/v1/collections/pets/documents"
NESTED: dict[str, Any] = {}
for _ in range(70):
    NESTED = {"a": NESTED}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path_factory.mktemp("data"), warm=(), max_body_bytes=100_000)
    with TestClient(create_app(settings)) as client:
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        documents = [{"doc_id": "cat", "text": "a cat"}]
        client.post(DOCUMENTS, json={"documents": documents}).raise_for_status()
        yield client


def assert_problem(reply: Any, status: int, code: str) -> dict[str, Any]:
    problem = reply.json()
    assert (reply.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == reply.headers["x-request-id"]
    return problem


BODIES: dict[str, tuple[str, bytes, int, str]] = {
    "NaN": (SEARCH, b'{"query": "cat", "k": NaN}', 400, "malformed_json"),
    "Infinity": (SEARCH, b'{"query": "cat", "k": Infinity}', 400, "malformed_json"),
    "1e400": (SEARCH, b'{"query": "cat", "k": 1e400}', 400, "malformed_json"),
    "a lone surrogate": (SEARCH, b'{"query": "\\ud800"}', 400, "malformed_json"),
    "U+0000": (SEARCH, b'{"query": "a\\u0000b"}', 400, "malformed_json"),
    "a name twice": (SEARCH, b'{"query": "a", "query": "b"}', 400, "malformed_json"),
    "100,000 levels": (SEARCH, b"[" * 49_999 + b"]" * 49_999, 400, "malformed_json"),
    "5,000 digits": (SEARCH, b'{"query": "a", "k": ' + b"9" * 5000 + b"}", 400, "malformed_json"),
    "UTF-16": (SEARCH, '{"query": "a"}'.encode("utf-16"), 400, "malformed_json"),
    "true for a number": (SEARCH, b'{"query": "a", "k": true}', 422, "invalid_request"),
    "a text for a number": (SEARCH, b'{"query": "a", "k": "5"}', 422, "invalid_request"),
    "5.0 for an integer": (SEARCH, b'{"query": "a", "k": 5.0}', 422, "invalid_request"),
    "2**63": (SEARCH, b'{"query": "a", "k": 9223372036854775808}', 422, "over_limit"),
    "2**70": (SEARCH, b'{"query": "a", "k": 1180591620717411303424}', 422, "invalid_request"),
    "an unknown name": (SEARCH, b'{"query": "a", "limit": 5}', 422, "invalid_request"),
    "neither text nor vectors": (SEARCH, b'{"k": 5}', 422, "query_invalid"),
    "null": (SEARCH, b"null", 422, "invalid_request"),
    "a list": (SEARCH, b"[]", 422, "invalid_request"),
    "nothing": (SEARCH, b"", 422, "invalid_request"),
    "k of 0": (SEARCH, b'{"query": "a", "k": 0}', 422, "invalid_request"),
    "k below 0": (SEARCH, b'{"query": "a", "k": -1}', 422, "invalid_request"),
    "k above the limit": (SEARCH, b'{"query": "a", "k": 10001}', 422, "over_limit"),
    "an empty query": (SEARCH, b'{"query": ""}', 422, "query_invalid"),
    "a blank query": (SEARCH, b'{"query": " \\n\\u3000"}', 422, "query_invalid"),
    "only punctuation": (SEARCH, b'{"query": "?!... \\u2014"}', 422, "query_invalid"),
    "10,000 words": (SEARCH, b'{"query": "%s"}' % (b"word " * 10_000), 422, "over_limit"),
    "no such pipeline": (
        SEARCH,
        b'{"query": "a", "pipeline": "best"}',
        422,
        "pipeline_unavailable",
    ),
    "a pipeline it cannot run": (
        SEARCH,
        b'{"query": "a", "pipeline": "hybrid"}',
        422,
        "pipeline_unavailable",
    ),
    "no documents": (DOCUMENTS, b'{"documents": []}', 422, "invalid_request"),
    "an empty id": (
        DOCUMENTS,
        b'{"documents": [{"doc_id": "", "text": ""}]}',
        422,
        "invalid_request",
    ),
    "a newline in an id": (
        DOCUMENTS,
        b'{"documents": [{"doc_id": "a\\n", "text": ""}]}',
        422,
        "document_invalid",
    ),
    "an id of 513 bytes": (
        DOCUMENTS,
        b'{"documents": [{"doc_id": "%s", "text": ""}]}'.replace(b"%s", b"\xc3\xa9" * 257),
        422,
        "document_invalid",
    ),
    "metadata that is no mapping": (
        DOCUMENTS,
        b'{"documents": [{"doc_id": "a", "text": "", "metadata": []}]}',
        422,
        "invalid_request",
    ),
    "rerank without texts": (
        "/v1/rerank",
        b'{"query": "a", "documents": []}',
        422,
        "invalid_request",
    ),
    "rerank of a blank query": (
        "/v1/rerank",
        b'{"query": " ", "documents": ["a"]}',
        422,
        "query_invalid",
    ),
    "rerank with a missing encoder": (
        "/v1/rerank",
        b'{"query": "a", "documents": ["a"], "model": "none"}',
        422,
        "encoder_unavailable",
    ),
    "rerank with a path": (
        "/v1/rerank",
        b'{"query": "a", "documents": ["a"], "model": "/etc/passwd"}',
        422,
        "invalid_request",
    ),
    "no such collection": (
        "/v1/collections/none/search",
        b'{"query": "a"}',
        404,
        "collection_not_found",
    ),
    "a name against the rule": (
        "/v1/collections/Pets/search",
        b'{"query": "a"}',
        422,
        "invalid_request",
    ),
}


@pytest.mark.parametrize(("path", "body", "status", "code"), BODIES.values(), ids=BODIES.keys())
def test_a_bad_body_gets_a_problem_reply(
    client: TestClient, path: str, body: bytes, status: int, code: str
) -> None:
    assert_problem(client.post(path, content=body, headers=JSON), status, code)


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", ""],
)
def test_a_body_of_another_media_type_is_refused(client: TestClient, media_type: str) -> None:
    reply = client.post(SEARCH, content=b'{"query": "cat"}', headers={"content-type": media_type})
    problem = assert_problem(reply, 415, "unsupported_media_type")
    assert (media_type or "is missing") in problem["detail"]


def test_utf_8_may_be_said(client: TestClient) -> None:
    for media_type in ("application/json", 'Application/JSON; charset="UTF-8"'):
        headers = {"content-type": media_type}
        assert client.post(SEARCH, content=b'{"query": "cat"}', headers=headers).is_success


def test_a_compressed_body_is_refused(client: TestClient) -> None:
    headers = JSON | {"content-encoding": "gzip"}
    reply = client.post(SEARCH, content=b'{"query": "cat"}', headers=headers)
    assert_problem(reply, 415, "unsupported_media_type")


def test_a_body_is_counted_while_it_arrives(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:  # no content-length
        yield b'{"query": "'
        for _ in range(200):
            yield b"a" * 1000
        yield b'"}'

    reply = client.post(SEARCH, content=chunks(), headers=JSON)
    assert_problem(reply, 413, "body_too_large")


def test_batches_of_documents_may_be_larger(client: TestClient) -> None:
    documents = [{"doc_id": "long", "text": "a" * 1_000_000}]
    assert client.post(DOCUMENTS, json={"documents": documents}).is_success


def test_a_batch_has_a_limit(client: TestClient) -> None:
    documents = [{"doc_id": str(i), "text": ""} for i in range(1001)]
    reply = client.post(DOCUMENTS, json={"documents": documents})
    assert_problem(reply, 422, "over_limit")
    doc_ids = [str(i) for i in range(1001)]
    assert_problem(client.post(f"{DOCUMENTS}/delete", json={"doc_ids": doc_ids}), 422, "over_limit")


def test_one_bad_document_stores_none(client: TestClient) -> None:
    documents = [{"doc_id": "good", "text": "good"}, {"doc_id": "\t", "text": "bad"}]
    reply = client.post(DOCUMENTS, json={"documents": documents})
    assert_problem(reply, 422, "document_invalid")
    assert_problem(client.get(f"{DOCUMENTS}/good"), 404, "document_not_found")


def test_deep_metadata_is_refused(client: TestClient) -> None:
    documents = [{"doc_id": "deep", "text": "", "metadata": NESTED}]
    assert_problem(client.post(DOCUMENTS, json={"documents": documents}), 400, "malformed_json")


def test_an_error_never_repeats_a_value(client: TestClient) -> None:
    reply = client.post(SEARCH, json={"query": ["canary"], "k": "canary", "pipeline": ["canary"]})
    problem = assert_problem(reply, 422, "invalid_request")
    places = {".".join(entry["at"].split(".")[:2]) for entry in problem["errors"]}
    assert places == {"body.query", "body.k", "body.pipeline"}
    assert "canary" not in reply.text


@pytest.mark.parametrize("name", ["Pets", ".deleted-x", "a%2Fb", "..%2F..%2Fetc", "%00", "é", "-a"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_names_follow_the_rule(client: TestClient, name: str, method: str) -> None:
    reply = client.request(method, f"/v1/collections/{name}")
    assert reply.status_code in (404, 422)
    assert reply.json()["code"] in ("invalid_request", "route_not_found")


@pytest.mark.parametrize("spec", [{"sparse": "none"}, {"multivector": "none?a=b"}])
def test_an_unknown_encoder_makes_no_collection(client: TestClient, spec: dict[str, str]) -> None:
    reply = client.put("/v1/collections/new", json=spec)
    assert_problem(reply, 422, "encoder_unavailable")
    assert_problem(client.get("/v1/collections/new"), 404, "collection_not_found")


def test_a_collection_needs_an_encoder(client: TestClient) -> None:
    reply = client.put("/v1/collections/new", json={"sparse": None, "multivector": None})
    assert_problem(reply, 422, "invalid_input")


def test_other_paths_and_methods_get_problems(client: TestClient) -> None:
    assert_problem(client.get("/nowhere"), 404, "route_not_found")
    assert_problem(client.get("/v1/collections/"), 404, "route_not_found")
    reply = client.get(SEARCH)
    assert_problem(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "POST"
    for method in ("PATCH", "OPTIONS", "POST"):
        reply = client.request(method, "/v1/collections/pets")
        assert_problem(reply, 405, "method_not_allowed")
        assert reply.headers["allow"] == "DELETE, GET, HEAD, PUT"
    reply = client.post(f"{DOCUMENTS}/cat")
    assert reply.headers["allow"] == "DELETE, GET, HEAD"


def test_a_damaged_collection_is_a_500_that_shows_no_path(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(data=tmp_path, warm=()))) as client:
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
    (tmp_path / "pets" / "catalog.sqlite").write_bytes(b"no database" * 100)
    with TestClient(create_app(Settings(data=tmp_path, warm=()))) as client:
        reply = client.post(SEARCH, json={"query": "cat"})
        assert reply.status_code == 500
        assert reply.json()["code"] in ("collection_damaged", "index_format_unknown")
        assert str(tmp_path) not in reply.text
        assert client.put("/v1/collections/other", json={"multivector": None}).is_success
