"""What has been stored but is in no segment yet? A few small segments in memory, made when asked.

Documents that come one after another would make one segment of all of them dear: it would be
indexed anew with each. So each lot becomes a segment of its own, and neighbours of about one size
become one, as in a log-structured merge tree: a document is indexed a few times, not hundreds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lexmax import constants
from lexmax.encoders import SparseEncoder
from lexmax.encoders.inputs import InputPart, Inputs
from lexmax.encoders.shared_pass import Encoded
from lexmax.index.attributes import Attributes
from lexmax.index.catalog import Catalog
from lexmax.index.declared import attributes_of
from lexmax.index.fields import Fields
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.index.pooled import SETTING as POOLED_CODEC
from lexmax.index.pooled import PooledCodec, kept_codec
from lexmax.index.segment import Segment
from lexmax.index.token_codec import Codec
from lexmax.passages import PassagePlan, Rows, Spans
from lexmax.pipeline import CollectionEncoders
from lexmax.types import SparseBatch, TokenBatch, absent

# A lot joins the one before it as long as that is less than so many times as large.
_RATIO = 2


@dataclass(frozen=True, slots=True)
class _Fitted:
    """The sparse encoder with constants measured on the first `n_texts` pending texts."""

    encoder: SparseEncoder | None = None
    n_texts: int = 0


@dataclass(frozen=True, slots=True)
class _Codecs:
    """How vectors are kept in memory: as segments keep them, where that needs no centroids."""

    tokens: Codec
    pooled: PooledCodec

    @staticmethod
    def of(catalog: Catalog) -> "_Codecs":
        plan = MultiVectorPlan.from_json(catalog.setting("multivector"))
        return _Codecs(plan.first_codec, kept_codec(catalog.setting(POOLED_CODEC)))


@dataclass(frozen=True, slots=True)
class _Lot:
    """Some pending documents: what is encoded, the encodings, and the segment made of these.

    Where documents are split, there is a text a passage.
    """

    segment: Segment
    inputs: Inputs
    encoded: Encoded
    spans: Spans | None
    codecs: _Codecs

    @staticmethod
    def of(
        serials: NDArray[np.int64],
        inputs: Inputs,
        encoded: Encoded,
        spans: Spans | None,
        codecs: _Codecs,
    ) -> "_Lot":
        """Indexes what was encoded; `serials` are those of the texts."""
        segment = Segment.in_memory(
            serials,
            encoded.sparse,
            encoded.tokens,
            encoded.pooled,
            passages=spans,
            token_codec=codecs.tokens,
            pooled_codec=codecs.pooled,
        )
        return _Lot(segment, inputs, encoded, spans, codecs)

    def then(self, other: "_Lot") -> "_Lot":
        """Both as one."""
        spans = None
        if self.spans is not None and other.spans is not None:
            spans = np.concatenate([self.spans, other.spans])
        joined = _Lot.of(
            np.concatenate([self.segment.serials, other.segment.serials]),
            self.inputs.then(other.inputs),
            _joined(self.encoded, other.encoded),
            spans,
            self.codecs,
        )
        return replace(joined, segment=_with_columns(joined.segment, self, other))


def _joined(one: Encoded, other: Encoded) -> Encoded:
    sparse = tokens = pooled = None
    if one.sparse is not None and other.sparse is not None:
        sparse = SparseBatch.concatenate([one.sparse, other.sparse])
    if one.tokens is not None and other.tokens is not None:
        tokens = TokenBatch.concatenate([one.tokens, other.tokens], other.tokens.dim)
    if one.pooled is not None and other.pooled is not None:
        pooled = np.concatenate([one.pooled, other.pooled])
    return Encoded(sparse, tokens, pooled)


def _with_columns(segment: Segment, one: _Lot, other: _Lot) -> Segment:
    """The segment with the columns that both have; without them, these are made when asked for."""
    left, right = one.segment.attributes, other.segment.attributes
    if left is None or right is None or left.fields != right.fields:
        return segment
    parts = [(part, np.arange(part.n_docs)) for part in (left, right)]
    return replace(segment, attributes=Attributes.concatenate(parts))


class Pending:
    """Encodes each pending document once, and keeps the result until a segment holds it."""

    def __init__(self, encoders: CollectionEncoders) -> None:
        self._encoders = encoders
        self._lots: tuple[_Lot, ...] = ()
        self._fitted = _Fitted()

    def segments(
        self, catalog: Catalog, wanted: NDArray[np.int64], *, last_published: int, fields: Fields
    ) -> list[Segment]:
        """The documents of these serials; ones that were wanted before may still be among them.

        They have columns of `fields`.
        """
        if self._lots and self._lots[0].segment.serials[0] <= last_published:
            self._lots, self._fitted = (), _Fitted()
        known = [lot.segment.serials for lot in self._lots]
        new = absent(wanted, np.sort(np.concatenate([np.zeros(0, np.int64), *known])))
        if len(new):
            # Replaced whole, so that an interruption leaves what was encoded before.
            self._lots, self._fitted = self._extended(catalog, new)
        if fields:
            self._lots = tuple(_complete(lot, catalog, fields) for lot in self._lots)
        return [lot.segment for lot in self._lots]

    def _extended(
        self, catalog: Catalog, serials: NDArray[np.int64]
    ) -> tuple[tuple[_Lot, ...], _Fitted]:
        rows = Rows.of(catalog.documents(serials), PassagePlan.from_json(catalog.setting(PASSAGES)))
        given = catalog.vectors(serials) if rows.spans is None else ()
        inputs = Inputs(tuple(rows.texts), given)
        fitted, lots = self._refitted(catalog, inputs), self._lots
        if not _are_same(fitted.encoder, self._fitted.encoder):
            lots = tuple(_with_terms(lot, fitted.encoder) for lot in lots)
        wanted = self._encoders
        part = InputPart(
            inputs, sparse=fitted.encoder, multivector=wanted.multivector, pooled=wanted.pooled
        )
        codecs = _Codecs.of(catalog)
        lot = _Lot.of(serials[rows.places], inputs, part.encode(), rows.spans, codecs)
        return _merged([*lots, lot]), fitted

    def _refitted(self, catalog: Catalog, new: Inputs) -> _Fitted:
        """The collection's constants; where it has none yet, those of the pending documents.

        These are measured again when the pending documents have doubled.
        """
        if (encoder := self._encoders.sparse) is None:
            return _Fitted()
        if (found := constants.known(catalog, encoder, self._encoders.registry)) is not None:
            return _Fitted(found)
        n_texts = len(new) + sum(len(lot.inputs) for lot in self._lots)
        if self._fitted.encoder is not None and n_texts < 2 * self._fitted.n_texts:
            return self._fitted
        before = (text for lot in self._lots for text in lot.inputs.texts)
        return _Fitted(encoder.fitted([*before, *new.texts]), n_texts)


def _merged(lots: Sequence[_Lot]) -> tuple[_Lot, ...]:
    """Lots that halve in size at least, from the first to the last."""
    found = list(lots)
    while len(found) > 1 and len(found[-2].segment) < _RATIO * len(found[-1].segment):
        last = found.pop()
        found[-1] = found[-1].then(last)
    return tuple(found)


def _are_same(one: SparseEncoder | None, other: SparseEncoder | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.fingerprint == other.fingerprint and one.spec == other.spec


def _with_terms(lot: _Lot, encoder: SparseEncoder | None) -> _Lot:
    """The lot with term weights by other constants; the other signals have none."""
    terms = InputPart(lot.inputs, sparse=encoder, multivector=None).encode().sparse
    encoded = Encoded(terms, lot.encoded.tokens, lot.encoded.pooled)
    made = _Lot.of(lot.segment.serials, lot.inputs, encoded, lot.spans, lot.codecs)
    segment = replace(made.segment, attributes=lot.segment.attributes)
    return replace(made, segment=segment)


def _complete(lot: _Lot, catalog: Catalog, fields: Fields) -> _Lot:
    """The lot with columns of all declared fields."""
    columns = lot.segment.attributes
    if columns is not None and columns.fields == fields:
        return lot
    columns = attributes_of(catalog, lot.segment.serials, fields)
    return replace(lot, segment=replace(lot.segment, attributes=columns))
