"""Is the request larger than the service allows? Limits are settings: schemas cannot hold them."""

from lexmax.errors import QueryError
from lexmax.service.problems import OVER_LIMIT, Refusal
from lexmax.service.settings import Settings


def check_query(query: str, settings: Settings) -> None:
    """Refuse a query that is blank or too long.

    Raises:
        QueryError: if it is blank.
        Refusal: if it has more than `max_query_chars` characters.
    """
    if not query.strip():
        raise QueryError("the query is empty; expected at least one word; write one")
    check_count("query", len(query), settings.max_query_chars, unit="characters")


def check_count(name: str, found: int, limit: int, *, unit: str) -> None:
    """Refuse more than `limit`.

    Raises:
        Refusal: if `found` is more.
    """
    if found > limit:
        raise Refusal(
            OVER_LIMIT,
            f"{name}: found {found} {unit}; expected at most {limit}; send less at once",
        )
