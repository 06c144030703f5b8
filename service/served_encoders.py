"""How do many requests at one time use the encoders? In shared batches, and queries once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import (
    DenseEncoder,
    Encoders,
    MultiVectorEncoder,
    PairScorer,
    SparseEncoder,
)
from lexmax.encoders.loading import Encoder
from lexmax.encoders.shared_pass import Encoded, encode_queries, query_head_of
from lexmax.service.micro_batches import MicroBatcher
from lexmax.service.query_cache import QueryCache, QueryKey, Row
from lexmax.types import SparseBatch, TermStatistics, TokenBatch

E = TypeVar("E", SparseEncoder, MultiVectorEncoder, DenseEncoder, PairScorer)

# So many queries of one request are a batch by themselves.
_WHOLE_BATCH = 32
_MOST_TOKENS = 512


class _NoStatistics:
    """Stands for a collection where none is looked at."""

    n_docs = 0

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.zeros(len(term_ids), dtype=np.int64)


@runtime_checkable
class ScoresMany(Protocol):
    """A scorer of pairs that takes those of several queries at once."""

    def score_many(
        self, asked: Sequence[tuple[str, Sequence[str]]]
    ) -> Sequence[NDArray[np.float32]]:
        """Of each query, the scores of its documents, float32 (n_texts,)."""
        ...


@dataclass(frozen=True, slots=True)
class _Models:
    """Encoders of queries that a model stands behind; None where there is none of a signal."""

    sparse: SparseEncoder | None
    multivector: MultiVectorEncoder | None
    pooled: DenseEncoder | None

    def keys(self, text: str) -> list[QueryKey | None]:
        named = zip(("sparse", "multivector", "pooled"), self._all(), strict=True)
        return [None if one is None else (signal, one.fingerprint, text) for signal, one in named]

    @property
    def group(self) -> tuple[str, ...]:
        return tuple("" if one is None else one.fingerprint for one in self._all())

    def _all(self) -> tuple[Any, ...]:
        return self.sparse, self.multivector, self.pooled

    def encode(self, texts: Sequence[str]) -> list[list[Row | None]]:
        """Of each text, its row of each signal."""
        found = encode_queries(
            texts,
            _NoStatistics(),
            sparse=self.sparse,
            multivector=self.multivector,
            pooled=self.pooled,
        )
        return [_rows(found, i) for i in range(len(texts))]


def _rows(found: Encoded, i: int) -> list[Row | None]:
    return [
        None if found.sparse is None else found.sparse.row(i),
        None if found.tokens is None else (found.tokens.row(i),),
        None if found.pooled is None else (found.pooled[i],),
    ]


class ServedEncoders(Encoders):
    """The encoders of another registry, as many threads use them at once.

    Queries of several requests go through a model together, and those that it has seen lately not
    again; so do documents to be scored. Results are what the encoders give, within the 1e-5 that
    they promise whatever else is in a batch.
    """

    def __init__(
        self,
        encoders: Encoders,
        *,
        batch_tokens: int,
        cache_bytes: int,
        ran: Callable[[str, int], None] = lambda name, n_asks: None,
    ) -> None:
        """`ran` is told the name of each batch and how many asks went together."""
        super().__init__(sparse={}, multivector={}, dense={}, pairs={})
        self._encoders = encoders
        self.cache = QueryCache(cache_bytes)
        self.used: dict[str, str] = {}
        self._queries: MicroBatcher[tuple[_Models, str], list[Row | None]] = MicroBatcher(
            "queries", _encoded, budget=batch_tokens, ran=ran
        )
        self._documents: MicroBatcher[tuple[MultiVectorEncoder, Sequence[str]], TokenBatch] = (
            MicroBatcher("documents", _tokens, budget=batch_tokens, ran=ran)
        )
        self._pairs_of: MicroBatcher[tuple[PairScorer, str, Sequence[str]], NDArray[np.float32]] = (
            MicroBatcher("pairs", _scores, budget=batch_tokens, ran=ran)
        )

    def sparse(self, spec: str) -> SparseEncoder:
        """As the other registry."""
        return self._noted(self._encoders.sparse(spec))

    def multivector(self, spec: str) -> MultiVectorEncoder:
        """As the other registry."""
        return self._noted(self._encoders.multivector(spec))

    def dense(self, spec: str) -> DenseEncoder:
        """As the other registry."""
        return self._noted(self._encoders.dense(spec))

    def pairs(self, spec: str) -> PairScorer:
        """The other registry's, whose pairs share batches with those of other requests."""
        return _SharedScorer(self._noted(self._encoders.pairs(spec)), self._pairs_of)

    def load(self, name_or_path: str | Path) -> Encoder:
        """As the other registry."""
        return self._encoders.load(name_or_path)

    def encode_queries(
        self,
        texts: Sequence[str],
        statistics: TermStatistics,
        *,
        sparse: SparseEncoder | None,
        multivector: MultiVectorEncoder | None,
        pooled: DenseEncoder | None = None,
    ) -> Encoded:
        """One row a query of each signal."""
        by_table = sparse if query_head_of(sparse) is None else None
        models = _Models(None if by_table is not None else sparse, multivector, pooled)
        rows = [] if models.group == ("", "", "") else self._by_models(models, texts)
        of_sparse = None if models.sparse is None else SparseBatch.stack([row[0] for row in rows])
        if by_table is not None:
            of_sparse = by_table.encode_queries(texts, statistics)
        return Encoded(
            of_sparse,
            None
            if multivector is None
            else TokenBatch.from_rows([row[1][0] for row in rows], multivector.dim),
            None
            if pooled is None
            else np.array([row[2][0] for row in rows], np.float32).reshape(-1, pooled.dim),
        )

    def query_tokens(self, encoder: MultiVectorEncoder, text: str) -> NDArray[np.float32]:
        """Token vectors of one query, (its tokens, dim)."""
        found = self.encode_queries([text], _NoStatistics(), sparse=None, multivector=encoder)
        assert found.tokens is not None
        return found.tokens.row(0)

    def document_tokens(self, encoder: MultiVectorEncoder, texts: Sequence[str]) -> TokenBatch:
        """Token vectors of texts, one row each, encoded together with those of other requests."""
        asked = self._documents.submit(
            encoder.fingerprint, (encoder, texts), cost=sum(map(tokens_of, texts))
        )
        return asked.result()

    def close(self) -> None:
        """End the threads."""
        for batcher in (self._queries, self._documents, self._pairs_of):
            batcher.close()

    def _by_models(self, models: _Models, texts: Sequence[str]) -> list[list[Any]]:
        rows: list[list[Any] | None] = [self._known(models.keys(text)) for text in texts]
        missing = [i for i, row in enumerate(rows) if row is None]
        for i, row in zip(
            missing, self._computed(models, [texts[i] for i in missing]), strict=True
        ):
            rows[i] = row
            for key, part in zip(models.keys(texts[i]), row, strict=True):
                if key is not None and part is not None:
                    self.cache.put(key, part)
        return [row for row in rows if row is not None]

    def _known(self, keys: Sequence[QueryKey | None]) -> list[Any] | None:
        found = [None if key is None else self.cache.get(key) for key in keys]
        missed = any(key is not None and row is None for key, row in zip(keys, found, strict=True))
        return None if missed else found

    def _computed(self, models: _Models, texts: Sequence[str]) -> list[list[Row | None]]:
        if len(texts) >= _WHOLE_BATCH:
            return models.encode(texts)
        asked = [
            self._queries.submit(models.group, (models, text), cost=tokens_of(text))
            for text in texts
        ]
        return [one.result() for one in asked]

    def _noted(self, encoder: E) -> E:
        self.used[encoder.fingerprint] = encoder.spec
        return encoder


@dataclass(frozen=True, slots=True)
class _SharedScorer:
    """A scorer of pairs, asked in batches that requests share."""

    scorer: PairScorer
    batcher: MicroBatcher[tuple[PairScorer, str, Sequence[str]], NDArray[np.float32]]

    @property
    def spec(self) -> str:
        return self.scorer.spec

    @property
    def fingerprint(self) -> str:
        return self.scorer.fingerprint

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        cost = len(texts) * tokens_of(query) + sum(map(tokens_of, texts))
        asked = self.batcher.submit(self.fingerprint, (self.scorer, query, texts), cost=cost)
        return asked.result()


def tokens_of(text: str) -> int:
    """About how many tokens a text has, without asking a tokenizer."""
    return min(2 + len(text) // 4, _MOST_TOKENS)


def _encoded(asked: Sequence[tuple[_Models, str]]) -> list[list[Row | None]]:
    return asked[0][0].encode([text for _, text in asked])


def _tokens(asked: Sequence[tuple[MultiVectorEncoder, Sequence[str]]]) -> list[TokenBatch]:
    batch = asked[0][0].encode_documents([text for _, texts in asked for text in texts])
    ends = np.cumsum([len(texts) for _, texts in asked])
    return [
        batch.slice(int(end) - len(texts), int(end))
        for end, (_, texts) in zip(ends, asked, strict=True)
    ]


def _scores(asked: Sequence[tuple[PairScorer, str, Sequence[str]]]) -> list[NDArray[np.float32]]:
    scorer = asked[0][0]
    if isinstance(scorer, ScoresMany):
        return list(scorer.score_many([(query, texts) for _, query, texts in asked]))
    return [scorer.score(query, texts) for _, query, texts in asked]
