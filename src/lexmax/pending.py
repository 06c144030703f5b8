"""What has been stored but is in no segment yet? A small segment in memory, made when asked."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import SparseEncoder
from lexmax.encoders.shared_pass import DocumentPart
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
        fitted, fitted_on = self._fitted(old, new)
        part = DocumentPart(new, sparse=fitted, multivector=self._encoders.multivector).encode()
        sparse, tokens = _terms(old, fitted, part.sparse), _tokens(old, part.tokens)
        segment = Segment.in_memory(np.concatenate([old.segment.serials, serials]), sparse, tokens)
        return _Encoded(segment, old.texts + new, sparse, tokens, fitted, fitted_on)

    def _fitted(self, old: _Encoded, new: tuple[str, ...]) -> tuple[SparseEncoder | None, int]:
        """Constants are measured again when the pending documents have doubled."""
        if (encoder := self._encoders.sparse) is None:
            return None, 0
        texts = old.texts + new
        if old.fitted is None or len(texts) >= 2 * old.fitted_on:
            return encoder.fitted(texts), len(texts)
        return old.fitted, old.fitted_on


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
