"""How does each signal see the queries?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import DenseEncoder, Encoders, MultiVectorEncoder, SparseEncoder
from lexmax.encoders.inputs import Inputs, encode_inputs
from lexmax.encoders.shared_pass import Encoded
from lexmax.errors import EncoderError
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline.collection_encoders import CollectionEncoders
from lexmax.stages import Pipeline, Signal
from lexmax.types import SparseBatch, TokenBatch


@dataclass(frozen=True, slots=True)
class EncodedQueries:
    """The same queries as each signal sees them; None where no stage needs it.

    `pooled` is float32 (n_queries, dim).
    """

    texts: Sequence[str]
    sparse: SparseBatch | None = None
    tokens: TokenBatch | None = None
    pooled: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def is_empty(self, i: int) -> bool:
        """Whether query `i` has neither a term nor a token nor a vector."""
        terms = 0 if self.sparse is None else len(self.sparse.row(i)[0])
        tokens = 0 if self.tokens is None else len(self.tokens.row(i))
        return terms + tokens == 0 and (self.pooled is None or not self.pooled[i].any())

    def take(self, rows: Sequence[int]) -> "EncodedQueries":
        """Those queries, in this order."""
        if list(rows) == list(range(len(self))):
            return self
        sparse, tokens = self.sparse, self.tokens
        return EncodedQueries(
            [self.texts[i] for i in rows],
            None if sparse is None else SparseBatch.stack([sparse.row(i) for i in rows]),
            None
            if tokens is None
            else TokenBatch.from_rows([tokens.row(i) for i in rows], tokens.dim),
            None if self.pooled is None else self.pooled[list(rows)],
        )


def encode(
    pipeline: Pipeline, snapshot: Snapshot, encoders: CollectionEncoders, queries: Inputs
) -> EncodedQueries:
    """The queries for all signals of the pipeline, by one pass where these can share it.

    Raises:
        EncoderError: if documents were encoded by others than these encoders.
    """
    signals = pipeline.signals
    by_terms = encoders.sparse if "sparse" in signals else None
    by_tokens = encoders.multivector if "multivector" in signals else None
    by_text = encoders.pooled if "pooled" in signals else None
    if by_terms is not None:
        _require_same("sparse", by_terms, snapshot)
    if by_tokens is not None:
        _require_same("multivector", by_tokens, snapshot)
    if by_text is not None:
        _require_same("pooled", by_text, snapshot)
    found = encode_inputs(
        queries,
        partial(_encoded, encoders.registry, snapshot),
        sparse=by_terms,
        multivector=by_tokens,
        pooled=by_text,
    )
    return EncodedQueries(queries.texts, found.sparse, found.tokens, found.pooled)


def _encoded(
    registry: Encoders, snapshot: Snapshot, texts: Sequence[str], **encoders: Any
) -> Encoded:
    return registry.encode_queries(texts, snapshot, **encoders)


def _require_same(
    signal: Signal, encoder: SparseEncoder | MultiVectorEncoder | DenseEncoder, snapshot: Snapshot
) -> None:
    for found in snapshot.fingerprints(signal) - {encoder.fingerprint}:
        raise EncoderError(
            f"documents were encoded by {found}, but this installation's {signal} encoder is "
            f"{encoder.fingerprint}; install the one that they were encoded by, or index the "
            "corpus again"
        )
