"""What are the token vectors of a text, once they are pooled?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexmax.encoders.contract import MultiVectorEncoder, NamesTokens
from lexmax.encoders.pooling import METHODS, Count, Pooling
from lexmax.encoders.shared_pass import Head, document_head_of, query_head_of
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

# Counted up when the same vectors would be pooled otherwise than before.
_VERSION = 1


@dataclass(frozen=True, slots=True)
class PooledEncoder:
    """An encoder of unit vectors whose documents, and queries if asked for, keep fewer of them.

    Its fingerprint differs from that of the encoder alone, so that a collection never mixes
    pooled documents with others.

    Attributes:
        encoder: Gives vectors of length one.
        documents: How their vectors become fewer.
        queries: How those of queries do; None leaves them whole, which is right for models that
            were not trained with pooled queries: MaxSim sums over a query's vectors, so each one
            that goes takes its part of every score with it.
    """

    encoder: MultiVectorEncoder
    documents: Pooling
    queries: Pooling | None = None

    @property
    def spec(self) -> str:
        """What `Encoders.multivector` makes this very encoder from."""
        return self._with_pooling(self.encoder.spec)

    @property
    def fingerprint(self) -> str:
        """The encoder's own, how vectors are pooled, and the version of doing so."""
        return f"{self._with_pooling(self.encoder.fingerprint)}&pooling_version={_VERSION}"

    @property
    def dim(self) -> int:
        """Coordinates of one vector: as many as before."""
        return self.encoder.dim

    def document_head(self) -> Head[TokenBatch] | None:
        """The encoder's, pooled behind it."""
        head = document_head_of(self.encoder)
        return None if head is None else head.then(lambda batch: self.documents.pool(batch).tokens)

    def query_head(self) -> Head[TokenBatch] | None:
        """The encoder's, pooled behind it if queries are."""
        head, pooling = query_head_of(self.encoder), self.queries
        if head is None or pooling is None:
            return head
        return head.then(lambda batch: pooling.pool(batch).tokens)

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text, of as many vectors as `documents` leaves."""
        return self.documents.pool(self.encoder.encode_documents(texts)).tokens

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text, whole where `queries` is None."""
        tokens = self.encoder.encode_queries(texts)
        return tokens if self.queries is None else self.queries.pool(tokens).tokens

    def token_texts(self, texts: Sequence[str], *, queries: bool) -> list[list[str]]:
        """Names of the tokens behind each vector, joined by +.

        Raises:
            EncoderError: if the encoder does not name its tokens.
        """
        if not isinstance(self.encoder, NamesTokens):
            raise EncoderError(
                f"{self.encoder.spec} does not name its tokens; expected one that does"
            )
        names = self.encoder.token_texts(texts, queries=queries)
        if not queries:
            return self.documents.pool(self.encoder.encode_documents(texts)).joined(names)
        if self.queries is None:
            return names
        return self.queries.pool(self.encoder.encode_queries(texts)).joined(names)

    def _with_pooling(self, text: str) -> str:
        of_queries = "" if self.queries is None else f"&query_{self.queries.count.spec}"
        return f"{text}{'&' if '?' in text else '?'}{self.documents.spec}{of_queries}"


def read_pooling(values: Mapping[str, Any]) -> tuple[Pooling, Pooling | None]:
    """How documents and queries are pooled, from the parameters of a spec; None if not given.

    `pool` is the method, `tokens`, `ratio` or `factor` the count, the same with `query_` before
    it that of queries, and `seed` that of k-means.

    Raises:
        EncoderError: if there is no `pool`, or its parameters do not go together.
    """
    given = {name: value for name, value in values.items() if value is not None}
    method = given.pop("pool", None)
    if method is None:
        raise EncoderError(
            f"found {', '.join(given)} without pool; "
            f"expected pool as well, one of {', '.join(sorted(METHODS))}"
        )
    seed = given.pop("seed", 0)
    of_queries = {name: value for name, value in given.items() if name.startswith("query_")}
    of_documents = {name: value for name, value in given.items() if name not in of_queries}
    documents = Pooling(method, Count(**of_documents), seed)
    if not of_queries:
        return documents, None
    try:
        count = Count(**{name.removeprefix("query_"): value for name, value in of_queries.items()})
    except EncoderError as error:
        raise EncoderError(f"of queries: {error}") from error
    return documents, Pooling(method, count, seed)
