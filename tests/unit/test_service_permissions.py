from pathlib import Path
from typing import Any

import pytest

from lexmax.service import Settings, create_app
from lexmax.service.keys import Scope, new_key
from lexmax.service.permissions import PERMISSIONS, PUBLIC_PATHS, UNKNOWN, Permission, Reach
from lexmax.service.shedding import lane_of


def routes(tmp_path: Path) -> set[tuple[str, str]]:
    schema: dict[str, Any] = create_app(Settings(data=tmp_path, warm=())).openapi()
    said = {
        (method.upper(), path)
        for path, operations in schema["paths"].items()
        for method in operations
    }
    # OpenAPI leaves out how a parameter is read.
    return {(method, path.replace("{doc_id}", "{doc_id:path}")) for method, path in said}


def test_every_route_says_who_may_use_it_and_where_it_works(tmp_path: Path) -> None:
    assert routes(tmp_path) <= set(PERMISSIONS)


def test_no_permission_is_left_of_a_route_that_is_gone(tmp_path: Path) -> None:
    unlisted = {("GET", path) for path in ("/metrics", "/docs", "/healthz", "/readyz")}
    assert set(PERMISSIONS) <= routes(tmp_path) | unlisted


def test_only_probes_ask_for_no_key() -> None:
    public = {path for (_, path), one in PERMISSIONS.items() if one.reach is Reach.NOBODY}
    assert public == PUBLIC_PATHS


def test_what_changes_a_collection_needs_more_than_reading() -> None:
    reading = ("/search", "/explain", "/rerank", "/encode", "/batch", "/embeddings")
    reading += ("/embed", "/embed_all", "/embed_sparse")
    for (method, path), permission in PERMISSIONS.items():
        if method != "GET" and path not in ("/", "/tei/{model}") and not path.endswith(reading):
            assert permission.scope > Scope.READ, path
            assert permission.lane == "write", path


def test_a_route_that_nobody_thought_of_needs_everything() -> None:
    reader, _ = new_key("one", {"*": "write", "pets": "admin"})
    admin, _ = new_key("two", {"*": "admin"})
    assert not UNKNOWN.allows(reader, "pets")
    assert UNKNOWN.allows(admin, "pets")


def test_a_collection_is_asked_for_only_where_one_is_named() -> None:
    key, _ = new_key("one", {"pets": "read"})
    permission = Permission(Scope.READ, Reach.COLLECTION, "search")
    assert permission.allows(key, "pets")
    assert not permission.allows(key, "cars")
    assert not permission.allows(key, None)


@pytest.mark.parametrize(
    ("method", "path", "lane"),
    [
        ("POST", "/v1/collections/pets/search", "search"),
        ("POST", "/v1/collections/pets/documents", "write"),
        ("PUT", "/v1/collections/pets", "write"),
        ("GET", "/v1/collections/pets", "search"),
        ("GET", "/v1/collections", "search"),
        ("POST", "/v1/rerank", "encode"),
        ("GET", "/health", None),
        ("GET", "/metrics", None),
        ("POST", "/health", None),
        ("GET", "/nowhere", None),
        ("POST", "/v1/collections/pets/search/", None),
        ("POST", "/v1/collections/a/b/search", None),
        # Looked at by the guard, once its route is known.
        ("GET", "/v1/collections/pets/documents/a/b", None),
    ],
)
def test_lanes_are_told_from_paths(method: str, path: str, lane: str | None) -> None:
    assert lane_of(method, path) == lane
