import json
from pathlib import Path

import pytest

from lexmax.errors import InputError
from lexmax.service.keys import EVERYTHING, Key, KeyRing, Scope, grant, new_key


def test_a_key_is_found_by_its_text_alone() -> None:
    first, secret = new_key("one", {EVERYTHING: "read"})
    second, other = new_key("two", {EVERYTHING: "read"})
    ring = KeyRing(keys=(first, second))
    assert ring.find(secret) is first
    assert ring.find(other) is second
    for wrong in ("", secret[:-1], f"{secret} ", first.sha256, first.key_id, "\ud800"):
        assert ring.find(wrong) is None


def test_the_text_is_long_and_is_not_kept() -> None:
    key, secret = new_key("one", {EVERYTHING: "read"})
    assert secret.startswith("lexmax_")
    assert len(secret) == len("lexmax_") + 43  # 256 bits
    assert secret not in key.model_dump_json()
    assert new_key("one", {EVERYTHING: "read"})[1] != secret


@pytest.mark.parametrize(
    ("grants", "scope", "collection", "expected"),
    [
        ({"*": "read"}, Scope.READ, "pets", True),
        ({"*": "read"}, Scope.WRITE, "pets", False),
        ({"*": "admin"}, Scope.READ, "pets", True),
        ({"*": "admin"}, Scope.ADMIN, "*", True),
        ({"pets": "write"}, Scope.WRITE, "pets", True),
        ({"pets": "write"}, Scope.READ, "pets", True),
        ({"pets": "write"}, Scope.ADMIN, "pets", False),
        ({"pets": "write"}, Scope.READ, "cars", False),
        ({"pets": "admin"}, Scope.READ, "*", False),
        ({"*": "read", "pets": "write"}, Scope.WRITE, "pets", True),
        ({"*": "write", "pets": "read"}, Scope.WRITE, "pets", True),
    ],
)
def test_a_grant_holds_for_its_collection_and_below_its_scope(
    grants: dict[str, str], scope: Scope, collection: str, expected: bool
) -> None:
    key, _ = new_key("one", grants)
    assert key.allows(scope, collection) is expected


def test_somewhere_is_any_collection() -> None:
    key, _ = new_key("one", {"pets": "write"})
    assert key.allows_somewhere(Scope.WRITE)
    assert not key.allows_somewhere(Scope.ADMIN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("read", ("*", "read")),
        ("write:my-pets", ("my-pets", "write")),
        ("admin:*", ("*", "admin")),
    ],
)
def test_grants_are_read_from_text(text: str, expected: tuple[str, str]) -> None:
    assert grant(text) == expected


@pytest.mark.parametrize("text", ["", "all", "READ", "read:Upper", "read:../x", "read:a:b"])
def test_other_grants_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected read, write or admin"):
        grant(text)


@pytest.mark.parametrize("grants", [{}, {"Pets": "read"}, {"pets": "all"}, {"pets\n": "read"}])
def test_a_key_without_sane_grants_is_not_made(grants: dict[str, str]) -> None:
    with pytest.raises(InputError, match="the key cannot be made"):
        new_key("one", grants)


def test_a_file_names_nothing_unknown(tmp_path: Path) -> None:
    key, _ = new_key("one", {"*": "read"}, per_second=5)
    written = json.loads(key.model_dump_json())
    assert set(written) == {"key_id", "name", "sha256", "grants", "created", "per_second"}
    with pytest.raises(ValueError, match="extra"):
        Key.model_validate(written | {"secret": "x"})
