from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from lexmax.encoders import Encoders
from lexmax.service import Settings, create_app, encoding
from lexmax.service.calls import Call
from lexmax.service.encoding import pooled_rows, sparse_rows, token_rows
from lexmax.service.problems import Refusal
from lexmax.service.served_encoders import ServedEncoders

TEXTS = [f"cat {'dog ' * (i * 7 % 50)}" for i in range(40)] + [""]


@pytest.fixture
def served(cheap_encoders: Encoders) -> Iterator[ServedEncoders]:
    made = ServedEncoders(cheap_encoders, batch_tokens=4096, cache_bytes=1_000_000)
    yield made
    made.close()


@pytest.fixture
def client(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path, warm=(), max_batch_documents=4)
    with TestClient(create_app(settings, encoders=cheap_encoders)) as client:
        yield client


@pytest.mark.parametrize("side", ["query", "document"])
def test_rows_in_parts_are_rows_of_the_whole(served: ServedEncoders, side: Any) -> None:
    expected_tokens = served.multivector("minilm").encode_documents(TEXTS)
    expected_pooled = served.dense("minilm-pooled").encode_documents(TEXTS)
    how: dict[str, Any] = {"encoders": served, "call": Call()}
    tokens = token_rows(TEXTS, side, spec="minilm", **how)
    pooled = pooled_rows(TEXTS, side, spec="minilm-pooled", **how)
    for i in range(len(TEXTS)):
        np.testing.assert_allclose(tokens[i], expected_tokens.row(i), atol=1e-6)
        np.testing.assert_allclose(pooled[i], expected_pooled[i], atol=1e-6)
    sparse = sparse_rows(TEXTS, side, spec="bm25", **how)
    batch = served.sparse("bm25").encode_documents(TEXTS)
    for i, (terms, weights) in enumerate(sparse):
        np.testing.assert_array_equal(terms, batch.row(i)[0])
        assert (weights > 0).all()
        if side == "document":
            np.testing.assert_allclose(weights, batch.row(i)[1])


def test_between_two_parts_it_may_end(served: ServedEncoders) -> None:
    call = Call(gone=True)
    with pytest.raises(ClientDisconnect):
        pooled_rows(["cat"], "document", spec="minilm-pooled", encoders=served, call=call)


def test_a_reply_has_a_limit(served: ServedEncoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MOST_NUMBERS", 100)
    how: dict[str, Any] = {"spec": "minilm", "encoders": served, "call": Call()}
    assert len(token_rows(["cat dog"], "document", **how)) == 1
    with pytest.raises(Refusal, match="at most 100"):
        token_rows(["cat " * 10], "document", **how)


def test_only_what_is_asked_for_is_there(client: TestClient) -> None:
    reply = client.post("/v1/encode", json={"texts": ["a cat", ""], "sparse": "bm25"}).json()
    assert [len(row["indices"]) for row in reply["sparse"]] == [1, 0]
    assert (reply["multivector"], reply["pooled"]) == (None, None)
    assert reply["timings_ms"]["encode_ms"] > 0


def test_queries_of_bm25_are_weighted_as_of_an_empty_collection(client: TestClient) -> None:
    request = {"texts": ["cat cat"], "sparse": "bm25", "input_type": "query"}
    reply = client.post("/v1/encode", json=request).json()
    assert reply["sparse"][0]["values"] == [pytest.approx(2 * np.log(2), abs=1e-5)]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"texts": []}, 422, "invalid_request"),
        ({"texts": ["a"] * 5}, 422, "over_limit"),
        ({"pooled": None}, 422, "invalid_request"),
        ({"pooled": "/etc/passwd"}, 404, "model_not_found"),
        ({"pooled": "minilm"}, 404, "model_not_found"),
        ({"pooled": "minilm-pooled?max_tokens=9"}, 404, "model_not_found"),
        ({"input_type": "other"}, 422, "invalid_request"),
        ({"more": 1}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_encoded_is_refused(
    client: TestClient, change: dict[str, Any], status: int, code: str
) -> None:
    request = {"texts": ["cat"], "pooled": "minilm-pooled"} | change
    reply = client.post("/v1/encode", json=request)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
