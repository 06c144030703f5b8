"""What are these texts in numbers? A part of them at a time.

Between two parts the request may end, because its time is over or its client has left, and those
of other requests have their turn.
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import DenseEncoder, MultiVectorEncoder, SparseEncoder
from lexmax.service.calls import Call
from lexmax.service.limits import check_count
from lexmax.service.reranking import parts
from lexmax.service.served_encoders import ServedEncoders, tokens_of
from lexmax.types import SparseBatch, TokenBatch

R = TypeVar("R")
Side: TypeAlias = Literal["query", "document"]
SparseRow: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.float32]]

MOST_NUMBERS = 4_000_000
"""Of one reply: as JSON they are about 45 MB."""


class NoDocuments:
    """What a collection without documents knows about terms: TermStatistics."""

    n_docs = 0

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        """0 for each, (len(term_ids),)."""
        return np.zeros(len(term_ids), dtype=np.int64)


def sparse_rows(
    texts: Sequence[str], side: Side, *, spec: str, encoders: ServedEncoders, call: Call
) -> list[SparseRow]:
    """Of each text, term ids ascending and their weights.

    Queries whose weights follow from a collection get those of an empty one.

    Raises:
        EncoderError: if there is no such encoder.
        Refusal: 504 if the call's time is over.
    """
    encoder = encoders.sparse(spec)

    def encode(part: Sequence[str]) -> list[SparseRow]:
        found = (
            _sparse_queries(part, encoder, encoders)
            if side == "query"
            else encoder.encode_documents(part)
        )
        return [found.row(i) for i in range(len(part))]

    return _rows(texts, encode, call)


def token_rows(
    texts: Sequence[str], side: Side, *, spec: str, encoders: ServedEncoders, call: Call
) -> list[NDArray[np.float32]]:
    """Of each text, its token vectors, float32 (its tokens, dim).

    Raises:
        EncoderError: if there is no such encoder.
        Refusal: 422 if there are more than `MOST_NUMBERS`, 504 if the call's time is over.
    """
    encoder = encoders.multivector(spec)
    n_numbers = 0

    def encode(part: Sequence[str]) -> list[NDArray[np.float32]]:
        nonlocal n_numbers
        found = (
            _token_queries(part, encoder, encoders)
            if side == "query"
            else encoders.document_tokens(encoder, part)
        )
        n_numbers += found.vectors.size
        check_count("the reply", n_numbers, MOST_NUMBERS, unit="numbers")
        return [found.row(i) for i in range(len(part))]

    return _rows(texts, encode, call)


def pooled_rows(
    texts: Sequence[str], side: Side, *, spec: str, encoders: ServedEncoders, call: Call
) -> list[NDArray[np.float32]]:
    """Of each text, its one vector, float32 (dim,).

    Raises:
        EncoderError: if there is no such encoder.
        Refusal: 504 if the call's time is over.
    """
    encoder = encoders.dense(spec)

    def encode(part: Sequence[str]) -> list[NDArray[np.float32]]:
        if side == "query":
            return list(_pooled_queries(part, encoder, encoders))
        return list(encoder.encode_documents(part))

    return _rows(texts, encode, call)


def n_tokens_of(texts: Sequence[str]) -> int:
    """About how many tokens texts have, for those who count them."""
    return sum(map(tokens_of, texts))


def _rows(
    texts: Sequence[str], encode: Callable[[Sequence[str]], Sequence[R]], call: Call
) -> list[R]:
    found: dict[int, R] = {}
    for part in parts([tokens_of(text) for text in texts]):
        call.check()
        found.update(zip(part, encode([texts[i] for i in part]), strict=True))
    return [found[i] for i in range(len(texts))]


def _sparse_queries(
    texts: Sequence[str], encoder: SparseEncoder, encoders: ServedEncoders
) -> SparseBatch:
    found = encoders.encode_queries(texts, NoDocuments(), sparse=encoder, multivector=None)
    assert found.sparse is not None
    return found.sparse


def _token_queries(
    texts: Sequence[str], encoder: MultiVectorEncoder, encoders: ServedEncoders
) -> TokenBatch:
    found = encoders.encode_queries(texts, NoDocuments(), sparse=None, multivector=encoder)
    assert found.tokens is not None
    return found.tokens


def _pooled_queries(
    texts: Sequence[str], encoder: DenseEncoder, encoders: ServedEncoders
) -> NDArray[np.float32]:
    found = encoders.encode_queries(
        texts, NoDocuments(), sparse=None, multivector=None, pooled=encoder
    )
    assert found.pooled is not None
    return found.pooled
