"""What is sent for each question, and what is its answer? Without sending anything."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote

from lexmax.client import replies
from lexmax.client.values import (
    CollectionDescription,
    Encoded,
    ExplainedSearch,
    RerankedText,
    Stored,
)
from lexmax.errors import InputError
from lexmax.results import SearchResult, refuse_text
from lexmax.types import Document, each_document
from lexmax.vectors import Query, Vectors

T = TypeVar("T")
Json: TypeAlias = Mapping[str, Any]
PipelineOrName: TypeAlias = str | Json
Filter: TypeAlias = str | Json
InputType: TypeAlias = Literal["query", "document"]

NO_DOCUMENT = "document_not_found"
"""The code of a reply that says that there is no such document."""

_MOST_DOCUMENTS = 500
_MOST_CHARS = 4_000_000
_CHARS_A_NUMBER = 12


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One request.

    Attributes:
        method: Of HTTP.
        path: Below the service's address.
        read: What the JSON of its reply says.
        body: JSON; None for none.
        repeatable: Whether asking twice does what asking once does.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    read: Callable[[Any], T]
    body: Json | None = None
    repeatable: bool = field(default=True, kw_only=True)

    @property
    def content(self) -> bytes | None:
        """The bytes of the body.

        Raises:
            InputError: if it holds what JSON cannot: NaN, a lone surrogate, or another type.
        """
        if self.body is None:
            return None
        try:
            return json.dumps(self.body, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InputError(
                f"found what JSON cannot hold: {error}; expected texts in valid Unicode, finite "
                "numbers, lists and mappings; convert it"
            ) from error


@dataclass(frozen=True, slots=True)
class Search:
    """How a collection is searched, beside the query and the number of hits."""

    pipeline: PipelineOrName | None = None
    filter: Filter | None = None
    offset: int = 0
    timeout_ms: float | None = None
    min_relevance: float | None = None

    def body(self, query: str | Query, k: int) -> dict[str, Any]:
        """As the service takes it; what is left at its default is left out."""
        vectors = query.vectors if isinstance(query, Query) else None
        said = {
            "query": text_of(query),
            "vectors": None if vectors is None else vectors.to_json(),
            "k": k,
            "pipeline": self.pipeline,
            "filter": self.filter,
            "offset": self.offset or None,
            "timeout_ms": self.timeout_ms,
            "min_relevance": self.min_relevance,
        }
        return {name: value for name, value in said.items() if value is not None}


def status() -> Ask[Json]:
    """How the service is."""
    return Ask("GET", "/v1/status", replies.mapping)


def collections() -> Ask[list[str]]:
    """Names of the collections."""
    return Ask("GET", "/v1/collections", replies.names)


def create(collection: str, spec: Json) -> Ask[CollectionDescription]:
    """A new collection; asked twice, the second is refused."""
    return Ask("PUT", path_of(collection), replies.description, spec, repeatable=False)


def describe(collection: str) -> Ask[CollectionDescription]:
    """What it holds."""
    return Ask("GET", path_of(collection), replies.description)


def delete_collection(collection: str) -> Ask[None]:
    """Remove it; asked twice, the second finds none."""
    return Ask("DELETE", path_of(collection), replies.nothing, repeatable=False)


def add(collection: str, documents: Sequence[Document]) -> Ask[Stored]:
    """Store documents; those that are there already are left as they are."""
    body = {"documents": [document_body(document) for document in documents]}
    return Ask("POST", f"{path_of(collection)}/documents", replies.stored, body)


def get(collection: str, doc_id: str) -> Ask[Document]:
    """One document."""
    return Ask("GET", f"{path_of(collection)}/documents/{quoted(doc_id)}", replies.document)


def delete(collection: str, doc_ids: Iterable[str]) -> Ask[int]:
    """Delete documents; those that do not exist are passed over."""
    refuse_text("doc_ids", doc_ids)
    body = {"doc_ids": list(doc_ids)}
    return Ask("POST", f"{path_of(collection)}/documents/delete", replies.deleted, body)


def text_of(query: str | Query) -> str:
    """The text of a query."""
    return query.text if isinstance(query, Query) else query


def search(collection: str, query: str | Query, k: int, how: Search) -> Ask[SearchResult]:
    """The best documents."""
    return Ask(
        "POST",
        f"{path_of(collection)}/search",
        lambda said: replies.result(said, text_of(query)),
        how.body(query, k),
    )


def explain(
    collection: str, query: str | Query, k: int, *, doc_id: str | None, how: Search
) -> Ask[ExplainedSearch]:
    """The best documents and why, or why one document."""
    more = {} if doc_id is None else {"doc_id": doc_id}
    return Ask(
        "POST",
        f"{path_of(collection)}/explain",
        lambda said: replies.explained(said, text_of(query)),
        how.body(query, k) | more,
    )


def encode(
    texts: Sequence[str],
    *,
    input_type: InputType,
    sparse: str | None,
    multivector: str | None,
    pooled: str | None,
) -> Ask[Encoded]:
    """Texts in numbers."""
    refuse_text("texts", texts)
    models = {"sparse": sparse, "multivector": multivector, "pooled": pooled}
    named = {kind: name for kind, name in models.items() if name is not None}
    body = {"texts": list(texts), "input_type": input_type, **named}
    return Ask("POST", "/v1/encode", replies.encoded, body)


def rerank(
    query: str, texts: Sequence[str], *, top_n: int | None, model: str | None
) -> Ask[list[RerankedText]]:
    """Texts in their order for the query."""
    refuse_text("texts", texts)
    given = list(texts)
    more = {"top_n": top_n, "model": model}
    body = {
        "query": query,
        "documents": given,
        **{name: value for name, value in more.items() if value is not None},
    }
    return Ask("POST", "/v1/rerank", lambda said: replies.reranked(said, given), body)


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """The documents in their order, as many together as a service takes at once."""
    batch: list[Document] = []
    n_chars = 0
    for document in each_document(documents):
        size = len(document.text) + len(document.title) + _chars_of(document.vectors)
        if batch and (len(batch) == _MOST_DOCUMENTS or n_chars + size > _MOST_CHARS):
            yield batch
            batch, n_chars = [], 0
        batch.append(document)
        n_chars += size
    if batch:
        yield batch


def document_body(document: Document) -> dict[str, Any]:
    """A document as the service takes it."""
    vectors = {} if document.vectors is None else {"vectors": document.vectors.to_json()}
    return {
        "doc_id": document.doc_id,
        "text": document.text,
        "title": document.title,
        "metadata": dict(document.metadata),
        **vectors,
    }


def _chars_of(vectors: Vectors | None) -> int:
    """About how many characters they have in JSON."""
    if vectors is None:
        return 0
    n_numbers = sum(0 if part is None else part.size for part in (vectors.tokens, vectors.pooled))
    return _CHARS_A_NUMBER * (n_numbers + 2 * len(vectors.sparse or ()))


def path_of(collection: str) -> str:
    """Where it is found."""
    return f"/v1/collections/{quoted(collection)}"


def quoted(name: str) -> str:
    """A name as part of a path."""
    if not name:
        raise InputError("found an empty name; expected that of a collection or a document")
    return quote(name, safe="")
