"""What are terms and tokens called, of the query, of documents, and of what feedback added?"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import MultiVectorEncoder, SparseEncoder
from lexmax.encoders.contract import NamesTokens, ReadsTerms
from lexmax.errors import EncoderError
from lexmax.explaining.one_search import OneSearch
from lexmax.pipeline import CollectionEncoders


class Names:
    """Names of what one search weighs and compares; each is looked for once."""

    def __init__(
        self,
        search: OneSearch,
        encoders: CollectionEncoders,
        imported: Callable[[Sequence[int]], Mapping[int, str]],
    ) -> None:
        """`imported` gives names of terms by id that no text has; it is asked when they miss."""
        self._search = search
        self._encoders = encoders
        self._imported = imported
        self._table: dict[int, str] | None = None
        self._terms: dict[int, str] = {}
        self._fed_texts = _texts_that_fed_back(search)
        self._query_tokens: list[str] | None = None

    def term(self, term_id: int, texts: Sequence[str] = ()) -> str:
        """A term as it stands in the query, these texts or the feedback; else its number."""
        if term_id not in self._terms:
            asked = [self._search.query, *texts, *self._fed_texts.values()]
            self._terms[term_id] = self._looked_up(term_id, asked)
        return self._terms[term_id]

    def _looked_up(self, term_id: int, texts: Sequence[str]) -> str:
        encoder = self._encoders.sparse
        try:
            return f"#{term_id}" if encoder is None else encoder.term(term_id, texts)
        except EncoderError:
            if self._table is None:  # Of all at once, and not of all that the collection has.
                self._table = dict(self._imported(self._asked_terms()))
            if term_id not in self._table:
                self._table |= {term_id: f"#{term_id}", **self._imported([term_id])}
            return self._table[term_id]

    def _asked_terms(self) -> list[int]:
        """Before feedback and after it."""
        queries = (self._search.before.sparse, self._search.query_for("sparse").sparse)
        return [one for asked in queries if asked is not None for one in asked.row(0)[0].tolist()]

    def query_tokens(self) -> list[str]:
        """Of the query's vectors, and behind them of those that feedback added."""
        if self._query_tokens is None:
            self._query_tokens = self._named_query()
        return self._query_tokens

    def document_tokens(self, text: str, n: int) -> list[str]:
        """Of the n vectors of a document with this text."""
        encoder = self._encoders.multivector
        return _numbers(n) if encoder is None else _token_names(encoder, text, n, query=False)

    def _named_query(self) -> list[str]:
        search, encoder = self._search, self._encoders.multivector
        before, after = search.before.tokens, search.query_for("multivector").tokens
        if before is None or after is None or encoder is None:
            return []
        n_asked = len(before.row(0))
        names = _token_names(encoder, search.query, n_asked, query=True)
        added = after.row(0)[n_asked:]
        return names + self._nearest(added) if len(added) else names

    def _nearest(self, vectors: NDArray[np.float32]) -> list[str]:
        """Of the most similar tokens of the documents that fed back."""
        ordinals = self._search.fed_back("multivector")
        stored = self._search.snapshot.token_rows(ordinals)
        names: list[str] = []
        for i, ordinal in enumerate(ordinals.tolist()):
            names += self.document_tokens(self._fed_texts[ordinal], len(stored.row(i)))
        return nearest_names(vectors, stored.vectors, names)


def own_terms(encoder: SparseEncoder, text: str) -> NDArray[np.uint32] | None:
    """Ids of the terms that stand in the text; None where the encoder cannot tell."""
    found = encoder.own_terms([text]) if isinstance(encoder, ReadsTerms) else None
    return None if found is None else found[0]


def nearest_names(
    vectors: NDArray[np.float32], tokens: NDArray[np.float32], names: Sequence[str]
) -> list[str]:
    """Names of the tokens (n, d) of the greatest cosine with each of the vectors (m, d)."""
    if len(tokens) == 0:
        return _numbers(len(vectors))
    lengths = np.linalg.norm(tokens, axis=1, keepdims=True)
    directions = np.divide(tokens, lengths, out=np.zeros_like(tokens), where=lengths > 0)
    return [names[int(place)] for place in (vectors @ directions.T).argmax(axis=1)]


def _texts_that_fed_back(search: OneSearch) -> dict[int, str]:
    """Texts by ordinal."""
    rows = [search.fed_back(signal) for signal in search.answer.trace.fed_back]
    ordinals = np.unique(np.concatenate([np.zeros(0, np.int64), *rows]))
    if len(ordinals) == 0:
        return {}
    return dict(zip(ordinals.tolist(), search.sources.texts(ordinals), strict=True))


def _token_names(encoder: MultiVectorEncoder, text: str, n: int, *, query: bool) -> list[str]:
    """Of the n vectors of a text; their numbers where the encoder does not name them."""
    if not isinstance(encoder, NamesTokens):
        return _numbers(n)
    names = encoder.token_texts([text], queries=query)[0]
    # Stored vectors of another number were not made of this text by this encoder.
    return names if len(names) == n else _numbers(n)


def _numbers(n: int) -> list[str]:
    return [f"#{i}" for i in range(n)]
