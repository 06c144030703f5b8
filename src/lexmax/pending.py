"""What has been stored but is in no segment yet? A small segment in memory, made when asked."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import SparseEncoder
from lexmax.encoders.shared_pass import DocumentPart
from lexmax.index.attributes import Attributes
from lexmax.index.catalog import Catalog
from lexmax.index.declared import attributes_of
from lexmax.index.fields import Fields
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.index.segment import Segment
from lexmax.passages import PassagePlan, Rows
from lexmax.pipeline import CollectionEncoders
from lexmax.types import SparseBatch, TokenBatch


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Pending documents so far: their texts, their encodings, and the segment made of these.

    Where documents are split, there is a text a passage.
    """

    segment: Segment = field(default_factory=lambda: Segment(np.zeros(0, np.int64), None, None))
    texts: tuple[str, ...] = ()
    sparse: SparseBatch | None = None
    tokens: TokenBatch | None = None
    pooled: NDArray[np.float32] | None = None
    fitted: SparseEncoder | None = None
    fitted_on: int = 0


class Pending:
    """Encodes each pending document once, and keeps the result until a segment holds it."""

    def __init__(self, encoders: CollectionEncoders) -> None:
        self._encoders = encoders
        self._encoded = _Encoded()

    def segment(
        self, catalog: Catalog, wanted: NDArray[np.int64], *, last_published: int, fields: Fields
    ) -> Segment:
        """The documents of these serials; ones that were wanted before may still be in it.

        It has columns of `fields`.
        """
        known = self._encoded.segment.serials
        if len(known) and known[0] <= last_published:
            self._encoded, known = _Encoded(), known[:0]
        new, before = wanted[~np.isin(wanted, known)], self._encoded.segment
        if len(new):
            # Replaced whole, so that an interruption leaves what was encoded before.
            self._encoded = self._extended(self._encoded, catalog, new)
        segment = self._encoded.segment
        if fields and not _has(segment, fields):
            columns = _columns(catalog, before, segment.serials, fields)
            segment = replace(segment, attributes=columns)
            self._encoded = replace(self._encoded, segment=segment)
        return segment

    def _extended(self, old: _Encoded, catalog: Catalog, serials: NDArray[np.int64]) -> _Encoded:
        plan = PassagePlan.from_json(catalog.setting(PASSAGES))
        rows = Rows.of(catalog.documents(serials), plan)
        new, spans = tuple(rows.texts), rows.spans
        fitted, fitted_on = self._fitted(old, new)
        wanted = self._encoders
        part = DocumentPart(
            new, sparse=fitted, multivector=wanted.multivector, pooled=wanted.pooled
        ).encode()
        sparse, tokens = _terms(old, fitted, part.sparse), _tokens(old, part.tokens)
        pooled = _vectors(old, part.pooled)
        held = np.concatenate([old.segment.serials, serials[rows.places]])
        if spans is not None and old.segment.passages is not None:
            spans = np.concatenate([old.segment.passages, spans])
        segment = Segment.in_memory(held, sparse, tokens, pooled, passages=spans)
        return _Encoded(segment, old.texts + new, sparse, tokens, pooled, fitted, fitted_on)

    def _fitted(self, old: _Encoded, new: tuple[str, ...]) -> tuple[SparseEncoder | None, int]:
        """Constants are measured again when the pending documents have doubled."""
        if (encoder := self._encoders.sparse) is None:
            return None, 0
        texts = old.texts + new
        if old.fitted is None or len(texts) >= 2 * old.fitted_on:
            return encoder.fitted(texts), len(texts)
        return old.fitted, old.fitted_on


def _has(segment: Segment, fields: Fields) -> bool:
    return segment.attributes is not None and segment.attributes.fields == fields


def _columns(
    catalog: Catalog, before: Segment, serials: NDArray[np.int64], fields: Fields
) -> Attributes:
    """Columns of these documents, of which those of a segment before come first."""
    if before.attributes is None or before.attributes.fields != fields:
        return attributes_of(catalog, serials, fields)
    new = attributes_of(catalog, serials[len(before) :], fields)
    parts = [(before.attributes, np.arange(len(before))), (new, np.arange(new.n_docs))]
    return Attributes.concatenate(parts)


def _terms(
    old: _Encoded, fitted: SparseEncoder | None, new: SparseBatch | None
) -> SparseBatch | None:
    """Of all documents; those of before are encoded again only if constants have changed."""
    if fitted is None or new is None or old.fitted is None or old.sparse is None:
        return new
    same = fitted.fingerprint == old.fitted.fingerprint and fitted.spec == old.fitted.spec
    before = old.sparse if same else fitted.encode_documents(old.texts)
    return SparseBatch.concatenate([before, new])


def _tokens(old: _Encoded, new: TokenBatch | None) -> TokenBatch | None:
    if new is None or old.tokens is None:
        return new
    return TokenBatch.concatenate([old.tokens, new], new.dim)


def _vectors(old: _Encoded, new: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    return new if new is None or old.pooled is None else np.concatenate([old.pooled, new])
