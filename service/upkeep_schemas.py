"""What goes in and comes out, as JSON, where a collection is kept in order?"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from lexmax.index.fields import MAX_FIELDS, FieldType
from lexmax.service.collections import NAME_RULE


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class NewFields(_Request):
    """Entries of the metadata that filters can name from now on."""

    fields: dict[Annotated[str, Field(max_length=64)], FieldType] = Field(
        min_length=1, max_length=MAX_FIELDS, examples=[{"year": "integer", "lang": "keyword"}]
    )


class FieldsReply(_Reply):
    """All fields that the collection has now."""

    fields: Mapping[str, FieldType]
    n_segments: int = Field(description="Segments that got columns for new ones")


class FlushReply(_Reply):
    """What became of pending documents."""

    n_segments: int = Field(description="Segments that were made of them")


class MergeRequest(_Request):
    """How much to merge."""

    everything: bool = Field(
        default=False,
        description="Make as few segments as may be and drop every deleted document, however much "
        "there is to copy",
    )
    neighbours: int | None = Field(
        default=None,
        ge=0,
        le=256,
        description="Keep a graph of so many nearest neighbours of each document from now on, and "
        "rewrite segments that lack it; 0 for none, null for what there is",
    )


class ExtentReply(_Reply):
    """Published segments, documents in them, deleted ones included, and bytes."""

    n_segments: int
    n_docs: int
    n_bytes: int


class MergeReply(_Reply):
    """What merging did."""

    n_merges: int
    n_dropped: int = Field(description="Deleted documents that are gone from the disk")
    before: ExtentReply
    after: ExtentReply
    seconds: float


class SegmentStatistics(_Reply):
    """What one segment holds; what it has no index for is null."""

    segment_id: str
    n_docs: int = Field(description="Deleted ones included")
    n_deleted: int = Field(description="Of them; a merge drops them")
    n_passages: int | None = Field(description="Where documents are split")
    n_terms: int | None
    n_postings: int | None
    n_tokens: int | None = Field(description="Token vectors")
    bytes: Mapping[str, int] = Field(description="By kind of file")


class StatisticsReply(_Reply):
    """What a collection consists of."""

    name: str
    generation: int = Field(description="Grows with every change")
    n_docs: int
    n_deleted: int = Field(description="That segments still hold")
    n_pending: int = Field(description="Documents that are searchable but in no segment yet")
    n_unseen: int = Field(description="Stored by a job that has not ended; no search finds them")
    n_tokens: int | None
    bytes: Mapping[str, int] = Field(description="By kind of file; catalog: the documents")
    segments: list[SegmentStatistics]


class AliasSpec(_Request):
    """The collection that an alias is to mean."""

    collection: str = Field(pattern=NAME_RULE, examples=["pets-2026"])


class AliasReply(_Reply):
    """What a name means; `before` is what it meant before, null if nothing."""

    alias: str
    collection: str
    before: str | None = None


class AliasEntry(_Reply):
    """One line of the list of aliases."""

    alias: str
    collection: str


class AliasList(_Reply):
    """Aliases of all collections that the key may read, by name."""

    aliases: list[AliasEntry]


class DocumentsToDelete(_Request):
    """By their ids, where those that do not exist are passed over, or by a filter: one of both."""

    doc_ids: list[Annotated[str, Field(min_length=1, max_length=512)]] | None = Field(
        default=None, min_length=1, examples=[["guide/1"]]
    )
    filter: dict[str, JsonValue] | str | None = Field(
        default=None,
        description="Conditions on declared fields, as docs/filters.md describes them; at least "
        "one clause",
        examples=[{"must": [{"field": "year", "range": {"lt": 2020}}]}],
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "DocumentsToDelete":
        if (self.doc_ids is None) == (self.filter is None):
            raise ValueError("expected either doc_ids or filter; give one of them")
        return self
