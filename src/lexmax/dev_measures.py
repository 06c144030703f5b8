"""How good is an encoder in training on queries that were held out?

Documents are encoded in parts, each part becomes an index of lexmax in memory, and every document
is scored: what is measured is the encoder, not an index. Scorers of pairs, for which that would
take hours, rerank what bm25 ranks first.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.corpus import Reject, read_documents
from lexmax.encoders import DenseEncoder, Encoders, MultiVectorEncoder, PairScorer, SparseEncoder
from lexmax.encoders.training.example import Example
from lexmax.encoders.training.task import Encoder
from lexmax.errors import TrainingError
from lexmax.eval import load_dataset
from lexmax.eval.measures import Evaluator
from lexmax.index.sparse import SparseIndex
from lexmax.index.tokens import TokenStore
from lexmax.types import Hits, SparseBatch, TokenBatch, best_first, ranges

_PART_DOCS = 1024
_DEPTH = 1000
# Documents of a query that a scorer of pairs reads.
_RERANKED = 30

_Searching: TypeAlias = SparseEncoder | MultiVectorEncoder | DenseEncoder
_Encoded: TypeAlias = SparseBatch | TokenBatch | NDArray[np.float32]
_Row: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class DevSet:
    """Queries with the documents that answer them, among others that are searched too.

    Attributes:
        queries: Text by query_id.
        documents: Text by doc_id.
        qrels: Relevance by doc_id by query_id.
    """

    queries: Mapping[str, str]
    documents: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]

    @staticmethod
    def of_examples(examples: Sequence[Example], distractors: Iterable[str]) -> "DevSet":
        """The held-out examples' queries and documents, and others."""
        doc_ids: dict[str, str] = {}
        queries: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        for example in examples:
            query_id = queries.setdefault(example.query, f"q{len(queries)}")
            for one in (*example.positives, *example.negatives):
                doc_ids.setdefault(one.text, f"d{len(doc_ids)}")
            relevant = qrels.setdefault(query_id, {})
            relevant |= {doc_ids[one.text]: 1 for one in example.positives}
        for text in distractors:
            doc_ids.setdefault(text, f"d{len(doc_ids)}")
        return DevSet(
            {query_id: text for text, query_id in queries.items()},
            {doc_id: text for text, doc_id in doc_ids.items()},
            qrels,
        )

    @staticmethod
    def of_dataset(place: Path | str, split: str) -> "DevSet":
        """A dataset's corpus, and the queries that a split judges; a folder, or irds:NAME.

        Raises:
            EvaluationError: if queries or qrels cannot be used.
            CorpusError: if the corpus cannot be read.
        """
        dataset = load_dataset(place, split=split)
        found = read_documents(dataset.corpus or [place], on_reject=_pass_over)
        documents = {document.doc_id: document.full_text for document in found}
        return DevSet(dataset.queries, documents, dataset.qrels)


def _pass_over(reject: Reject) -> None:
    """What cannot be read cannot be found; evaluations of collections leave it out as well."""


class DevMeasures:
    """Measures encoders on one set, which is prepared once.

    Raises:
        TrainingError: if the set has no query.
        EvaluationError: if a measure is unknown.
    """

    def __init__(self, dev: DevSet, measures: Sequence[str]) -> None:
        """Prepares the measures."""
        if not dev.queries:
            raise TrainingError(
                "the dev split has no query: too few examples for data.dev.share; raise it, name "
                "a data.dev.dataset, or set data.dev.share to 0 to train without"
            )
        self._dev = dev
        self._evaluator = Evaluator(dev.qrels, list(measures))
        self._first: Hits | None = None

    def __call__(self, encoder: Encoder) -> dict[str, float]:
        """Value by the measure's name."""
        doc_ids = list(self._dev.documents)
        hits = self._reranked(encoder) if isinstance(encoder, PairScorer) else self._hits(encoder)
        rankings: dict[str, list[str]] = {
            query_id: [doc_ids[int(ordinal)] for ordinal in hits.row(i)[0]]
            for i, query_id in enumerate(self._dev.queries)
        }
        return dict(self._evaluator.evaluate(rankings).overall)

    def _hits(self, encoder: _Searching) -> Hits:
        cutoffs = [cutoff or _DEPTH for cutoff in self._evaluator.cutoffs.values()]
        queries, documents = self._dev.queries.values(), self._dev.documents.values()
        return exhaustive_hits(encoder, list(queries), list(documents), max(cutoffs))

    def _reranked(self, scorer: PairScorer) -> Hits:
        queries, documents = list(self._dev.queries.values()), list(self._dev.documents.values())
        if self._first is None:  # It does not change with what is trained.
            bm25 = Encoders().sparse("bm25")
            self._first = exhaustive_hits(bm25, queries, documents, _RERANKED)
        return reranked_hits(scorer, queries, documents, self._first)


def reranked_hits(
    scorer: PairScorer, queries: Sequence[str], documents: Sequence[str], first: Hits
) -> Hits:
    """The documents of every query's hits, by a scorer of pairs: (n_queries, k) as before."""
    rows: list[_Row] = []
    for i, query in enumerate(queries):
        ordinals, _ = first.row(i)
        scores = scorer.score(query, [documents[int(ordinal)] for ordinal in ordinals])
        rows.append(best_first(ordinals, scores, len(ordinals)))
    return Hits.from_rows(rows, first.ordinals.shape[1])


def exhaustive_hits(
    encoder: _Searching, queries: Sequence[str], documents: Sequence[str], k: int
) -> Hits:
    """The k best of these documents for every query, by the encoder alone: (n_queries, k)."""
    if isinstance(encoder, SparseEncoder):
        return _sparse_hits(encoder, queries, documents, k)
    asked = encoder.encode_queries(queries)
    best: list[_Row] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
    for start, stop in ranges(len(documents), _PART_DOCS):
        encoded = encoder.encode_documents(documents[start:stop])
        rows = _scored(asked, encoded, min(k, stop - start))
        best = [
            _merged(old, (ordinals + start, scores), k)
            for old, (ordinals, scores) in zip(best, rows, strict=True)
        ]
    return Hits.from_rows(best, k)


def _sparse_hits(
    encoder: SparseEncoder, queries: Sequence[str], documents: Sequence[str], k: int
) -> Hits:
    # Whole, because query weights may follow from statistics of all documents.
    fitted = encoder.fitted(documents)
    parts = [
        fitted.encode_documents(documents[start:stop])
        for start, stop in ranges(len(documents), _PART_DOCS)
    ]
    index = SparseIndex.build(SparseBatch.concatenate(parts))
    return index.search(fitted.encode_queries(queries, index), k, threads=os.cpu_count() or 1)


def _scored(queries: _Encoded, documents: _Encoded, k: int) -> list[_Row]:
    if isinstance(queries, TokenBatch) and isinstance(documents, TokenBatch):
        if not len(documents.vectors):
            return [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
        store = TokenStore.from_batch(documents, codec="fp16")
        hits = store.best_of_batch(queries, None, k, threads=os.cpu_count() or 1)
        return [hits.row(i) for i in range(len(hits))]
    scores = np.asarray(queries) @ np.asarray(documents).T
    ordinals = np.arange(scores.shape[1], dtype=np.int64)
    return [best_first(ordinals, row.astype(np.float32), k) for row in scores]


def _merged(old: _Row, new: _Row, k: int) -> _Row:
    return best_first(np.concatenate([old[0], new[0]]), np.concatenate([old[1], new[1]]), k)
