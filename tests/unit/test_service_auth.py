"""Who gets in, over every route, with real keys."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app
from lexmax.service.key_file import change_keys
from lexmax.service.keys import new_key

SEARCH = "/v1/collections/pets/search"
DOCUMENT = {"doc_id": "1", "text": "a"}
REQUESTS: list[tuple[str, str, Any, str]] = [
    ("GET", "/docs", None, "any"),
    ("GET", "/openapi.json", None, "any"),
    ("GET", "/metrics", None, "read all"),
    ("GET", "/v1/status", None, "read all"),
    ("GET", "/v1/collections", None, "any"),
    ("GET", "/v1/collections/pets", None, "read"),
    ("POST", SEARCH, {"query": "cat"}, "read"),
    ("GET", "/v1/collections/pets/documents/none", None, "read"),
    ("POST", "/v1/collections/pets/documents", {"documents": [DOCUMENT]}, "write"),
    ("POST", "/v1/collections/pets/documents/delete", {"doc_ids": ["1"]}, "write"),
    ("DELETE", "/v1/collections/pets/documents/none", None, "write"),
    ("PUT", "/v1/collections/pets", {"multivector": None}, "admin"),
    ("PUT", "/v1/collections/other", {"multivector": None}, "admin all"),
    ("DELETE", "/v1/collections/none", None, "admin all"),
]  # fmt: skip
KEYS: dict[str, dict[str, str]] = {
    "read pets": {"pets": "read"},
    "write pets": {"pets": "write"},
    "admin pets": {"pets": "admin"},
    "read cars": {"cars": "read"},
    "read all": {"*": "read"},
    "admin all": {"*": "admin"},
}
MAY: dict[str, set[str]] = {
    "read pets": {"any", "read"},
    "write pets": {"any", "read", "write"},
    "admin pets": {"any", "read", "write", "admin"},
    "read cars": {"any"},
    "read all": {"any", "read", "read all"},
    "admin all": {"any", "read", "write", "admin", "read all", "admin all"},
}


class Keyed:
    def __init__(self, folder: Path, **settings: Any) -> None:
        self.secrets: dict[str, str] = {}
        path = folder / "keys.json"
        for name, grants in KEYS.items():
            key, self.secrets[name] = new_key(name, grants)
            change_keys(path, lambda keys, key=key: (*keys, key))
        app = create_app(Settings(data=folder / "data", warm=(), keys=path, **settings))
        self.client = TestClient(app)

    def bearer(self, name: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self.secrets[name]}"}


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Keyed]:
    made = Keyed(tmp_path)
    with made.client as client:
        for name in ("pets", "cars"):
            path = f"/v1/collections/{name}"
            spec = {"multivector": None}
            client.put(path, json=spec, headers=made.bearer("admin all")).raise_for_status()
        yield made


def test_without_a_key_only_probes_are_answered(keyed: Keyed) -> None:
    for method, path, body, _ in REQUESTS:
        reply = keyed.client.request(method, path, json=body)
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated"), path
        assert reply.headers["www-authenticate"] == "Bearer"
    for path in ("/nowhere", "/health/", "//health", "/health%00", "/metrics/", "/docs/x"):
        assert keyed.client.get(path).status_code == 401, path
    for path in ("/health", "/healthz", "/ready", "/readyz"):
        assert keyed.client.get(path).status_code in (200, 503), path


@pytest.mark.parametrize("name", KEYS)
def test_a_key_does_what_it_may_and_no_more(keyed: Keyed, name: str) -> None:
    for method, path, body, needs in REQUESTS:
        reply = keyed.client.request(method, path, json=body, headers=keyed.bearer(name))
        refused = reply.status_code == 403
        assert refused is (needs not in MAY[name]), (path, reply.status_code)
        assert reply.status_code not in (401, 500), path
        if refused:
            assert reply.json()["code"] == "forbidden"


def test_what_a_key_may_not_read_is_not_told_from_what_is_not_there(keyed: Keyed) -> None:
    replies = [
        keyed.client.get(f"/v1/collections/{name}", headers=keyed.bearer("read pets"))
        for name in ("cars", "none")
    ]
    assert [reply.status_code for reply in replies] == [403, 403]
    assert replies[0].json()["detail"] == replies[1].json()["detail"]


def test_a_list_has_what_the_key_may_read(keyed: Keyed) -> None:
    def listed(name: str) -> list[str]:
        reply = keyed.client.get("/v1/collections", headers=keyed.bearer(name))
        return [entry["name"] for entry in reply.json()["collections"]]

    assert listed("read pets") == ["pets"]
    assert listed("read cars") == ["cars"]
    assert listed("read all") == ["cars", "pets"]


def test_the_key_may_stand_in_three_headers(keyed: Keyed) -> None:
    secret = keyed.secrets["read all"]
    for headers in (
        {"authorization": f"Bearer {secret}"},
        {"authorization": f"bearer  {secret} "},
        {"api-key": secret},
        {"x-api-key": secret},
    ):
        assert keyed.client.get("/v1/status", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic {secret}"},
        {"authorization": "{secret}"},
        {"authorization": "Bearer {secret}x"},
        {"authorization": "Bearer lexmax_"},
        {"api-key": ""},
        {"cookie": "key={secret}"},
        # What is said first holds: a second header does not mend it.
        {"authorization": "Bearer wrong", "api-key": "{secret}"},
    ],
)
def test_nothing_else_is_a_key(keyed: Keyed, headers: dict[str, str]) -> None:
    secret = keyed.secrets["admin all"]
    said = {name: value.format(secret=secret) for name, value in headers.items()}
    assert keyed.client.get("/v1/status", headers=said).status_code == 401
    query = keyed.client.get(f"/v1/status?api-key={secret}&key={secret}")
    assert query.status_code == 401


def test_metrics_may_be_public(tmp_path: Path) -> None:
    with Keyed(tmp_path, public_metrics=True).client as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/v1/status").status_code == 401


def test_a_key_that_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    keyed = Keyed(tmp_path, per_second=0.5)
    with keyed.client as client:

        def ask(name: str) -> int:
            return client.get("/v1/collections", headers=keyed.bearer(name)).status_code

        assert ask("read all") == 200
        limited = client.get("/v1/collections", headers=keyed.bearer("read all"))
        assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
        assert limited.headers["retry-after"] == "2"
        assert ask("read pets") == 200
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8000", 200), ("127.0.0.1", 200), ("evil.example", 421), ("mine.example", 200)],
)
def test_without_keys_foreign_names_are_refused(tmp_path: Path, host: str, status: int) -> None:
    settings = Settings(data=tmp_path, warm=(), allowed_hosts=("mine.example",))
    with TestClient(create_app(settings)) as client:
        reply = client.get("/v1/collections", headers={"host": host})
        assert reply.status_code == status
        assert status == 200 or reply.json()["code"] == "host_not_allowed"


def test_insecure_means_any_name_unless_some_are_listed(tmp_path: Path) -> None:
    for hosts, status in (((), 200), (("mine.example",), 421)):
        settings = Settings(data=tmp_path, warm=(), insecure=True, allowed_hosts=hosts)
        with TestClient(create_app(settings)) as client:
            reply = client.get("/v1/collections", headers={"host": "other.example"})
            assert reply.status_code == status


def test_names_do_not_matter_where_a_key_is_shown(keyed: Keyed) -> None:
    headers = {**keyed.bearer("read all"), "host": "search.example"}
    assert keyed.client.get("/v1/status", headers=headers).status_code == 200


def test_every_reply_tells_browsers_to_keep_away(keyed: Keyed) -> None:
    for path in ("/health", "/nowhere", "/docs"):
        headers = keyed.client.get(path, headers=keyed.bearer("read all")).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "strict-transport-security" not in headers
