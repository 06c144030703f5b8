"""Who may do what? Keys, of which only hashes are kept, and what each is good for.

A key is 256 random bits, so one SHA-256 of it is as hard to invert as a slow hash of a password,
and costs a microsecond a request.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lexmax.errors import InputError

EVERYTHING = "*"
"""In a grant: every collection, and what belongs to none."""

_MARK = "lexmax_"
_COLLECTION = re.compile(r"\*|[a-z0-9][a-z0-9_-]{0,63}")


class Scope(IntEnum):
    """What a key may do; each holds those before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3


class Key(BaseModel):
    """One key as its file has it; the key's text cannot be told from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key_id: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    name: str = Field(max_length=100)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    grants: Mapping[
        Annotated[str, Field(pattern=rf"^({_COLLECTION.pattern})$")],
        Literal["read", "write", "admin"],
    ] = Field(min_length=1)
    created: datetime
    per_second: float | None = Field(default=None, gt=0, description="Requests; null for default")

    def allows(self, scope: Scope, collection: str) -> bool:
        """Whether it may do that with the collection, or with `EVERYTHING`."""
        given = {self.grants.get(name) for name in (collection, EVERYTHING)}
        return any(name is not None and _SCOPES[name] >= scope for name in given)

    def allows_somewhere(self, scope: Scope) -> bool:
        """Whether there is a collection that it may do that with."""
        return any(_SCOPES[name] >= scope for name in self.grants.values())


_SCOPES: Mapping[str, Scope] = {scope.name.lower(): scope for scope in Scope}


class KeyRing(BaseModel):
    """All keys that hold, as a file of keys has them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    keys: tuple[Key, ...] = ()

    def find(self, secret: str) -> Key | None:
        """The key of which this is the text; takes equally long whichever it is, or none."""
        digest = _digest(secret)
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found


def new_key(
    name: str, grants: Mapping[str, str], *, per_second: float | None = None
) -> tuple[Key, str]:
    """A key and its text, which is nowhere else from here on.

    Args:
        name: What it is for, to people.
        grants: Scopes (read, write, admin) by collection, or by `EVERYTHING`.
        per_second: Requests that it may make a second; None for what the service allows all.

    Raises:
        InputError: if a grant is none, or there is none.
    """
    secret = _MARK + secrets.token_urlsafe(32)
    said = {
        "key_id": f"k-{secrets.token_hex(4)}",
        "name": name,
        "sha256": _digest(secret),
        "grants": dict(grants),
        "created": datetime.now(UTC).replace(microsecond=0),
        "per_second": per_second,
    }
    try:
        return Key.model_validate(said), secret
    except ValidationError as error:
        raise InputError(f"the key cannot be made: {explained(error)}") from None


def grant(text: str) -> tuple[str, str]:
    """A collection, or `EVERYTHING`, and the scope that `SCOPE` or `SCOPE:COLLECTION` gives there.

    Raises:
        InputError: if it has another shape.
    """
    scope, _, collection = text.partition(":")
    if scope not in _SCOPES or not _COLLECTION.fullmatch(collection or EVERYTHING):
        raise InputError(
            f"found the grant {text!r}; expected read, write or admin, and after a colon the "
            "collection that it is for: read, write:my-collection"
        )
    return collection or EVERYTHING, scope


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def explained(error: ValidationError) -> str:
    """What is wrong where, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, entry['loc'])) or 'the file'}: {entry['msg']}"
        for entry in error.errors(include_url=False, include_input=False)[:3]
    )
