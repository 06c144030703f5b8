"""What does the JSON of a reply say?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lexmax.client.values import (
    CollectionDescription,
    Encoded,
    ExplainedSearch,
    RerankedText,
    Stored,
)
from lexmax.errors import InputError
from lexmax.results import Hit, Passage, SearchResult, StageReport
from lexmax.types import Document, SparseBatch, TokenBatch

UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, InputError)
"""What reading raises where a reply is not one of this service."""

Json = Mapping[str, Any]


def nothing(said: Any) -> None:
    """No answer but that it was done."""


def mapping(said: Any) -> Json:
    """The reply as it is."""
    return dict(said)


def names(said: Any) -> list[str]:
    """Names of collections."""
    return [entry["name"] for entry in said["collections"]]


def stored(said: Any) -> Stored:
    """What storing did."""
    return Stored(said["added"], said["replaced"], said["unchanged"])


def deleted(said: Any) -> int:
    """How many documents existed."""
    return int(said["deleted"])


def document(said: Any) -> Document:
    """One document."""
    return Document(said["doc_id"], said["text"], said["title"], said["metadata"])


def description(said: Any) -> CollectionDescription:
    """What a collection holds."""
    return CollectionDescription(
        name=said["name"],
        n_docs=said["n_docs"],
        n_pending=said["n_pending"],
        generation=said["generation"],
        encoders=said["encoders"],
        fields=said["fields"],
        pipelines=tuple(said["pipelines"]),
        bytes=said["bytes"],
        more=dict(said),
    )


def result(said: Any, query: str) -> SearchResult:
    """What a search found."""
    return SearchResult(
        query=query,
        pipeline=said["pipeline"],
        hits=tuple(_hit(hit) for hit in said["hits"]),
        timings_ms=said["timings_ms"],
        generation=said["generation"],
        stages=tuple(
            StageReport(one["stage"], one["n_in"], one["n_out"], one["ms"])
            for one in said["stages"]
        ),
        n_filtered=said["n_filtered"],
        partial=said["partial"],
        notes=tuple(said["notes"]),
    )


def explained(said: Any, query: str) -> ExplainedSearch:
    """What a search found and why."""
    found = result(said["result"], query)
    return ExplainedSearch(found, tuple(said["documents"]), said["feedback"])


def encoded(said: Any) -> Encoded:
    """Texts in numbers."""
    sparse, tokens, pooled = said["sparse"], said["multivector"], said["pooled"]
    return Encoded(
        sparse=None if sparse is None else _sparse(sparse),
        multivector=None if tokens is None else _tokens(tokens),
        pooled=None if pooled is None else np.array(pooled, np.float32),
        timings_ms=said["timings_ms"],
    )


def reranked(said: Any, texts: Sequence[str]) -> list[RerankedText]:
    """Texts in their order."""
    return [
        RerankedText(int(one["index"]), texts[int(one["index"])], one["score"])
        for one in said["results"]
    ]


def _hit(said: Any) -> Hit:
    passage = said["passage"]
    return Hit(
        rank=said["rank"],
        doc_id=said["doc_id"],
        score=said["score"],
        title=said["title"],
        text=said["text"],
        metadata=said["metadata"],
        scores=said["scores"],
        relevance=said["relevance"],
        passage=None
        if passage is None
        else Passage(passage["start"], passage["end"], passage["text"]),
    )


def _sparse(rows: Sequence[Json]) -> SparseBatch:
    return SparseBatch.stack(
        [(np.array(row["indices"], np.uint32), np.array(row["values"], np.float32)) for row in rows]
    )


def _tokens(rows: Sequence[Sequence[Sequence[float]]]) -> TokenBatch:
    dim = next((len(row[0]) for row in rows if row), 0)
    return TokenBatch.from_rows(
        [np.array(row, np.float32).reshape(len(row), dim) for row in rows], dim
    )
