"""What does every encoder promise?

All promise that a text's encoding does not depend on its neighbours in the batch (within 1e-5),
and that queries and documents encoded under equal fingerprints may be compared.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lexmax.types import SparseBatch, TermStatistics, TokenBatch


@runtime_checkable
class SparseEncoder(Protocol):
    """Text to term weights; the score of a document is the dot product with the query's."""

    @property
    def spec(self) -> str:
        """What `Encoders.sparse` makes this very encoder from, fitted constants included."""
        ...

    @property
    def fingerprint(self) -> str:
        """Everything that a query's encoder must share with that of the documents."""
        ...

    def fitted(self, sample: Sequence[str]) -> "SparseEncoder":
        """This encoder with the constants that it takes from documents, or itself."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        ...

    def encode_queries(self, texts: Sequence[str], statistics: TermStatistics) -> SparseBatch:
        """One row a text, weighted with what the collection knows now."""
        ...

    def term(self, term_id: int, texts: Sequence[str]) -> str:
        """The term behind an id, as it stands in one of the texts that gave it."""
        ...


@runtime_checkable
class NamesTerms(Protocol):
    """A sparse encoder that can name all terms of a text, for those who export them."""

    def vocabulary(self, texts: Sequence[str]) -> Mapping[int, str]:
        """Names by term id of every term that these documents' texts have."""
        ...


@runtime_checkable
class ReadsTerms(Protocol):
    """A sparse encoder that can tell terms of a text from those that it adds."""

    def own_terms(self, texts: Sequence[str]) -> Sequence[NDArray[np.uint32]] | None:
        """Ids of the terms that stand in each text, all of it, ascending; None if it is unknown."""
        ...


@runtime_checkable
class MultiVectorEncoder(Protocol):
    """Text to one vector a token; the score of a document is MaxSim (Khattab & Zaharia 2020)."""

    @property
    def spec(self) -> str:
        """What `Encoders.multivector` makes this very encoder from."""
        ...

    @property
    def fingerprint(self) -> str:
        """Name, weights and parameters of everything that vectors depend on."""
        ...

    @property
    def dim(self) -> int:
        """Coordinates of one token vector."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text; an empty text gives no tokens."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text."""
        ...


@runtime_checkable
class NamesTokens(Protocol):
    """A multi-vector encoder that can say what each vector of a text stands for."""

    def token_texts(self, texts: Sequence[str], *, queries: bool) -> list[list[str]]:
        """A name for each vector that `encode_documents`, or `encode_queries`, gives a text.

        Of a vector that stands for several tokens, their names joined by +.
        """
        ...


@runtime_checkable
class DenseEncoder(Protocol):
    """Text to one vector; the score of a document is the dot product with the query's."""

    @property
    def spec(self) -> str:
        """What `Encoders.dense` makes this very encoder from."""
        ...

    @property
    def fingerprint(self) -> str:
        """Name, weights and parameters of everything that vectors depend on."""
        ...

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, float32 (n_texts, dim); an empty text gives zeros."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, float32 (n_texts, dim)."""
        ...


@runtime_checkable
class PairScorer(Protocol):
    """A query and a document, read together, to a score; bigger is better."""

    @property
    def spec(self) -> str:
        """What `Encoders.pairs` makes this very scorer from."""
        ...

    @property
    def fingerprint(self) -> str:
        """Name, weights and parameters of everything that scores depend on."""
        ...

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Scores of these documents for the query, float32 (n_texts,)."""
        ...
