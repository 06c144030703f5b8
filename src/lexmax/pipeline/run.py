"""How is a query answered? The one function that runs the stages of a pipeline.

Arrays inside; documents are looked up by the caller.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.inputs import Inputs
from lexmax.errors import PipelineError, QueryError
from lexmax.pipeline.abilities import obstacle, runnable
from lexmax.pipeline.answer import Answer, Judged, Record
from lexmax.pipeline.diversifying import diversified
from lexmax.pipeline.feeding_back import fed_back
from lexmax.pipeline.fusing import fuse, prolonged
from lexmax.pipeline.gathering import (
    deepened,
    distinct,
    gathered,
    in_passages,
    n_documents,
)
from lexmax.pipeline.queries import EncodedQueries, encode
from lexmax.pipeline.reading_pairs import read_pairs
from lexmax.pipeline.rescoring import rescore
from lexmax.pipeline.retelling import aggregated, retold
from lexmax.pipeline.retrieving import retrieve
from lexmax.pipeline.sources import Sources
from lexmax.pipeline.telling_relevance import of_hits, relevant
from lexmax.pipeline.walking import walked
from lexmax.stages import (
    FUSED_DEPTH,
    Feedback,
    Pairs,
    Pipeline,
    Rerank,
    Retrieve,
    Signal,
    TextFeedback,
    TopPassages,
)
from lexmax.stages.feedback import searched_again
from lexmax.types import Hits


def run(
    pipeline: Pipeline, sources: Sources, queries: Inputs, k: int, *, offset: int = 0
) -> Answer:
    """Answer a batch of queries; each gets what it would get alone.

    Raises:
        PipelineError: if the collection cannot run this pipeline.
        QueryError: if k is below 1.
    """
    record = Record()
    encoded = encoded_queries(pipeline, sources, queries, record)
    return answered(pipeline, sources, encoded, k, offset=offset, record=record)


def encoded_queries(
    pipeline: Pipeline, sources: Sources, queries: Inputs, record: Record
) -> EncodedQueries:
    """The queries as the stages of this pipeline see them.

    Raises:
        PipelineError: if the collection cannot run this pipeline.
    """
    if problem := obstacle(pipeline, sources.encoders):
        raise PipelineError(
            f"pipeline {pipeline.name!r} {problem}; choose one of "
            f"{', '.join(runnable(sources.encoders))}"
        )
    with record.stage("encode", given=len(queries)):
        return encode(pipeline, sources.snapshot, sources.encoders, queries)


def answered(
    pipeline: Pipeline,
    sources: Sources,
    queries: EncodedQueries,
    k: int,
    *,
    offset: int = 0,
    record: Record | None = None,
) -> Answer:
    """Answer queries that were encoded for this pipeline."""
    if k < 1:
        raise QueryError(f"k is {k}; expected 1 or more; ask for at least one document")
    running = _Running(pipeline, sources, queries, offset + k, record or Record())
    return running.answer(offset)


class _Running:
    """The stages of one pipeline over some queries, in their order."""

    def __init__(
        self,
        pipeline: Pipeline,
        sources: Sources,
        queries: EncodedQueries,
        k: int,
        record: Record,
    ) -> None:
        self._pipeline, self._sources, self._queries = pipeline, sources, queries
        self._k, self._record = k, record
        stage = pipeline.relevance
        self._calibration = None if stage is None else sources.calibration(stage.calibration)
        told = 0 if self._calibration is None else self._calibration.depth
        self._is_split = sources.snapshot.has_passages
        # Documents that stages after retrieval look at, however many are asked for.
        self._looked_at = max(pipeline.deepest, told, FUSED_DEPTH if self._takes_means else 0)
        self._depth = max(k, self._looked_at)

    def answer(self, offset: int) -> Answer:
        hits = self._walked(self._found())
        for stage in self._pipeline.rerank:
            hits = self._reranked(stage, hits)
        hits = self._gathered(hits)
        enough, told = self._relevant(hits)
        last = self._diversified(enough)
        last = Hits(last.ordinals[:, offset : self._k], last.scores[:, offset : self._k])
        return Answer(
            self._queries,
            last,
            self._record.stages,
            self._record.reports,
            None if told is None else of_hits(last, told),
            None if told is None else _n_each(hits) - _n_each(enough),
            partial=self._record.partial,
            notes=tuple(self._record.notes),
            trace=self._record.trace,
        )

    def _found(self) -> Hits:
        """What the retrieve stages find together, after feedback if there is to be any."""
        rankings = self._retrieved(self._queries, range(len(self._pipeline.retrieve)), {})
        hits = self._fused(rankings)
        feedback = self._pipeline.feedback
        if feedback is None or not self._in_time("feedback"):
            return hits
        again = [i for i in rankings if _is_searched_again(feedback, self._signal(i))]
        fused = hits if feedback.placement != "after" else None
        kept = {} if feedback.placement == "before" else rankings
        if isinstance(feedback, TextFeedback):
            told = {i: self._retold(feedback, i, fused or rankings[i]) for i in again}
            return self._fused(dict(sorted({**kept, **told}.items())))
        with self._record.stage("feedback", given=hits):
            changed = self._changed(feedback, {i: fused or rankings[i] for i in again})
        return self._fused(self._retrieved(changed, again, kept))

    def _retold(self, feedback: TextFeedback, number: int, found: Hits) -> Hits:
        """What one stage finds for queries that are put together with these hits' texts."""
        sources, stage = self._sources, self._pipeline.retrieve[number]
        found = distinct(sources.snapshot, found) if self._is_split else found
        with self._record.stage("feedback", given=found):
            asked = [
                retold(feedback, query, sources.texts(found.row(i)[0][: feedback.k]))
                for i, query in enumerate(self._queries.texts)
            ]
            texts = [text for of_query in asked for text in of_query]
            inputs = Inputs(texts)
            queries = encode(self._pipeline, sources.snapshot, sources.encoders, inputs)
        counts = [len(of_query) for of_query in asked]
        depth = self._fused_rows(number)
        with self._record.stage(stage.signal, given=0) as made:
            found = retrieve(stage, sources, queries, depth)
            made.hits = hits = aggregated(feedback, found, counts)
            if short := self._short(hits, depth):
                # Rules of aggregation, like those of fusion, depend on how deep the rankings are.
                deeper = aggregated(feedback, self._deep(stage, queries, self._depth), counts)
                deeper = Hits(deeper.ordinals[short], deeper.scores[short])
                made.hits = hits = prolonged(hits, deeper, short, are_comparable=False)
        return hits

    def _retrieved(
        self, queries: EncodedQueries, numbers: Iterable[int], kept: Mapping[int, Hits]
    ) -> dict[int, Hits]:
        """What the stages of these numbers find; `kept` stands where a stage finds nothing new."""
        rankings: dict[int, Hits] = {}
        for i in numbers:
            stage = self._pipeline.retrieve[i]
            if rankings and not self._in_time(stage.signal):
                continue
            with self._record.stage(stage.signal, given=0) as made:
                made.hits = rankings[i] = self._searched(i, queries)
        return dict(sorted({**kept, **rankings}.items()))

    def _searched(self, number: int, queries: EncodedQueries) -> Hits:
        """What a stage finds: first what later stages look at, behind it what else is asked for."""
        stage = self._pipeline.retrieve[number]
        depth = self._first_rows(number)
        if depth == 0 or (stage.is_exact and not self._is_split):
            # All that it finds first stays first, however deep it looks.
            return self._deep(stage, queries, max(self._depth, depth))
        found = retrieve(stage, self._sources, queries, depth)
        short = self._short(found, depth)
        if not short:
            return found
        return prolonged(found, self._deep(stage, queries.take(short), self._depth), short)

    def _deep(self, stage: Retrieve, queries: EncodedQueries, depth: int) -> Hits:
        """At least so many documents."""
        if not self._is_split:
            return retrieve(stage, self._sources, queries, depth)
        return deepened(
            lambda some, n_rows: retrieve(stage, self._sources, some, n_rows),
            queries,
            depth,
            self._sources.snapshot,
            in_time=lambda: self._in_time("looking for passages of more documents"),
        )

    def _first_rows(self, number: int) -> int:
        """How many rows of this ranking are found in the same way, however many are asked for."""
        if self._pipeline.is_fused:
            return self._fused_rows(number)
        return self._in_rows(max(self._pipeline.retrieve[number].depth or 0, self._looked_at))

    def _fused_rows(self, number: int) -> int:
        """How many rows of this ranking are fused, however many are asked for."""
        return self._in_rows(self._pipeline.retrieve[number].depth or FUSED_DEPTH)

    def _in_rows(self, depth: int) -> int:
        """Rows of so many documents."""
        return in_passages(self._sources.snapshot, depth) if self._is_split else depth

    @property
    def _takes_means(self) -> bool:
        return self._is_split and isinstance(self._pipeline.documents, TopPassages)

    def _short(self, hits: Hits, depth: int) -> list[int]:
        """Queries of which there may be more than these, and that want more documents."""
        if not self._is_split and depth >= self._depth:
            return []
        rows = [hits.row(i)[0] for i in range(len(hits))]
        short = [
            i
            for i, row in enumerate(rows)
            if len(row) >= depth and n_documents(self._sources.snapshot, row) < self._depth
        ]
        return short if short and self._in_time("looking further down") else []

    def _changed(self, feedback: Feedback, found: Mapping[int, Hits]) -> EncodedQueries:
        """The queries after feedback; of two stages with one signal, the first one's hits count."""
        by_signal: dict[Signal, Hits] = {}
        for i, hits in found.items():
            if self._is_split:
                hits = distinct(self._sources.snapshot, hits)
            by_signal.setdefault(self._signal(i), hits)
        name = self._sources.encoders.specs.get("sparse", "").partition("?")[0]
        changed = fed_back(
            feedback, self._sources.snapshot, self._queries, by_signal, sparse_name=name
        )
        self._record.trace.fed_back, self._record.trace.changed = by_signal, changed
        return changed

    def _signal(self, number: int) -> Signal:
        return self._pipeline.retrieve[number].signal

    def _fused(self, rankings: Mapping[int, Hits]) -> Hits:
        self._record.trace.rankings = rankings
        if len(rankings) == 1:
            return next(iter(rankings.values()))
        with self._record.stage("fuse", given=rankings) as made:
            made.rankings = rankings
            depths = {i: self._fused_rows(i) for i in rankings}
            # Before feedback others may have been fused than after it.
            self._record.trace.depths |= depths
            hits = made.hits = fuse(self._pipeline.fuse, rankings, depths)
        return hits

    def _walked(self, hits: Hits) -> Hits:
        stage = self._pipeline.graph
        if stage is None or not self._in_time("the graph"):
            return hits
        with self._record.stage(stage.method, given=hits) as made:
            snapshot = self._sources.snapshot
            depth = snapshot.n_docs if self._is_split else self._depth
            made.hits = hits = walked(stage, snapshot, hits, depth)
        return hits

    def _reranked(self, stage: Rerank, hits: Hits) -> Hits:
        if not self._in_time(f"reranking by {stage.by}"):
            return hits
        with self._record.stage(stage.by, given=hits) as made:
            if isinstance(stage, Pairs):
                hits = self._read(stage, hits)
            else:
                hits = rescore(stage, self._sources.snapshot, self._queries, hits)
            # Of those behind the stage says nothing: their scores are only an order.
            made.hits = Hits(hits.ordinals[:, : stage.depth], hits.scores[:, : stage.depth])
        return hits

    def _read(self, stage: Pairs, hits: Hits) -> Hits:
        hits, outcomes = read_pairs(stage, self._sources, self._queries, hits)
        for problem in dict.fromkeys(outcome.problem for outcome in outcomes if outcome.problem):
            self._record.skip(f"reranking was left out: {problem}")
        if n_partial := sum(outcome.partial for outcome in outcomes):
            reason = f"{stage.scorer} had no time for all texts of {n_partial} queries"
            self._record.skip(reason, for_time=True)
        return hits

    def _gathered(self, hits: Hits) -> Hits:
        """Documents, where the hits are passages of them."""
        if not self._is_split:
            return hits
        with self._record.stage("documents", given=hits) as made:
            depth = self._in_rows(self._looked_at)
            made.hits = hits = gathered(
                self._pipeline.documents, self._sources.snapshot, hits, depth
            )
        return hits

    def _relevant(self, hits: Hits) -> tuple[Hits, Hits | None]:
        """Hits that are relevant enough, and the relevance of all."""
        stage, calibration = self._pipeline.relevance, self._calibration
        if stage is None or calibration is None:
            return hits, None
        if self._record.notes:
            # Their scores are of another kind than those that it was calibrated for.
            self._record.skip("relevance was not told: a stage before it was left out")
            return hits, None
        with self._record.stage("relevance", given=hits) as made:
            enough, told = relevant(stage, calibration, self._sources.snapshot, self._queries, hits)
            made.hits = enough
        self._record.stages["relevance"] = told
        least = calibration.threshold if stage.min_relevance is None else stage.min_relevance
        self._record.trace.judged = Judged(told, enough, least)
        return enough, told

    def _diversified(self, hits: Hits) -> Hits:
        stage = self._pipeline.diversify
        if stage is None or not self._in_time("diversification"):
            return hits
        with self._record.stage(stage.method, given=hits) as made:
            hits = made.hits = diversified(stage, self._sources.snapshot, hits, self._k)
        return hits

    def _in_time(self, stage: str) -> bool:
        """Whether there is time for a stage that may be left out; if not, that is noted."""
        if self._sources.in_time:
            return True
        self._record.skip(f"{stage} was left out: the time was up", for_time=True)
        return False


def _n_each(hits: Hits) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(row >= 0) for row in hits.ordinals], dtype=np.int64)


def _is_searched_again(feedback: Feedback, signal: Signal) -> bool:
    signals = searched_again(feedback)
    return signals is None or signal in signals
