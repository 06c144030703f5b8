"""What goes in and what comes out, as JSON? Requests are strict and refuse unknown names."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from lexmax.service.collections import NAME_RULE

CollectionName = Annotated[str, Path(pattern=NAME_RULE, description="Name of the collection")]

# A service loads no encoder from a path or a hub because a request names it. Reranking takes no
# parameters either: each set of them may be a model of its own in memory.
_EncoderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
_EncoderSpec = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}(\?[A-Za-z0-9_=&.,-]{1,200})?$")
]
_DocId = Annotated[str, Field(min_length=1, max_length=512)]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class CollectionSpec(_Request):
    """The indexes that a new collection keeps; null leaves one out."""

    sparse: _EncoderSpec | None = Field(default="bm25", examples=["bm25?stemmer=english"])
    multivector: _EncoderSpec | None = Field(default="minilm", examples=["minilm"])


class NewDocument(_Request):
    """A document to store; one with the same doc_id is replaced."""

    doc_id: _DocId = Field(examples=["guide/1"])
    text: str = Field(examples=["Segments are immutable."])
    title: str = Field(default="", examples=["Storage"])
    metadata: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class NewDocuments(_Request):
    """A batch of documents; of several with one doc_id the last one stays."""

    documents: list[NewDocument] = Field(min_length=1)


class DocumentIds(_Request):
    """Documents to delete; those that do not exist are passed over."""

    doc_ids: list[_DocId] = Field(min_length=1)


class SearchRequest(_Request):
    """One query; without `pipeline`, the best that the collection has."""

    query: str = Field(examples=["how are segments stored?"])
    k: int = Field(default=10, ge=1, description="Hits to return")
    pipeline: str | None = Field(default=None, max_length=64, examples=["hybrid"])


class TextDocument(_Request):
    """A text to score, as a mapping."""

    text: str


class RerankRequest(_Request):
    """Texts to order by how well they answer the query."""

    query: str = Field(examples=["how are segments stored?"])
    documents: list[str | TextDocument] = Field(min_length=1)
    top_n: int | None = Field(default=None, ge=1, description="Results to return; null for all")
    model: _EncoderName = "minilm"


class CollectionEntry(_Reply):
    """One line of the list of collections."""

    name: str


class CollectionList(_Reply):
    """All collections, by name."""

    collections: list[CollectionEntry]


class SegmentReply(_Reply):
    """One segment of a collection."""

    segment_id: str
    n_docs: int
    bytes: int


class CollectionReply(_Reply):
    """What a collection holds and can do; `bytes` are those on disk."""

    name: str
    n_docs: int
    n_pending: int = Field(description="Documents that are searchable but in no segment yet")
    generation: int = Field(description="Grows with every change")
    encoders: dict[str, str]
    pipelines: list[str]
    segments: list[SegmentReply]
    bytes: int


class StoredReply(_Reply):
    """What storing a batch did; all of it is on disk and searchable."""

    added: int
    replaced: int
    unchanged: int


class DeletedReply(_Reply):
    """How many of the documents existed."""

    deleted: int


class DocumentReply(_Reply):
    """A stored document."""

    doc_id: str
    title: str
    text: str
    metadata: Mapping[str, JsonValue]


class HitReply(DocumentReply):
    """A document of a result, with what each stage gave it."""

    rank: int
    score: float
    scores: Mapping[str, float]


class SearchReply(_Reply):
    """Hits, best first, and milliseconds by stage."""

    hits: list[HitReply]
    pipeline: str
    generation: int
    timings_ms: Mapping[str, float]


class RerankResult(_Reply):
    """One text of the request; `score` is null where the text has no tokens."""

    index: int = Field(description="Position in the request, from 0")
    score: float | None


class RerankReply(_Reply):
    """Texts of the request, best first; equal scores in the request's order."""

    results: list[RerankResult]
    model: str
    timings_ms: Mapping[str, float]


class StatusReply(_Reply):
    """How the service is."""

    status: str


class ProblemEntry(_Reply):
    """One value of the request that cannot be used."""

    at: str
    message: str
    kind: str


class ProblemReply(_Reply):
    """RFC 9457; `code` is stable, `detail` says what was found, expected and the remedy."""

    type: str
    code: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[ProblemEntry] = Field(default_factory=list[ProblemEntry])
