"""What is sent to keep collections in order, and to search many times at once?"""

from collections.abc import Mapping, Sequence
from typing import Any

from lexmax.client import replies
from lexmax.client.asks import Ask, Filter, Json, Search, path_of, quoted, text_of
from lexmax.errors import InputError
from lexmax.results import SearchResult, refuse_text
from lexmax.vectors import Query


def search_batch(
    collection: str,
    queries: Sequence[str | Query],
    k: int,
    *,
    how: Search,
    filters: Sequence[Filter | None],
    timeout_ms: float | None,
) -> Ask[list[SearchResult]]:
    """The best documents of each query; `filters` has one a query."""
    refuse_text("queries", queries)
    if len(filters) != len(queries):
        raise InputError(
            f"found {len(filters)} filters for {len(queries)} queries; expected one a query"
        )
    searches = [
        how.body(query, k) | ({} if one is None else {"filter": one})
        for query, one in zip(queries, filters, strict=True)
    ]
    more = {} if timeout_ms is None else {"timeout_ms": timeout_ms}
    return Ask(
        "POST",
        f"{path_of(collection)}/search/batch",
        lambda said: [
            replies.result(one, text_of(query))
            for one, query in zip(said["results"], queries, strict=True)
        ],
        {"searches": searches, **more},
    )


def delete_matching(collection: str, conditions: Filter) -> Ask[int]:
    """Delete what a filter allows."""
    path = f"{path_of(collection)}/documents/delete"
    return Ask("POST", path, replies.deleted, {"filter": conditions})


def declare_fields(collection: str, fields: Mapping[str, str]) -> Ask[Mapping[str, str]]:
    """Let filters name entries of the metadata."""
    path = f"{path_of(collection)}/fields"
    return Ask("PUT", path, lambda said: dict(said["fields"]), {"fields": dict(fields)})


def flush(collection: str) -> Ask[int]:
    """Make segments of pending documents."""
    return Ask("POST", f"{path_of(collection)}/flush", lambda said: int(said["n_segments"]))


def merge(collection: str, *, everything: bool, neighbours: int | None) -> Ask[Json]:
    """Make many segments few."""
    body: dict[str, Any] = {"everything": everything}
    if neighbours is not None:
        body["neighbours"] = neighbours
    return Ask("POST", f"{path_of(collection)}/merge", replies.mapping, body)


def statistics(collection: str) -> Ask[Json]:
    """What it consists of."""
    return Ask("GET", f"{path_of(collection)}/statistics", replies.mapping)


def aliases() -> Ask[dict[str, str]]:
    """Collections by alias."""
    return Ask("GET", "/v1/aliases", _aliases)


def set_alias(alias: str, collection: str) -> Ask[str | None]:
    """Let a name mean a collection; what it meant before."""
    body = {"collection": collection}
    return Ask("PUT", f"/v1/aliases/{quoted(alias)}", lambda said: said["before"], body)


def delete_alias(alias: str) -> Ask[None]:
    """Let a name mean nothing; asked twice, the second finds none."""
    path = f"/v1/aliases/{quoted(alias)}"
    return Ask("DELETE", path, replies.nothing, repeatable=False)


def snapshot_path(collection: str) -> str:
    """Where its snapshots come from and go to."""
    return f"{path_of(collection)}/snapshot"


def filters_of(
    given: Filter | Sequence[Filter | None] | None, n_queries: int
) -> list[Filter | None]:
    """One a query, of one for all or of a list."""
    if given is None or isinstance(given, str | Mapping):
        return [given] * n_queries
    return list(given)


def _aliases(said: Any) -> dict[str, str]:
    return {entry["alias"]: entry["collection"] for entry in said["aliases"]}
