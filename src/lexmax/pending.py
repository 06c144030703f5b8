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
from lexmax.vectors import GivenRow

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

    def past(self, serial: int) -> "_Lot | None":
        """What is stored after this serial; None where that is nothing, or no end of the lot."""
        later = self.segment.serials > serial
        first, last = len(later) - int(np.count_nonzero(later)), len(later)
        if first == 0:
            return self
        if first == last or not later[first:].all():
            return None
        spans = None if self.spans is None else self.spans[first:]
        encoded = _part(self.encoded, first, last)
        inputs = self.inputs.take(range(first, last))
        left = _Lot.of(self.segment.serials[first:], inputs, encoded, spans, self.codecs)
        if (columns := self.segment.attributes) is None:
            return left
        columns = Attributes.concatenate([(columns, np.arange(first, last))])
        return replace(left, segment=replace(left.segment, attributes=columns))

    def row(self, i: int, *, with_terms: bool) -> GivenRow:
        """The vectors of one text."""
        terms, tokens, pooled = self.encoded.sparse, self.encoded.tokens, self.encoded.pooled
        return GivenRow(
            terms.row(i) if terms is not None and with_terms else None,
            None if tokens is None else tokens.row(i),
            None if pooled is None else pooled[i],
        )

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


def _part(encoded: Encoded, start: int, stop: int) -> Encoded:
    return Encoded(
        None if encoded.sparse is None else encoded.sparse.slice(start, stop),
        None if encoded.tokens is None else encoded.tokens.slice(start, stop),
        None if encoded.pooled is None else encoded.pooled[start:stop],
    )


def _with_columns(segment: Segment, one: _Lot, other: _Lot) -> Segment:
    """The segment with the columns that both have; without them, these are made when asked for."""
    left, right = one.segment.attributes, other.segment.attributes
    if left is None or right is None or left.fields != right.fields:
        return segment
    parts = [(part, np.arange(part.n_docs)) for part in (left, right)]
    return replace(segment, attributes=Attributes.concatenate(parts))


@dataclass(frozen=True, slots=True)
class _Held:
    """All lots, and the encoder that their terms are by."""

    lots: tuple[_Lot, ...] = ()
    fitted: _Fitted = _Fitted()

    @property
    def serials(self) -> NDArray[np.int64]:
        """Of the texts, lot by lot."""
        return np.concatenate([np.zeros(0, np.int64), *(lot.segment.serials for lot in self.lots)])

    def is_partly_published(self, last: int) -> bool:
        """Whether segments up to this serial hold some of it."""
        return any(lot.segment.serials.min() <= last for lot in self.lots)


class Pending:
    """Encodes each pending document once, and keeps the result until a segment holds it.

    One thread at a time may ask for `segments`; any may ask for `encoded`.
    """

    def __init__(self, encoders: CollectionEncoders) -> None:
        self._encoders = encoders
        # Replaced whole, so that an interruption leaves what was encoded before.
        self._held = _Held()

    def segments(
        self, catalog: Catalog, wanted: NDArray[np.int64], *, last_published: int, fields: Fields
    ) -> list[Segment]:
        """The documents of these serials; ones that were wanted before may still be among them.

        They have columns of `fields`.
        """
        held = self._held
        left = [lot.past(last_published) for lot in held.lots]
        kept = _Held(tuple(lot for lot in left if lot is not None), held.fitted)
        new = absent(wanted, np.sort(kept.serials))
        if len(new) or held.is_partly_published(last_published):
            kept = self._extended(catalog, kept, new)
        if fields:
            kept = replace(kept, lots=tuple(_complete(lot, catalog, fields) for lot in kept.lots))
        self._held = kept
        return [lot.segment for lot in kept.lots]

    def encoded(
        self, serials: NDArray[np.int64], sparse: SparseEncoder | None
    ) -> Sequence[GivenRow]:
        """The vectors of these documents, a row each; () unless all of them are held.

        Term weights are among them where they are by the encoder `sparse`.
        """
        held = self._held
        known = held.serials
        order = np.argsort(known)
        if len(absent(serials, known[order])) or any(lot.spans is not None for lot in held.lots):
            return ()
        with_terms = _are_same(sparse, held.fitted.encoder)
        starts = np.cumsum([0, *(len(lot.inputs) for lot in held.lots)])
        places = order[np.searchsorted(known, serials, sorter=order)]
        numbers = np.searchsorted(starts, places, side="right") - 1
        lots: list[int] = numbers.tolist()
        rows: list[int] = (places - starts[numbers]).tolist()
        return [
            held.lots[lot].row(row, with_terms=with_terms)
            for lot, row in zip(lots, rows, strict=True)
        ]

    def _extended(self, catalog: Catalog, kept: _Held, serials: NDArray[np.int64]) -> _Held:
        """With the documents of these serials, and all terms by the constants of now."""
        rows = _rows(catalog, serials)
        fitted, lots = self._refitted(catalog, kept, rows.inputs), kept.lots
        if not _are_same(fitted.encoder, kept.fitted.encoder):
            lots = tuple(_with_terms(lot, fitted.encoder) for lot in lots)
        if len(serials) == 0:
            return _Held(lots, fitted)
        wanted = self._encoders
        part = InputPart(
            rows.inputs, sparse=fitted.encoder, multivector=wanted.multivector, pooled=wanted.pooled
        )
        lot = _Lot.of(rows.serials, rows.inputs, part.encode(), rows.spans, _Codecs.of(catalog))
        return _Held(_merged([*lots, lot]), fitted)

    def _refitted(self, catalog: Catalog, kept: _Held, new: Inputs) -> _Fitted:
        """The collection's constants; where it has none yet, those of the pending documents.

        These are measured again when the pending documents have doubled.
        """
        if (encoder := self._encoders.sparse) is None:
            return _Fitted()
        if (found := constants.known(catalog, encoder, self._encoders.registry)) is not None:
            return _Fitted(found)
        n_texts = len(new) + sum(len(lot.inputs) for lot in kept.lots)
        if kept.fitted.encoder is not None and n_texts < 2 * kept.fitted.n_texts:
            return kept.fitted
        before = (text for lot in kept.lots for text in lot.inputs.texts)
        return _Fitted(encoder.fitted([*before, *new.texts]), n_texts)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is to be encoded: inputs of each row, the document that it is of, and where in it."""

    serials: NDArray[np.int64]
    inputs: Inputs
    spans: Spans | None


def _rows(catalog: Catalog, serials: NDArray[np.int64]) -> _Rows:
    if len(serials) == 0:
        return _Rows(serials, Inputs(()), None)
    rows = Rows.of(catalog.documents(serials), PassagePlan.from_json(catalog.setting(PASSAGES)))
    given = catalog.vectors(serials) if rows.spans is None else ()
    return _Rows(serials[rows.places], Inputs(tuple(rows.texts), given), rows.spans)


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
