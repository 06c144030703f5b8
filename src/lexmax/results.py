"""What may be asked of a collection, and what does it answer?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import QueryError
from lexmax.types import Json

MAX_QUERY_CHARS = 8192


@dataclass(frozen=True, slots=True)
class Hit:
    """One document of a result; `scores` are what the stages gave it, by stage."""

    rank: int
    doc_id: str
    score: float
    title: str
    text: str
    metadata: Mapping[str, Json]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one query, best first, from the state at `generation`."""

    query: str
    pipeline: str
    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    generation: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answers to a batch: an entry a query, best first; milliseconds are the batch's."""

    doc_ids: list[list[str]]
    scores: list[NDArray[np.float32]]
    timings_ms: Mapping[str, float]


def check_query(query: object, k: object) -> None:
    """Refuse what no search of one query can answer.

    Raises:
        QueryError: if the query is empty, too long or not valid text, or k is below 1.
    """
    if not isinstance(query, str) or not isinstance(k, int) or isinstance(k, bool):
        raise QueryError(
            f"found a query of type {type(query).__name__} and a k of type {type(k).__name__}; "
            "expected a text and a whole number"
        )
    if k < 1:
        raise QueryError(f"k is {k}; expected 1 or more; ask for at least one document")
    if not query.strip():
        raise QueryError("the query is empty; expected at least one word")
    if len(query) > MAX_QUERY_CHARS:
        raise QueryError(
            f"the query has {len(query):,} characters; expected at most {MAX_QUERY_CHARS:,}; "
            "shorten it, or search for parts of it"
        )
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise QueryError(
            f"the query is not valid text at character {error.start}; expected UTF-8"
        ) from error
