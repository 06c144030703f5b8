"""Which documents does a collection take? Those whose metadata and vectors fit its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from lexmax.encoders.given import GivenReader
from lexmax.errors import DocumentError, ShapeError
from lexmax.index.catalog import Catalog
from lexmax.index.declared import declared_fields
from lexmax.index.fields import Fields, check_metadata
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.index.pooled import SETTING as POOLED_CODEC
from lexmax.index.pooled import PooledCodec, check_storable, kept_codec
from lexmax.pipeline import CollectionEncoders
from lexmax.types import Document
from lexmax.vectors import GivenRow


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What documents are held to before they are stored.

    Attributes:
        fields: That are declared, with their types.
        given: Reads vectors as the collection's encoders would give them.
        splits: Whether documents are split into passages, which come without vectors.
        pooled_codec: How pooled vectors are stored.
    """

    fields: Fields
    given: GivenReader
    splits: bool
    pooled_codec: PooledCodec = "int8"

    @staticmethod
    def of(catalog: Catalog, encoders: CollectionEncoders) -> "Acceptance":
        """That of a collection as it is now."""
        splits = catalog.setting(PASSAGES) is not None
        codec = kept_codec(catalog.setting(POOLED_CODEC))
        return Acceptance(declared_fields(catalog), encoders.given, splits, codec)

    def check(self, document: Document) -> None:
        """Refuse a document that cannot be stored.

        Raises:
            DocumentError: if a declared field has a value of another type, vectors that no encoder
                makes are missing, or those that are given do not fit.
        """
        check_metadata(document, self.fields)
        if self._takes_vectors_of(document):
            self._row(document)

    def rows(self, documents: Sequence[Document]) -> Sequence[GivenRow]:
        """The vectors that came with these documents; () where none has any, or needs any.

        Raises:
            DocumentError: as `check`.
        """
        if not any(map(self._takes_vectors_of, documents)):
            return ()
        return [self._row(document) for document in documents]

    def _takes_vectors_of(self, document: Document) -> bool:
        return bool(self.given.required) or document.vectors is not None

    def _row(self, document: Document) -> GivenRow:
        try:
            row = self.given.row(document.vectors)
            if row.pooled is not None:
                # Once stored, a document that cannot be indexed would stop every search.
                check_storable(row.pooled, self.pooled_codec)
        except ShapeError as error:
            raise DocumentError(f"document {document.doc_id!r}: {error}") from error
        if missing := self.given.missing(row):
            raise DocumentError(
                f"document {document.doc_id!r} has no vectors called {missing}, and this "
                "collection makes none of its text; expected them with every document"
            )
        if self.splits and not row.is_empty:
            raise DocumentError(
                f"document {document.doc_id!r} has vectors, but this collection splits documents "
                "into passages; leave the vectors out, or use a collection that keeps them whole"
            )
        return row
