"""Which encoders make nothing, because vectors of both documents and queries are given?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.contract import DenseEncoder, MultiVectorEncoder, NamesTerms, SparseEncoder
from lexmax.errors import EncoderError, QueryError, ShapeError
from lexmax.types import TokenBatch
from lexmax.vectors import MAX_DIM, NOTHING, GivenRow, Terms, TermWeights, Vectors

Part: TypeAlias = Literal["sparse", "tokens", "pooled"]

_LARGEST_TOKEN_VALUE = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class GivenTokens:
    """Token vectors that come with every document and every query.

    Attributes:
        dim: Coordinates of one token vector.

    Raises:
        EncoderError: if it is no number from 1 to 65,536.
    """

    dim: int

    def __post_init__(self) -> None:
        _check_dim(self.dim)

    @property
    def spec(self) -> str:
        """What `Encoders.multivector` makes this very encoder from."""
        return f"given?dim={self.dim}"

    @property
    def fingerprint(self) -> str:
        """As the spec: nothing is known of what made the vectors."""
        return self.spec

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        """Only no documents can be encoded.

        Raises:
            EncoderError: if there is a text.
        """
        if texts:
            raise EncoderError(_without("document", "tokens", f"of {self.dim} dimensions each"))
        return TokenBatch.from_rows([], self.dim)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        """Only no queries can be encoded.

        Raises:
            QueryError: if there is a text.
        """
        if texts:
            raise QueryError(_without("query", "tokens", f"of {self.dim} dimensions each"))
        return TokenBatch.from_rows([], self.dim)


@dataclass(frozen=True, slots=True)
class GivenPooled:
    """One vector that comes with every document and every query.

    Attributes:
        dim: Its coordinates.

    Raises:
        EncoderError: if it is no number from 1 to 65,536.
    """

    dim: int

    def __post_init__(self) -> None:
        _check_dim(self.dim)

    @property
    def spec(self) -> str:
        """What `Encoders.dense` makes this very encoder from."""
        return f"given-pooled?dim={self.dim}"

    @property
    def fingerprint(self) -> str:
        """As the spec: nothing is known of what made the vectors."""
        return self.spec

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Only no documents can be encoded.

        Raises:
            EncoderError: if there is a text.
        """
        if texts:
            raise EncoderError(_without("document", "pooled", f"of {self.dim} dimensions"))
        return np.zeros((0, self.dim), np.float32)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Only no queries can be encoded.

        Raises:
            QueryError: if there is a text.
        """
        if texts:
            raise QueryError(_without("query", "pooled", f"of {self.dim} dimensions"))
        return np.zeros((0, self.dim), np.float32)


def _check_dim(dim: object) -> None:
    if not isinstance(dim, int) or not 1 <= dim <= MAX_DIM:
        raise EncoderError(
            f"given vectors of {dim} dimensions; expected 1 to {MAX_DIM:,}, as in given?dim=128"
        )


def _without(what: str, part: str, expected: str) -> str:
    return (
        f"a {what} has a text only, but vectors of this collection are given; expected its "
        f"vectors too: {part}, {expected}"
    )


@runtime_checkable
class ReadsNames(Protocol):
    """A sparse encoder that can say which id a term has."""

    def term_ids(self, terms: Sequence[str]) -> list[int]:
        """Ids of these terms."""
        ...


class HasEncoders(Protocol):
    """Encoders of a collection, each loaded when it is first asked for; None without its index."""

    @property
    def sparse(self) -> SparseEncoder | None:
        """What gives term weights."""
        ...

    @property
    def multivector(self) -> MultiVectorEncoder | None:
        """What gives token vectors."""
        ...

    @property
    def pooled(self) -> DenseEncoder | None:
        """What gives one vector a text."""
        ...


@dataclass(frozen=True)
class GivenReader:
    """Reads vectors that people give as rows of what these encoders would have made.

    Attributes:
        encoders: Of the collection.
        required: Parts of vectors that no encoder makes of a text.
    """

    encoders: HasEncoders
    required: Sequence[Part] = ()

    def row(self, vectors: Vectors | None) -> GivenRow:
        """What is given, checked against the encoders.

        Raises:
            ShapeError: if there is no such index, dimensions differ, or a term is unknown.
        """
        if vectors is None or vectors.is_empty:
            return NOTHING
        return GivenRow(
            None if vectors.sparse is None else self._terms(vectors.sparse),
            None if vectors.tokens is None else self._tokens(vectors.tokens),
            None if vectors.pooled is None else self._pooled(vectors.pooled),
        )

    def missing(self, row: GivenRow) -> str:
        """The required parts that are not given, joined by commas; "" where none is missing."""
        found = {"sparse": row.terms, "tokens": row.tokens, "pooled": row.pooled}
        return ", ".join(part for part in self.required if found[part] is None)

    def _terms(self, weights: TermWeights) -> Terms:
        if self.encoders.sparse is None:
            raise _no_index("sparse")
        found = np.array(self._ids(weights), dtype=np.uint32)
        values = np.fromiter(weights.values(), np.float64, len(weights))
        order = np.argsort(found)
        ids, sums = found[order], values[order]
        if np.any(ids[1:] == ids[:-1]):
            # Names whose hashes meet are one term.
            ids, places = np.unique(found, return_inverse=True)
            sums = np.bincount(places, weights=values, minlength=len(ids)).astype(np.float64)
        summed = sums.astype(np.float32)
        kept = summed > 0
        return ids[kept], summed[kept]

    def _ids(self, weights: TermWeights) -> list[int]:
        names = [term for term in weights if isinstance(term, str)]
        if not names:
            return [int(term) for term in weights]
        if (encoder := self._reads_names) is not None:
            return encoder.term_ids(names)
        if unknown := next((name for name in names if name not in self._by_name), None):
            raise ShapeError(
                f"sparse has the term {unknown!r:.40}, which the vocabulary of the sparse encoder "
                "has not; expected its terms, or their ids"
            )
        return [self._by_name[name] for name in names]

    @cached_property
    def _reads_names(self) -> "ReadsNames | None":
        # Once: telling that an object keeps a protocol takes longer than reading a document.
        encoder = self.encoders.sparse
        return encoder if isinstance(encoder, ReadsNames) else None

    @cached_property
    def _by_name(self) -> Mapping[str, int]:
        encoder = self.encoders.sparse
        if not isinstance(encoder, NamesTerms):
            return {}
        return {name: term_id for term_id, name in encoder.vocabulary([]).items()}

    def _tokens(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        if (encoder := self.encoders.multivector) is None:
            raise _no_index("tokens")
        if len(tokens) == 0:
            return np.zeros((0, encoder.dim), np.float32)
        _require_dim("tokens", tokens.shape[1], encoder.dim)
        if np.abs(tokens).max() > _LARGEST_TOKEN_VALUE:
            raise ShapeError(
                f"tokens hold a number beyond {_LARGEST_TOKEN_VALUE:g}; expected what float16 can "
                "hold, in which they are stored"
            )
        return tokens

    def _pooled(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        if (encoder := self.encoders.pooled) is None:
            raise _no_index("pooled")
        _require_dim("pooled", len(pooled), encoder.dim)
        return pooled


def _no_index(part: str) -> ShapeError:
    return ShapeError(
        f"vectors have {part}, for which this collection has no index; leave it out, or make a "
        "collection that has one"
    )


def _require_dim(part: str, found: int, expected: int) -> None:
    if found != expected:
        raise ShapeError(
            f"{part} has {found:,} dimensions; expected {expected:,}, as the collection's others"
        )
