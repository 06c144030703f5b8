"""What has been stored but is in no segment yet? A small segment in memory, made when asked."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import SparseEncoder
from lexmax.index.catalog import Catalog
from lexmax.index.segment import Segment
from lexmax.pipeline import CollectionEncoders
from lexmax.types import SparseBatch, TokenBatch


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Pending documents so far: their texts, their encodings, and the segment made of these."""

    segment: Segment = field(default_factory=lambda: Segment(np.zeros(0, np.int64), None, None))
    texts: tuple[str, ...] = ()
    sparse: SparseBatch | None = None
    tokens: TokenBatch | None = None
    fitted: SparseEncoder | None = None
    fitted_on: int = 0


class Pending:
    """Encodes each pending document once, and keeps the result until a segment holds it."""

    def __init__(self, encoders: CollectionEncoders) -> None:
        self._encoders = encoders
        self._encoded = _Encoded()

    def segment(
        self, catalog: Catalog, wanted: NDArray[np.int64], *, last_published: int
    ) -> Segment:
        """The documents of these serials; ones that were wanted before may still be in it."""
        known = self._encoded.segment.serials
        if len(known) and known[0] <= last_published:
            self._encoded, known = _Encoded(), known[:0]
        new = wanted[~np.isin(wanted, known)]
        if len(new):
            # Replaced whole, so that an interruption leaves what was encoded before.
            self._encoded = self._extended(self._encoded, catalog, new)
        return self._encoded.segment

    def _extended(self, old: _Encoded, catalog: Catalog, serials: NDArray[np.int64]) -> _Encoded:
        new = tuple(document.full_text for document in catalog.documents(serials))
        fitted, fitted_on, sparse = self._terms(old, new)
        tokens = self._tokens(old, new)
        segment = Segment.in_memory(np.concatenate([old.segment.serials, serials]), sparse, tokens)
        return _Encoded(segment, old.texts + new, sparse, tokens, fitted, fitted_on)

    def _terms(
        self, old: _Encoded, new: tuple[str, ...]
    ) -> tuple[SparseEncoder | None, int, SparseBatch | None]:
        """Constants are measured again when the pending documents have doubled."""
        if (encoder := self._encoders.sparse) is None:
            return None, 0, None
        texts = old.texts + new
        if old.fitted is None or old.sparse is None or len(texts) >= 2 * old.fitted_on:
            fitted = encoder.fitted(texts)
            return fitted, len(texts), fitted.encode_documents(texts)
        encoded = [old.sparse, old.fitted.encode_documents(new)]
        return old.fitted, old.fitted_on, SparseBatch.concatenate(encoded)

    def _tokens(self, old: _Encoded, new: tuple[str, ...]) -> TokenBatch | None:
        if (encoder := self._encoders.multivector) is None:
            return None
        before = [] if old.tokens is None else [old.tokens]
        return TokenBatch.concatenate([*before, encoder.encode_documents(new)], encoder.dim)
