"""What may be asked of a collection, and what does it answer?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import InputError, QueryError
from lexmax.types import Json
from lexmax.vectors import Query

MAX_QUERY_CHARS = 8192


@dataclass(frozen=True, slots=True)
class StageReport:
    """What one stage did: hits that went in and came out, and milliseconds."""

    stage: str
    n_in: int
    n_out: int
    ms: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: where it lies in its text, in characters from 0, and what it says."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One document of a result.

    `scores` are what the stages gave it, by stage; `relevance`, from 0 to 1, is there where the
    pipeline has a calibration; `passage` is its best one where documents are split, and then
    `scores` are those of the passage.
    """

    rank: int
    doc_id: str
    score: float
    title: str
    text: str
    metadata: Mapping[str, Json]
    scores: Mapping[str, float]
    relevance: float | None = None
    passage: Passage | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one query, best first, from the state at `generation`.

    Attributes:
        stages: A line a stage, in the order in which they ran.
        n_filtered: Hits that were not relevant enough; None without a relevance filter.
        partial: Whether time ran out before all stages had run.
        notes: What a person should know, such as a stage that was skipped and why.
    """

    query: str
    pipeline: str
    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    generation: int
    stages: tuple[StageReport, ...] = ()
    n_filtered: int | None = None
    partial: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answers to a batch: an entry a query, best first; milliseconds are the batch's."""

    doc_ids: list[list[str]]
    scores: list[NDArray[np.float32]]
    timings_ms: Mapping[str, float]


def check_query(asked: object, k: object) -> str:
    """The text of a query; what no search of one query can answer is refused.

    Raises:
        QueryError: if the query is empty, too long or not valid text, or k is below 1.
    """
    vectors = asked.vectors if isinstance(asked, Query) else None
    query = asked.text if isinstance(asked, Query) else asked
    if not isinstance(query, str) or not isinstance(k, int | np.integer) or isinstance(k, bool):
        raise QueryError(
            f"found a query of type {type(query).__name__} and a k of type {type(k).__name__}; "
            "expected a text and a whole number"
        )
    if k < 1:
        raise QueryError(f"k is {k}; expected 1 or more; ask for at least one document")
    if not query.strip() and (vectors is None or vectors.is_empty):
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
    return query


def refuse_text(name: str, values: object) -> None:
    """Refuse one text where several values are expected.

    Raises:
        InputError: if `values` is a text: as a sequence of texts it would mean something else.
    """
    if isinstance(values, str | bytes):
        raise InputError(f"{name} is one text; expected a list; put it into brackets")


def each_query(queries: Iterable[str | Query]) -> list[str | Query]:
    """The queries as a list.

    Raises:
        InputError: if they are one text or a mapping, or one of them is no query.
    """
    refuse_text("queries", queries)
    if isinstance(queries, Mapping):
        raise InputError("queries is a mapping; expected a list; give its values, in their order")
    found: list[object] = list(queries)
    for place, query in enumerate(found):
        if not isinstance(query, str | Query):
            raise InputError(
                f"queries[{place}] is of type {type(query).__name__}; expected texts, or values "
                "of lexmax.Query; convert it"
            )
    return cast("list[str | Query]", found)


def check_doc_ids(doc_ids: Iterable[object]) -> list[str]:
    """The ids as a list.

    Raises:
        InputError: if they are one text, or one of them is no text that UTF-8 can store.
    """
    refuse_text("doc_ids", doc_ids)
    found = list(doc_ids)
    for doc_id in found:
        if not isinstance(doc_id, str):
            raise InputError(
                f"doc_ids holds a value of type {type(doc_id).__name__}; expected texts; "
                "convert it, or leave it out"
            )
        try:
            doc_id.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"doc_ids holds {doc_id!r:.60}, which UTF-8 cannot store at character "
                f"{error.start}; no document is called so; leave it out"
            ) from error
    return cast("list[str]", found)
