"""How does a search become an explanation? What the index has stored is read again, exactly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import InputError
from lexmax.explaining.explanation import (
    ConditionOutcome,
    DocumentExplanation,
    Explanation,
    Fusion,
    MaxSimMatch,
    RelevanceDecision,
    SparseMatch,
)
from lexmax.explaining.feedback_changes import feedback_changes
from lexmax.explaining.filter_outcomes import WHOLE, filter_outcomes
from lexmax.explaining.fusion_shares import fused_shares
from lexmax.explaining.losses import lost
from lexmax.explaining.matches import maxsim_match, sparse_match
from lexmax.explaining.names import Names, own_terms
from lexmax.explaining.one_search import OneSearch, rank_in
from lexmax.index.vocabulary import read_names
from lexmax.results import Passage
from lexmax.searching import Searcher, Traced, Wanted
from lexmax.stages import Conditions
from lexmax.types import Document, SparseBatch, TokenBatch
from lexmax.vectors import Query


def explain(
    searcher: Searcher, query: str | Query, wanted: Wanted, *, doc_id: str | None = None
) -> Explanation:
    """A search, and why each hit is there; or why the document of this id is, or is not.

    Raises:
        InputError: if no document that searches see has this id.
        QueryError, PipelineError, FilterError: as `Collection.search`.
    """

    def read(traced: Traced) -> Explanation:
        return _Explainer(searcher, wanted, OneSearch(traced)).explanation(doc_id)

    return searcher.traced(query, wanted, read)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What there is of the documents that are explained, a row each.

    `similarities` are MaxSim of each of the query's vectors with each document, (n_tokens, n).
    """

    ordinals: NDArray[np.int64]
    documents: Sequence[Document]
    passages: Sequence[Passage | None]
    texts: Sequence[str]
    sparse: SparseBatch | None
    tokens: TokenBatch | None
    similarities: NDArray[np.float32]
    pooled: NDArray[np.float32] | None
    conditions: Sequence[Sequence[ConditionOutcome]]
    fusions: Sequence[tuple[Fusion, ...]]


class _Explainer:
    """Explains one search."""

    def __init__(self, searcher: Searcher, wanted: Wanted, search: OneSearch) -> None:
        self._searcher, self._wanted, self._search = searcher, wanted, search
        imported = partial(read_names, searcher.catalog.path)
        self._names = Names(search, searcher.encoders, imported)

    def explanation(self, doc_id: str | None) -> Explanation:
        ordinals = self._search.answer.hits.row(0)[0]
        if doc_id is not None:
            ordinals = np.array([self._ordinal_of(doc_id)], np.int64)
        stored = self._stored(ordinals)
        documents = tuple(self._document(stored, i) for i in range(len(ordinals)))
        feedback = feedback_changes(self._search, self._names, self._doc_ids)
        return Explanation(self._search.traced.result, documents, feedback)

    def _ordinal_of(self, doc_id: str) -> int:
        hits = [hit.doc_id for hit in self._search.traced.result.hits]
        if doc_id in hits:
            return int(self._search.answer.hits.row(0)[0][hits.index(doc_id)])
        snapshot = self._search.snapshot
        rows = np.flatnonzero(self._searcher.reader.of_doc_ids(snapshot, [doc_id]).mask)
        if len(rows) == 0 or self._searcher.catalog.get(doc_id) is None:
            raise InputError(
                f"found no document {doc_id!r:.80} that searches see; expected the id of one that "
                "was stored, by a job that has ended; correct the id"
            )
        serials = snapshot.serials(rows)
        return self._search.best_row(rows[serials == serials[-1]])

    def _doc_ids(self, ordinals: NDArray[np.int64]) -> list[str]:
        return self._searcher.catalog.doc_ids(self._search.snapshot.serials(ordinals))

    def _stored(self, ordinals: NDArray[np.int64]) -> _Stored:
        search, snapshot = self._search, self._search.snapshot
        before = search.before
        documents = self._searcher.catalog.documents(snapshot.serials(ordinals))
        return _Stored(
            ordinals,
            documents,
            _passages(documents, snapshot.passages(ordinals)),
            search.sources.texts(ordinals),
            None if before.sparse is None else snapshot.sparse_rows(ordinals),
            None if before.tokens is None else snapshot.token_rows(ordinals),
            self._similarities(ordinals),
            None if before.pooled is None else snapshot.pooled_rows(ordinals),
            self._conditions(ordinals),
            self._fusions(ordinals),
        )

    def _similarities(self, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        queries = self._search.query_for("multivector").tokens
        vectors = np.zeros((0, 0), np.float32) if queries is None else queries.row(0)
        # One vector after another: the index quantises each on its own, so sums are its scores.
        rows = [self._search.snapshot.maxsim(vector[None], ordinals) for vector in vectors]
        return np.stack(rows) if rows else np.zeros((0, len(ordinals)), np.float32)

    def _conditions(self, ordinals: NDArray[np.int64]) -> list[list[ConditionOutcome]]:
        """Of all filters, a list a document."""
        found: list[list[ConditionOutcome]] = [[] for _ in ordinals]
        matching = self._searcher.reader.matching
        for where, conditions in self._filters():
            rows = filter_outcomes(
                where, conditions, self._search.snapshot, ordinals.tolist(), matching=matching
            )
            for of_document, outcomes in zip(found, rows, strict=True):
                of_document += outcomes
        return found

    def _filters(self) -> Iterator[tuple[str, Conditions]]:
        pipeline = self._search.pipeline
        of_whole = zip(WHOLE, (self._wanted.filter, pipeline.filter), strict=True)
        yield from ((where, given) for where, given in of_whole if given is not None)
        for i, stage in enumerate(pipeline.retrieve, start=1):
            if stage.filter is not None:
                yield f"retrieve {i} ({stage.signal})", stage.filter

    def _document(self, stored: _Stored, i: int) -> DocumentExplanation:
        search, ordinal = self._search, int(stored.ordinals[i])
        place = rank_in(search.answer.hits.row(0), ordinal)
        hit = search.traced.result.hits[place - 1] if place else None
        found = DocumentExplanation(
            stored.documents[i].doc_id,
            stored.documents[i].title,
            None if hit is None else hit.rank,
            None if hit is None else hit.score,
            self._sparse(stored, i),
            self._maxsim(stored, i),
            self._product(stored, i),
            search.places(ordinal),
            stored.fusions[i],
            tuple(stored.conditions[i]),
            self._relevance(ordinal),
            None,
            stored.passages[i],
        )
        if hit is not None:
            return found
        return replace(found, lost=lost(search, self._wanted, ordinal, found))

    def _sparse(self, stored: _Stored, i: int) -> SparseMatch | None:
        asked, queries = self._search.before.sparse, self._search.query_for("sparse").sparse
        encoder = self._searcher.encoders.sparse
        if asked is None or queries is None or stored.sparse is None or encoder is None:
            return None
        return sparse_match(
            queries.row(0),
            stored.sparse.row(i),
            stage=self._search.stage_of("sparse"),
            name=partial(self._names.term, texts=[stored.texts[i]]),
            asked=asked.row(0)[0],
            own=own_terms(encoder, stored.texts[i]),
        )

    def _maxsim(self, stored: _Stored, i: int) -> MaxSimMatch | None:
        asked, queries = self._search.before.tokens, self._search.query_for("multivector").tokens
        if asked is None or queries is None or stored.tokens is None:
            return None
        document = stored.tokens.row(i)
        return maxsim_match(
            queries.row(0),
            document,
            stage=self._search.stage_of("multivector"),
            similarities=stored.similarities[:, i],
            query_names=self._names.query_tokens(),
            document_names=self._names.document_tokens(stored.texts[i], len(document)),
            n_asked=len(asked.row(0)),
        )

    def _product(self, stored: _Stored, i: int) -> float | None:
        queries = self._search.query_for("pooled").pooled
        if queries is None or stored.pooled is None or stored.pooled.shape[1] == 0:
            return None
        return float(self._search.snapshot.score_pooled(queries[0], stored.ordinals[[i]])[0])

    def _fusions(self, ordinals: NDArray[np.int64]) -> list[tuple[Fusion, ...]]:
        """Those of each document that have it, in the order in which they ran."""
        search, found = self._search, [list[Fusion]() for _ in ordinals]
        for name, rankings in search.answer.trace.fused.items():
            fused, scores = search.answer.stages[name].row(0)
            ranks = [rank_in((fused, scores), ordinal) for ordinal in ordinals.tolist()]
            places = np.array([rank - 1 for rank in ranks if rank], np.int64)
            shares = fused_shares(
                rule := search.pipeline.fuse,
                {i: hits.row(0) for i, hits in rankings.items()},
                (fused[places], scores[places]),
                names=search.names_of(rankings),
                depths=search.answer.trace.depths,
            )
            having = [i for i, rank in enumerate(ranks) if rank]
            for i, score, of_one in zip(having, scores[places].tolist(), shares, strict=True):
                found[i].append(Fusion(name, rule.method, score, of_one))
        return [tuple(of_one) for of_one in found]

    def _relevance(self, ordinal: int) -> RelevanceDecision | None:
        judged = self._search.answer.trace.judged
        if judged is None or not (rank := rank_in(judged.told.row(0), ordinal)):
            return None
        kept = rank_in(judged.enough.row(0), ordinal) > 0
        return RelevanceDecision(float(judged.told.row(0)[1][rank - 1]), judged.threshold, kept)


def _passages(
    documents: Sequence[Document], spans: NDArray[np.int32] | None
) -> list[Passage | None]:
    if spans is None:
        return [None] * len(documents)
    return [
        Passage(start, end, document.text[start:end])
        for document, (start, end) in zip(documents, spans.tolist(), strict=True)
    ]
