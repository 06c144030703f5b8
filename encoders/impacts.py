"""What are the term weights of a query, where those of the documents came from elsewhere?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote

import numpy as np
import orjson

from lexmax.encoders.bm25 import term_id_of
from lexmax.errors import EncoderError, QueryError
from lexmax.types import SparseBatch, TermStatistics

_MOST_SEEDS = 64
_LARGEST = float(np.finfo(np.float32).max)
# Vectors come with the same few terms again and again.
_known_id = lru_cache(maxsize=1 << 15)(term_id_of)


@dataclass(frozen=True, slots=True)
class Impacts:
    """Vectors that are given: those of documents are imported, those of queries stand in the text.

    A query is a text of terms between white space, each `term` (weight 1) or `term^2.5`; weights
    of a term that stands twice add up. What follows the last ^ is the weight, so a term that
    itself holds one needs a weight written out: `a^b^1`.

    A term's id is its hash, as in bm25. Terms of one vocabulary whose hashes meet are told apart:
    all but the first of them are hashed with another seed, and named in the spec.

    Attributes:
        apart: JSON list of the terms that are hashed with `seed`.
        seed: of their hash.

    Raises:
        EncoderError: if `apart` is not such a list.
    """

    apart: str = "[]"
    seed: int = 0

    _apart: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_apart", frozenset(_terms(self.apart)))

    @staticmethod
    def over(terms: Sequence[str]) -> "Impacts":
        """The encoder that gives each of these distinct terms an id of its own.

        Raises:
            EncoderError: if the terms are so many that no seed tells them apart.
        """
        owners: dict[int, str] = {}
        apart = [term for term in terms if owners.setdefault(term_id_of(term), term) != term]
        if not apart:
            return Impacts()
        for seed in range(1, _MOST_SEEDS):
            ids = {term_id_of(term, seed) for term in apart}
            if len(ids) == len(apart) and ids.isdisjoint(owners):
                return Impacts(orjson.dumps(apart).decode(), seed)
        raise EncoderError(
            f"found {len(terms):,} terms, of which {len(apart):,} share a hash with another; "
            "expected fewer; import the file in parts"
        )

    @property
    def spec(self) -> str:
        """What `Encoders.sparse` makes this very encoder from."""
        if self == Impacts():
            return "impacts"
        return f"impacts?apart={quote(self.apart)}&seed={self.seed}"

    @property
    def fingerprint(self) -> str:
        """How terms become ids."""
        return f"{self.spec}{'&' if '?' in self.spec else '?'}ids=xxh32"

    def term_ids(self, terms: Sequence[str]) -> list[int]:
        """Ids of terms, known or not."""
        return [_known_id(term, self.seed if term in self._apart else 0) for term in terms]

    def fitted(self, sample: Sequence[str]) -> "Impacts":
        """Itself: it takes nothing from documents."""
        return self

    def encode_documents(self, texts: Sequence[str]) -> SparseBatch:
        """Only no documents can be encoded.

        Raises:
            EncoderError: if there is a text.
        """
        if not texts:
            return SparseBatch.from_rows([])
        raise EncoderError(
            "documents of this collection have imported or given vectors, which no text gives; "
            "give new ones their weights too, or import all documents with `lexmax import`"
        )

    def encode_queries(self, texts: Sequence[str], statistics: TermStatistics) -> SparseBatch:
        """The weights that stand in each text; no terms, empty row.

        Raises:
            QueryError: if what follows a ^ is no weight, or weights of a term sum to no float32.
        """
        rows: list[dict[int, float]] = []
        for text in texts:
            weights = query_weights(text)
            row: dict[int, float] = {}
            for term_id, weight in zip(self.term_ids(list(weights)), weights.values(), strict=True):
                row[term_id] = row.get(term_id, 0.0) + weight
            rows.append({term_id: _rounded(text, weight) for term_id, weight in row.items()})
        return SparseBatch.from_rows(rows)

    def term(self, term_id: int, texts: Sequence[str]) -> str:
        """The term of this id in one of the texts, read as queries are.

        Raises:
            EncoderError: if none has it.
        """
        for text in texts:
            try:
                terms = list(query_weights(text))
            except QueryError:  # The text of a document, which need not read as a query.
                continue
            for term, found in zip(terms, self.term_ids(terms), strict=True):
                if found == term_id:
                    return term
        raise EncoderError(
            f"term {term_id} is in none of the {len(texts)} texts; the collection's vocabulary "
            "has its name"
        )


def _terms(text: str) -> list[str]:
    try:
        terms: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        terms = None
    if not isinstance(terms, list) or not set(map(type, cast("list[object]", terms))) <= {str}:
        raise EncoderError(f"impacts: apart is {text[:80]!r}; expected a JSON list of terms")
    return cast("list[str]", terms)


def query_weights(text: str) -> Mapping[str, float]:
    """Terms of a query text and their summed weights, in the order in which they stand.

    Raises:
        QueryError: if what follows a ^ is no weight above or equal to zero.
    """
    weights: dict[str, float] = {}
    for token in text.split():
        term, caret, given = token.rpartition("^")
        if not caret or not term:
            term, given = token, "1"
        weights[term] = weights.get(term, 0.0) + _weight(token, given)
    return weights


def _rounded(text: str, weight: float) -> float:
    """As float32 has it, in which the smallest weights are none."""
    if weight > _LARGEST:
        raise QueryError(
            f"weights of a term in the query {text[:80]!r} sum to {weight:g}; expected at most "
            f"{_LARGEST:g}; give smaller ones, in the same proportions"
        )
    return float(np.float32(weight))


def _weight(token: str, given: str) -> float:
    try:
        weight = float(given)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= _LARGEST:
        raise QueryError(
            f"found {token[:80]!r} in the query; expected term or term^weight with a finite "
            "weight of 0 or more; write term^1 for a term that holds a ^"
        )
    return weight
