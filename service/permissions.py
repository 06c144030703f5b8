"""What does each route ask for? A scope, of which collections, and a lane to work in.

The one place where it is said who may do what: a route that is missing here can be used by nobody
but a key of scope admin for everything, and `tests/unit/test_service_permissions.py` fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Literal

from lexmax.service.keys import EVERYTHING, Key, Scope

LaneName = Literal["search", "write", "encode"]


class Reach(Enum):
    """Of which collections a route needs the scope."""

    COLLECTION = "the one that its path names"
    SOMEWHERE = "any"
    EVERYTHING = "all"
    NOBODY = "none: no key is asked for"


@dataclass(frozen=True, slots=True)
class Permission:
    """What one route asks for; `makes` says that its path names a collection to be made."""

    scope: Scope
    reach: Reach
    lane: LaneName | None = None
    makes: bool = False

    def allows(self, key: Key, collection: str | None) -> bool:
        """Whether the key is good for it; `collection` is what the path names."""
        if self.reach is Reach.NOBODY:
            return True
        if self.reach is Reach.SOMEWHERE:
            return key.allows_somewhere(self.scope)
        if self.reach is Reach.COLLECTION and collection is not None:
            return key.allows(self.scope, collection)
        return key.allows(self.scope, EVERYTHING)


_PUBLIC = Permission(Scope.READ, Reach.NOBODY)
_SEEN_BY_ANY = Permission(Scope.READ, Reach.SOMEWHERE)
_SEEN_BY_ALL = Permission(Scope.READ, Reach.EVERYTHING)
_READ = Permission(Scope.READ, Reach.COLLECTION, "search")
_WRITE = Permission(Scope.WRITE, Reach.COLLECTION, "write")
_ADMIN = Permission(Scope.ADMIN, Reach.COLLECTION, "write")
_MAKE = Permission(Scope.ADMIN, Reach.COLLECTION, "write", makes=True)
# Whoever may say what a name means decides what others find under it.
_NAME = Permission(Scope.ADMIN, Reach.EVERYTHING, "write")
_ENCODE = Permission(Scope.READ, Reach.SOMEWHERE, "encode")
UNKNOWN = Permission(Scope.ADMIN, Reach.EVERYTHING, "write")

PUBLIC_PATHS = frozenset({"/health", "/healthz", "/ready", "/readyz"})
"""What load balancers ask for; no key is asked for here."""

_COLLECTION = "/v1/collections/{name}"
_TEXT_EMBEDDINGS = ("embed", "embed_all", "embed_sparse", "rerank")
_FACADES = (
    "/v2/rerank",
    "/cohere/v1/rerank",
    "/cohere/v2/rerank",
    "/jina/v1/rerank",
    "/voyage/v1/rerank",
    "/v1/embeddings",
    "/",
    "/tei/{model}",
    *(f"{at}/{what}" for at in ("", "/tei/{model}") for what in _TEXT_EMBEDDINGS),
)
_ABOUT_MODELS = (
    "/v1/models",
    "/v1/models/{model}",
    "/info",
    "/tei/{model}/info",
    "/tei/{model}/health",
)

PERMISSIONS: Mapping[tuple[str, str], Permission] = MappingProxyType(
    {
        **{("GET", path): _PUBLIC for path in sorted(PUBLIC_PATHS)},
        ("GET", "/metrics"): _SEEN_BY_ALL,
        ("GET", "/docs"): _SEEN_BY_ANY,
        ("GET", "/v1/status"): _SEEN_BY_ALL,
        ("GET", "/v1/collections"): Permission(Scope.READ, Reach.SOMEWHERE, "search"),
        ("PUT", _COLLECTION): _MAKE,
        ("GET", _COLLECTION): _READ,
        ("DELETE", _COLLECTION): _ADMIN,
        ("GET", f"{_COLLECTION}/statistics"): _READ,
        ("PUT", f"{_COLLECTION}/fields"): _ADMIN,
        ("POST", f"{_COLLECTION}/flush"): _ADMIN,
        ("POST", f"{_COLLECTION}/merge"): _ADMIN,
        ("POST", f"{_COLLECTION}/snapshot"): _ADMIN,
        ("PUT", f"{_COLLECTION}/snapshot"): _MAKE,
        ("GET", "/v1/aliases"): Permission(Scope.READ, Reach.SOMEWHERE, "search"),
        ("PUT", "/v1/aliases/{alias}"): _NAME,
        ("DELETE", "/v1/aliases/{alias}"): _NAME,
        ("POST", f"{_COLLECTION}/calibrate"): _ADMIN,
        ("GET", f"{_COLLECTION}/jobs"): _READ,
        ("POST", f"{_COLLECTION}/jobs"): _WRITE,
        ("POST", f"{_COLLECTION}/jobs/upload"): _WRITE,
        ("GET", f"{_COLLECTION}/jobs/{{job_id}}"): _READ,
        ("DELETE", f"{_COLLECTION}/jobs/{{job_id}}"): _WRITE,
        ("GET", f"{_COLLECTION}/jobs/{{job_id}}/events"): _READ,
        ("POST", f"{_COLLECTION}/jobs/{{job_id}}/cancel"): _WRITE,
        ("POST", f"{_COLLECTION}/jobs/{{job_id}}/resume"): _WRITE,
        ("POST", f"{_COLLECTION}/documents"): _WRITE,
        ("POST", f"{_COLLECTION}/documents/delete"): _WRITE,
        ("GET", f"{_COLLECTION}/documents/{{doc_id:path}}"): _READ,
        ("DELETE", f"{_COLLECTION}/documents/{{doc_id:path}}"): _WRITE,
        ("POST", f"{_COLLECTION}/search"): _READ,
        ("POST", f"{_COLLECTION}/search/batch"): _READ,
        ("POST", f"{_COLLECTION}/explain"): _READ,
        ("POST", "/v1/rerank"): _ENCODE,
        ("POST", "/v1/encode"): _ENCODE,
        **{("POST", path): _ENCODE for path in _FACADES},
        **{("GET", path): _SEEN_BY_ANY for path in _ABOUT_MODELS},
    }
)
