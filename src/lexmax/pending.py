"""What has been stored but is in no segment yet? A small segment in memory, made when asked."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import SparseEncoder
from lexmax.index.catalog import Catalog
from lexmax.index.segment import Segment
from lexmax.pipeline import CollectionEncoders
from lexmax.types import SparseBatch, TokenBatch


@dataclass(slots=True)
class _Encoded:
    """Pending documents so far: their texts, their encodings, and the segment made of these."""

    segment: Segment = field(default_factory=lambda: Segment(np.zeros(0, np.int64), None, None))
    texts: list[str] = field(default_factory=list[str])
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
            self._encode([document.full_text for document in catalog.documents(new)])
            done = self._encoded
            done.segment = Segment.in_memory(np.concatenate([known, new]), done.sparse, done.tokens)
        return self._encoded.segment

    def _encode(self, texts: list[str]) -> None:
        done = self._encoded
        done.texts += texts
        if (encoder := self._encoders.sparse) is not None:
            self._encode_terms(encoder, texts)
        if (by_tokens := self._encoders.multivector) is not None:
            old = [] if done.tokens is None else [done.tokens]
            new = by_tokens.encode_documents(texts)
            done.tokens = TokenBatch.concatenate([*old, new], by_tokens.dim)

    def _encode_terms(self, encoder: SparseEncoder, texts: list[str]) -> None:
        """Constants are measured again when the pending documents have doubled."""
        done = self._encoded
        old = [] if done.sparse is None else [done.sparse]
        if done.fitted is None or len(done.texts) >= 2 * done.fitted_on:
            done.fitted, done.fitted_on = encoder.fitted(done.texts), len(done.texts)
            old, texts = [], done.texts
        done.sparse = SparseBatch.concatenate([*old, done.fitted.encode_documents(texts)])
