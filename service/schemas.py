"""What goes in and what comes out, as JSON? Requests are strict and refuse unknown names."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from lexmax.creating import IndexChoice
from lexmax.index.fields import MAX_FIELDS, FieldType
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.pooled import PooledCodec
from lexmax.index.token_codec import Codec
from lexmax.passages import MAX_WINDOW, PassagePlan
from lexmax.service.collections import NAME_RULE
from lexmax.service.vector_schemas import VectorsSpec

CollectionName = Annotated[str, Path(pattern=NAME_RULE, description="Name of the collection")]

# A service loads no encoder from a path or a hub because a request names it. Reranking takes no
# parameters either: each set of them may be a model of its own in memory.
_EncoderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
SPEC_RULE = r"^[a-z0-9][a-z0-9_.-]{0,63}(\?[A-Za-z0-9_=&.,-]{1,200})?$"
_EncoderSpec = Annotated[str, Field(pattern=SPEC_RULE)]
_DocId = Annotated[str, Field(min_length=1, max_length=512)]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class PassagesSpec(_Request):
    """How documents are split: docs/long-documents.md."""

    window: int = Field(default=180, ge=1, le=MAX_WINDOW, description="Tokens of a passage at most")
    stride: int = Field(
        default=90, ge=1, le=MAX_WINDOW, description="Tokens from one passage to the next"
    )


class TokenPlanSpec(_Request):
    """What is built over token vectors, and how they are stored: docs/candidates.md."""

    codec: Codec = Field(default="int8", description="How token vectors are stored")
    centroids: bool = Field(default=True, description="Whether tokens get centroids")
    fde: bool = Field(default=True, description="Whether documents get fixed-dimensional encodings")
    fde_store: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="How these are kept; null chooses by size", examples=["pq4"]
    )
    recall: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the exact best that searches are to find; null for fixed numbers",
    )
    seed: int = Field(default=42, ge=0, lt=1 << 32)


class CollectionSpec(_Request):
    """The indexes that a new collection keeps; null leaves one out."""

    sparse: _EncoderSpec | None = Field(default="bm25", examples=["bm25?stemmer=english"])
    multivector: _EncoderSpec | None = Field(default="minilm", examples=["minilm"])
    pooled: _EncoderSpec | None = Field(
        default=None, description="Of one vector a document", examples=["minilm-pooled"]
    )
    pooled_codec: PooledCodec = Field(default="int8", description="How pooled vectors are stored")
    fields: dict[Annotated[str, Field(max_length=64)], FieldType] = Field(
        default_factory=dict[str, FieldType],
        max_length=MAX_FIELDS,
        description="Entries of the metadata that filters can name, with their types",
        examples=[{"year": "integer", "lang": "keyword"}],
    )
    passages: PassagesSpec | None = Field(
        default=None, description="How documents are split; null splits none"
    )
    tokens: TokenPlanSpec | None = Field(
        default=None, description="What is built over token vectors; null for the default"
    )
    neighbours: int = Field(
        default=0, ge=0, le=256, description="Of each document in a graph; 0 for no graph"
    )

    def as_choice(self) -> IndexChoice:
        """As a collection takes it.

        Raises:
            InputError: if numbers do not fit together.
        """
        given = {name: value for name, value in self if name not in ("tokens", "passages")}
        tokens, passages = self.tokens, self.passages
        return IndexChoice(
            **given,
            plan=MultiVectorPlan() if tokens is None else MultiVectorPlan(**tokens.model_dump()),
            passages=None if passages is None else PassagePlan(passages.window, passages.stride),
        )


class NewDocument(_Request):
    """A document to store; one with the same doc_id is replaced."""

    doc_id: _DocId = Field(examples=["guide/1"])
    text: str = Field(examples=["Segments are immutable."])
    title: str = Field(default="", examples=["Storage"])
    metadata: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    vectors: VectorsSpec | None = None


class NewDocuments(_Request):
    """A batch of documents; of several with one doc_id the last one stays."""

    documents: list[NewDocument] = Field(min_length=1)


class SearchRequest(_Request):
    """One query; without `pipeline`, the best that the collection has."""

    query: str = Field(
        default="",
        description="May be empty where vectors are given that are enough",
        examples=["how are segments stored?"],
    )
    vectors: VectorsSpec | None = None
    k: int = Field(default=10, ge=1, description="Hits to return")
    offset: int = Field(default=0, ge=0, description="Hits to leave out before them")
    pipeline: Annotated[str, Field(max_length=64)] | dict[str, JsonValue] | None = Field(
        default=None,
        description="A preset's name, or a pipeline as docs/pipelines.md describes them",
        examples=["hybrid"],
    )
    filter: dict[str, JsonValue] | str | None = Field(
        default=None,
        description="Conditions on declared fields, as docs/filters.md describes them",
        examples=[{"must": [{"field": "year", "range": {"gte": 2020}}]}],
    )
    timeout_ms: float | None = Field(
        default=None, gt=0, description="When to leave out the stages that can be left out"
    )
    min_relevance: float | None = Field(
        default=None, ge=0, le=1, description="Of what is returned; needs a calibration"
    )


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
    n_passages: int | None = Field(default=None, description="Where documents are split")


class CollectionReply(_Reply):
    """What a collection holds and can do; `bytes` are those on disk."""

    name: str
    n_docs: int
    n_pending: int = Field(description="Documents that are searchable but in no segment yet")
    generation: int = Field(description="Grows with every change")
    encoders: dict[str, str]
    fields: dict[str, FieldType]
    passages: dict[str, int] | None = Field(
        description="Window and stride in tokens; null where documents are not split"
    )
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


class PassageReply(_Reply):
    """A piece of a document."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    start: int = Field(description="In characters of the document's text, from 0")
    end: int = Field(description="The first character behind it")
    text: str


class HitReply(DocumentReply):
    """A document of a result, with what each stage gave it."""

    rank: int
    score: float
    scores: Mapping[str, float]
    relevance: float | None = Field(
        default=None, description="From 0 to 1, where the pipeline has a calibration"
    )
    passage: PassageReply | None = Field(
        default=None, description="Its best one, where documents are split"
    )


class StageReply(_Reply):
    """What one stage did."""

    stage: str
    n_in: int = Field(description="Hits that went in")
    n_out: int = Field(description="Hits that came out")
    ms: float


class SearchReply(_Reply):
    """Hits, best first, and milliseconds by stage."""

    hits: list[HitReply]
    pipeline: str
    generation: int
    timings_ms: Mapping[str, float]
    stages: list[StageReply] = Field(description="In the order in which they ran")
    n_filtered: int | None = Field(description="Hits that were not relevant enough")
    partial: bool = Field(description="Whether time ran out before all stages had run")
    notes: list[str] = Field(description="What should be known, such as a stage left out")


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
