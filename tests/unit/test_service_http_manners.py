"""What HTTP itself lets every client expect: HEAD, and that nothing in a URL is passed over."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app

PETS = "/v1/collections/pets"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path_factory.mktemp("data"), warm=())
    with TestClient(create_app(settings)) as client:
        client.put(PETS, json={"multivector": None}).raise_for_status()
        documents = {"documents": [{"doc_id": "x/events", "text": "a cat"}]}
        client.post(f"{PETS}/documents", json=documents).raise_for_status()
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/ready",
        "/tei/minilm/health",
        "/v1/collections",
        PETS,
        f"{PETS}/documents/x/events",
        "/info",
        "/no",
    ],
)
def test_head_is_answered_as_get_without_the_body(client: TestClient, path: str) -> None:
    got, headed = client.get(path), client.head(path)
    assert headed.status_code == got.status_code
    assert headed.headers.get("content-type") == got.headers.get("content-type")
    assert headed.content == b""


def test_what_only_begins_has_no_head(client: TestClient) -> None:
    reply = client.head(f"{PETS}/jobs/{'0' * 32}/events")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("POST", "/search?k=3", "none, as this route takes none"),
        ("POST", "/documents?wiat=false", "only wait"),
        ("POST", "/documents?wait=false&", None),
        ("GET", "?verbose=1", "none"),
        ("GET", "/documents/x/events?fields=text", "none"),
        ("POST", "/search/batch?k=3", "none"),
    ],
)
def test_a_name_in_the_url_that_no_route_takes_is_refused(
    client: TestClient, method: str, path: str, known: str | None
) -> None:
    bodies = {
        "/search": {"query": "cat"},
        "/search/batch": {"searches": [{"query": "cat"}]},
        "/documents": {"documents": [{"doc_id": "a", "text": "b"}]},
    }
    body = bodies.get(path.partition("?")[0])
    reply = client.request(method, PETS + path, json=body)
    if known is None:
        assert reply.is_success
        return
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")
    assert known in reply.json()["detail"]


def test_facades_and_probes_pass_such_names_over(client: TestClient) -> None:
    assert client.get("/health?probe=1").is_success
    assert client.get("/v1/models?limit=5").is_success
