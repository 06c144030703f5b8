"""What has been stored but is in no segment yet? A small segment in memory, made when asked."""

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import SparseEncoder
from lexmax.index.catalog import Catalog
from lexmax.index.segment import Segment
from lexmax.pipeline import CollectionEncoders
from lexmax.types import SparseBatch, TokenBatch


class Pending:
    """Encodes each pending document once, and keeps the result until a segment holds it."""

    def __init__(self, encoders: CollectionEncoders) -> None:
        self._encoders = encoders
        self._texts: list[str] = []
        self._fitted_on = 0
        self._sparse_encoder: SparseEncoder | None = None
        self._segment = Segment(np.zeros(0, np.int64), None, None)
        self._sparse: SparseBatch | None = None
        self._tokens: TokenBatch | None = None

    def segment(
        self, catalog: Catalog, wanted: NDArray[np.int64], *, last_published: int
    ) -> Segment:
        """The documents of these serials; ones that were wanted before may still be in it."""
        self._forget_published(last_published)
        new = wanted[~np.isin(wanted, self._segment.serials)]
        if len(new):
            texts = [document.full_text for document in catalog.documents(new)]
            self._encode(texts)
            serials = np.concatenate([self._segment.serials, new])
            self._segment = Segment.in_memory(serials, self._sparse, self._tokens)
        return self._segment

    def _forget_published(self, last_published: int) -> None:
        if len(self._segment) and self._segment.serials[0] <= last_published:
            self.__init__(self._encoders)

    def _encode(self, texts: list[str]) -> None:
        self._texts += texts
        if (encoder := self._encoders.sparse) is not None:
            self._encode_terms(encoder, texts)
        if (by_tokens := self._encoders.multivector) is not None:
            old = [] if self._tokens is None else [self._tokens]
            new = by_tokens.encode_documents(texts)
            self._tokens = TokenBatch.concatenate([*old, new], by_tokens.dim)

    def _encode_terms(self, encoder: SparseEncoder, texts: list[str]) -> None:
        """Constants are measured again when the pending documents have doubled."""
        old = [] if self._sparse is None else [self._sparse]
        if self._sparse_encoder is None or len(self._texts) >= 2 * self._fitted_on:
            self._sparse_encoder = encoder.fitted(self._texts)
            self._fitted_on = len(self._texts)
            old, texts = [], self._texts
        self._sparse = SparseBatch.concatenate(
            [*old, self._sparse_encoder.encode_documents(texts)]
        )
