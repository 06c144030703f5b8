"""What façades do that no released client asks for; what they do ask for is in tests/golden."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from lexmax.encoders import Encoders
from lexmax.errors import QueryError
from lexmax.service import Settings, create_app
from lexmax.service.facades.failures import shape_at
from lexmax.service.facades.lenient import TextOrFields
from lexmax.service.facades.ranking import (
    relevance_of_maxsim,
    relevance_of_pairs,
    text_of,
    without_infinity,
)
from lexmax.service.key_file import change_keys
from lexmax.service.keys import new_key
from lexmax.service.parts import Service
from lexmax.service.permissions import PERMISSIONS
from lexmax.service.problems import OVERLOADED, Refusal

RERANKS = ["/v2/rerank", "/cohere/v1/rerank", "/cohere/v2/rerank", "/jina/v1/rerank",
           "/voyage/v1/rerank", "/rerank", "/tei/minilm/rerank"]  # fmt: skip
ENCODES = ["/", "/embed", "/tei/minilm-pooled", "/embed_all", "/embed_sparse",
           "/tei/bm25/embed_sparse", "/v1/embeddings"]  # fmt: skip
INFINITY = np.float32(np.inf)


@pytest.fixture
def client(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[TestClient]:
    settings = Settings(
        data=tmp_path, warm=(), max_rerank_documents=3, max_batch_documents=3, max_body_bytes=2000
    )
    with TestClient(create_app(settings, encoders=cheap_encoders)) as client:
        yield client


def asked(path: str, texts: list[str]) -> dict[str, Any]:
    if path == "/v1/embeddings":
        return {"input": texts}
    if path in ENCODES:
        return {"inputs": texts}
    return {"query": "cat", "texts" if path in ("/rerank", RERANKS[-1]) else "documents": texts}


def message(path: str, body: dict[str, Any]) -> str:
    """Where this path's clients look for what went wrong."""
    if path.startswith("/v1/"):
        return str(body["error"]["message"])
    named = {"/cohere": "message", "/v2": "message", "/jina": "detail", "/voyage": "detail"}
    return str(body[next((name for at, name in named.items() if path.startswith(at)), "error")])


@pytest.mark.parametrize("path", [*RERANKS, *ENCODES])
def test_limits_hold_and_are_told_in_every_shape(client: TestClient, path: str) -> None:
    too_many = client.post(path, json=asked(path, ["a"] * 4))
    assert too_many.status_code == 422
    assert "at most 3" in message(path, too_many.json())
    too_large = client.post(path, json=asked(path, ["a" * 3000]))
    assert too_large.status_code == 413
    assert "at most" in message(path, too_large.json())
    broken = client.post(path, content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 400
    assert message(path, broken.json())
    nothing = client.post(path, json=asked(path, []))
    assert nothing.status_code == 422
    assert message(path, nothing.json())
    assert broken.headers["content-type"] == "application/json"
    assert broken.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", [*RERANKS, *ENCODES, "/info", "/v1/models", "/v1/models/minilm"])
def test_without_a_key_there_is_nothing(
    tmp_path: Path, cheap_encoders: Encoders, path: str
) -> None:
    key, secret = new_key("reader", {"pets": "read"})
    change_keys(tmp_path / "keys.json", lambda keys: (*keys, key))
    settings = Settings(data=tmp_path / "data", warm=(), keys=tmp_path / "keys.json")
    with TestClient(create_app(settings, encoders=cheap_encoders)) as client:
        reading = path in ("/info",) or path.startswith("/v1/models")
        method, body = ("GET", None) if reading else ("POST", asked(path, ["a"]))
        if path == "/embed_sparse":
            path = "/tei/bm25/embed_sparse"
        refused = client.request(method, path, json=body)
        assert refused.status_code == 401
        assert "expected the header" in message(path, refused.json())
        shown = {"authorization": f"Bearer {secret}"}
        assert client.request(method, path, json=body, headers=shown).status_code == 200


@pytest.mark.parametrize("path", ["/v2/rerank", "/tei/minilm/rerank", "/v1/embeddings"])
def test_where_there_is_no_room_clients_are_told_when_to_come_back(
    client: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Service = client.app.state.service  # type: ignore[attr-defined]

    def full() -> None:
        raise Refusal(OVERLOADED, "full", headers={"retry-after": "1"})

    monkeypatch.setattr(service.encoding, "require_room", full)
    reply = client.post(path, json=asked(path, ["a"]))
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert message(path, reply.json()) == "full"
    if path.startswith("/tei"):
        assert reply.json()["error_type"] == "Overloaded"


def test_unknown_names_are_passed_over_here_and_refused_there(client: TestClient) -> None:
    body = {"query": "cat", "documents": ["a"], "more": 1}
    assert client.post("/v2/rerank", json=body).status_code == 200
    assert client.post("/v1/rerank", json=body).status_code == 422


def test_every_path_of_a_facade_has_a_shape_and_no_other_has() -> None:
    own = {
        path for _, path in PERMISSIONS
        if path.startswith(("/v1/collections", "/v1/status", "/v1/rerank", "/v1/encode"))
        or path in ("/health", "/healthz", "/ready", "/readyz", "/metrics", "/docs")
    }  # fmt: skip
    for _, path in PERMISSIONS:
        shaped = shape_at(path.replace("{model}", "m")) is not None
        assert shaped == (path == "/") | any(
            path.startswith(start)
            for start in ("/v2/", "/cohere/", "/jina/", "/voyage/", "/tei/", "/embed", "/rerank",
                          "/info", "/v1/embeddings", "/v1/models")
        ), path  # fmt: skip
        assert not (shaped and path in own), path


def test_a_path_below_a_facade_that_is_none_is_told_too(client: TestClient) -> None:
    reply = client.post("/cohere/v3/rerank", json={})
    assert (reply.status_code, reply.json()["code"]) == (404, "route_not_found")
    assert reply.json()["message"]


def test_relevance_is_between_0_and_1() -> None:
    probabilities = np.array([0.0, 0.4, 1.0], np.float32)
    assert relevance_of_pairs(probabilities) is probabilities
    logits = relevance_of_pairs(np.array([-900.0, 0.0, 3.0], np.float32))
    np.testing.assert_allclose(logits, [0, 0.5, 0.9525741], atol=1e-6)
    assert relevance_of_pairs(np.zeros(0, np.float32)).shape == (0,)
    scores = np.array([-INFINITY, -1, 0, 2, 4.01], np.float32)
    np.testing.assert_allclose(relevance_of_maxsim(scores, 4.0), [0, 0, 0, 0.5, 1])
    assert relevance_of_maxsim(np.array([-INFINITY]), 0.0).tolist() == [0]


def test_every_score_can_be_json() -> None:
    given = np.array([2, -INFINITY, -3], np.float32)
    assert without_infinity(given).tolist() == [2, -3, -3]
    assert without_infinity(np.array([2, -INFINITY], np.float32)).tolist() == [2, 0]
    assert without_infinity(np.full(2, -INFINITY, np.float32)).tolist() == [0, 0]


def test_documents_may_be_mappings() -> None:
    assert text_of("a") == "a"
    assert text_of({"text": "a", "more": 1}) == "a"
    assert text_of({"title": "a", "body": "b"}, ["title", "body", "none"]) == "a\nb"
    wrongs: list[TextOrFields] = [{}, {"text": 3}, {"other": "a"}]
    for wrong in wrongs:
        with pytest.raises(QueryError, match="without a text"):
            text_of(wrong)
