"""How does a search come to its documents? One snapshot from the first stage to the last row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax import pipeline as pipelines
from lexmax.conditions import parse_conditions
from lexmax.errors import CorruptionError, InputError, QueryError
from lexmax.index.catalog import Catalog
from lexmax.index.kept_documents import KeptDocuments, Row
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.snapshot import Snapshot
from lexmax.passages import Spans, passage_texts
from lexmax.pipeline import (
    Answer,
    CollectionEncoders,
    EncodedQueries,
    Record,
    Sources,
    timings_ms,
)
from lexmax.pipeline.asked import inputs_of
from lexmax.reading import Reader
from lexmax.relevance import Calibration, IndexVersion, load_calibration, modified_ns
from lexmax.reranking import Deadline, ScoreCache
from lexmax.reranking.deadline import NEVER
from lexmax.results import Hit, Passage, Ranking, SearchResult, check_query
from lexmax.search_groups import alike, by_filter, told_of
from lexmax.stages import Conditions, Pipeline, RelevanceFilter, TopPassages, named
from lexmax.types import Json
from lexmax.vectors import Query

Found = TypeVar("Found")
Asked: TypeAlias = "str | Pipeline | Mapping[str, Any] | None"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search is for besides its query.

    Attributes:
        k: Hits to return.
        offset: Hits to leave out before them.
        pipeline: A preset's name, a value, or a mapping that says one; None for the default.
        filter: Conditions that documents must meet; as `lexmax.conditions` reads them.
        doc_ids: The only documents that may be found.
        timeout_ms: When stages that may be left out are left out.
        min_relevance: Of what is returned, from 0 to 1.
    """

    k: int
    offset: int = 0
    pipeline: Asked = None
    filter: Conditions | None = None
    doc_ids: Sequence[str] | None = None
    timeout_ms: float | None = None
    min_relevance: float | None = None


@dataclass(frozen=True, slots=True)
class Traced:
    """One search, and all that it saw and did, for those who explain it."""

    pipeline: Pipeline
    sources: Sources
    answer: Answer
    result: SearchResult


@dataclass(frozen=True, slots=True)
class Searcher:
    """Runs pipelines over what a reader has newest, and looks the documents up."""

    catalog: Catalog
    reader: Reader
    encoders: CollectionEncoders
    documents: KeptDocuments
    scores: ScoreCache = field(default_factory=ScoreCache)

    def search(self, query: str | Query, wanted: Wanted) -> SearchResult:
        """As `Collection.search`."""
        return self.traced(query, wanted, lambda traced: traced.result)

    def traced(self, query: str | Query, wanted: Wanted, read: Callable[[Traced], Found]) -> Found:
        """What `read` finds in a search, while the documents that it saw are still there."""
        text = check_query(query, wanted.k)
        chosen = self._chosen(wanted)
        inputs = inputs_of([query], chosen, self.encoders)

        def found(sources: Sources) -> Found:
            answer = pipelines.run(chosen, sources, inputs, wanted.k, offset=wanted.offset)
            _require_terms(answer, 0, text)
            result = self._result(text, chosen, sources.snapshot, answer)
            return read(Traced(chosen, sources, answer, result))

        return self._seen(chosen, wanted, found)

    def search_batch(
        self,
        queries: Sequence[str | Query],
        wanted: Wanted,
        *,
        filters: Conditions | Sequence[Conditions | None] | None = None,
    ) -> Ranking:
        """As `Collection.search_batch`."""
        if filters is None or isinstance(filters, str | dict):
            wanted, filters = replace(wanted, filter=filters), None
        elif len(filters) != len(queries):
            raise InputError(
                f"found {len(filters)} filters for {len(queries)} queries; expected one a query"
            )
        chosen = self._chosen(wanted)
        inputs = inputs_of(queries, chosen, self.encoders)

        def found(sources: Sources) -> Ranking:
            record = Record()
            encoded = pipelines.encoded_queries(chosen, sources, inputs, record)
            answers = [
                (
                    members,
                    self._answered(chosen, sources, encoded.take(members), conditions, wanted),
                )
                for conditions, members in by_filter(len(queries), filters)
            ]
            return self._ranking(sources.snapshot, len(queries), record, answers)

        return self._seen(chosen, wanted, found)

    def search_many(self, searches: Sequence[tuple[str | Query, Wanted]]) -> list[SearchResult]:
        """What `search` finds for each, all in one state; those alike share their stages.

        What a stage took is what it took for all that shared it. Of `timeout_ms` the first counts.

        Raises:
            QueryError, PipelineError, FilterError: as `search`, with the place of the search.
        """
        for place, (query, wanted) in enumerate(searches):
            with told_of(place):
                check_query(query, wanted.k)
        groups = alike([replace(wanted, filter=None) for _, wanted in searches])
        if not groups:
            return []
        deadline = _deadline(searches[0][1])

        def read(snapshot: Snapshot) -> list[SearchResult]:
            found: dict[int, SearchResult] = {}
            for wanted, places in groups:
                with told_of(places[0]):
                    chosen = self._chosen(wanted)
                    sources = self._sources(snapshot, chosen, wanted, deadline)
                    queries = [searches[place] for place in places]
                    results = self._results(chosen, sources, queries, places)
                found.update(zip(places, results, strict=True))
            return [found[place] for place in range(len(searches))]

        return self._while_whole(read)

    def _results(
        self,
        pipeline: Pipeline,
        sources: Sources,
        searches: Sequence[tuple[str | Query, Wanted]],
        places: Sequence[int],
    ) -> list[SearchResult]:
        """Of searches that differ in their queries and filters alone, with their places."""
        record = Record()
        inputs = inputs_of([query for query, _ in searches], pipeline, self.encoders)
        encoded = pipelines.encoded_queries(pipeline, sources, inputs, record)
        found: dict[int, SearchResult] = {}
        filters = [wanted.filter for _, wanted in searches]
        for conditions, members in by_filter(len(searches), filters):
            with told_of(places[members[0]]):
                answer = self._answered(
                    pipeline, sources, encoded.take(members), conditions, searches[0][1]
                )
            answer = replace(answer, reports=(*record.reports, *answer.reports))
            for row, member in enumerate(members):
                query = searches[member][0]
                text = query if isinstance(query, str) else query.text
                with told_of(places[member]):
                    _require_terms(answer, row, text)
                found[member] = self._result(text, pipeline, sources.snapshot, answer, row=row)
        return [found[member] for member in range(len(searches))]

    def _answered(
        self,
        pipeline: Pipeline,
        sources: Sources,
        queries: EncodedQueries,
        conditions: Conditions | None,
        wanted: Wanted,
    ) -> Answer:
        """Queries that share a filter, which is evaluated once for all of them."""
        if conditions is not None:
            snapshot = sources.matching(sources.snapshot, conditions)
            sources = replace(sources, snapshot=snapshot)
        return pipelines.answered(pipeline, sources, queries, wanted.k, offset=wanted.offset)

    def _chosen(self, wanted: Wanted) -> Pipeline:
        chosen = named(wanted.pipeline or pipelines.default_name(self.encoders))
        if wanted.min_relevance is None:
            return chosen
        relevance = chosen.relevance or RelevanceFilter()
        relevance = relevance.model_copy(update={"min_relevance": wanted.min_relevance})
        return chosen.model_copy(update={"relevance": relevance})

    def _seen(self, pipeline: Pipeline, wanted: Wanted, read: Callable[[Sources], Found]) -> Found:
        """What `read` finds in the newest snapshot, of which only allowed documents are seen.

        Where a merge has meanwhile forgotten documents that it needs, it reads a newer one.
        """
        deadline = _deadline(wanted)
        return self._while_whole(
            lambda snapshot: read(self._sources(snapshot, pipeline, wanted, deadline))
        )

    def _while_whole(self, read: Callable[[Snapshot], Found]) -> Found:
        snapshot = self.reader.newest(wait=False)
        while True:
            try:
                return read(snapshot)
            except CorruptionError:
                if self.reader.is_whole(snapshot):
                    raise
            snapshot = self.reader.newest(wait=True)

    def _sources(
        self, snapshot: Snapshot, pipeline: Pipeline, wanted: Wanted, deadline: Deadline
    ) -> Sources:
        seen = snapshot
        if wanted.doc_ids is not None:
            seen = snapshot.restricted(self.reader.of_doc_ids(snapshot, wanted.doc_ids))
        for conditions in (wanted.filter, pipeline.filter):
            if conditions is not None:
                seen = self._matching(seen, conditions)
        return Sources(
            seen,
            self.encoders,
            self._texts(snapshot),
            self._matching,
            self._calibration(snapshot, pipeline),
            scores=self.scores,
            deadline=deadline,
        )

    def _texts(self, snapshot: Snapshot) -> Callable[[NDArray[np.int64]], list[str]]:
        def read(ordinals: NDArray[np.int64]) -> list[str]:
            found = self.documents.read(snapshot.serials(ordinals))
            return passage_texts(found, snapshot.passages(ordinals))

        return read

    def _calibration(self, snapshot: Snapshot, pipeline: Pipeline) -> Callable[[str], Calibration]:
        def read(name: str) -> Calibration:
            folder = self.catalog.path.parent
            calibration = _read_calibration(folder, name, modified_ns(folder, name))
            calibration.version.require(version_of(self.catalog, snapshot, pipeline), name=name)
            return calibration

        return read

    def _matching(self, snapshot: Snapshot, conditions: Conditions) -> Snapshot:
        predicate = parse_conditions(conditions, snapshot.fields)
        return snapshot.restricted(self.reader.matching(snapshot, predicate))

    def _result(
        self, query: str, pipeline: Pipeline, snapshot: Snapshot, answer: Answer, *, row: int = 0
    ) -> SearchResult:
        return SearchResult(
            query,
            pipeline.name,
            self._hits(snapshot, answer, row),
            answer.timings_ms,
            snapshot.generation,
            answer.reports,
            None if answer.n_filtered is None else int(answer.n_filtered[row]),
            answer.partial,
            answer.notes,
        )

    def _hits(self, snapshot: Snapshot, answer: Answer, row: int) -> tuple[Hit, ...]:
        """Documents of one query's hits."""
        ordinals, scores = answer.hits.row(row)
        rows = self.documents.rows(snapshot.serials(ordinals))
        relevance = None if answer.relevance is None else answer.relevance[row].tolist()
        passages = _passages(rows, snapshot.passages(ordinals))
        of_stages = answer.scores_by_stage(row, ordinals)
        return tuple(
            Hit(
                i + 1,
                doc_id,
                score,
                title,
                text,
                orjson.loads(metadata),
                of_stages[i],
                None if relevance is None else relevance[i],
                None if passages is None else passages[i],
            )
            for i, (score, (doc_id, text, title, metadata)) in enumerate(
                zip(scores.tolist(), rows, strict=True)
            )
        )

    def _ranking(
        self,
        snapshot: Snapshot,
        n_queries: int,
        record: Record,
        answers: Sequence[tuple[Sequence[int], Answer]],
    ) -> Ranking:
        rows = [_NOTHING] * n_queries
        for members, answer in answers:
            for i, member in enumerate(members):
                rows[member] = answer.hits.row(i)
        reports = [*record.reports, *(one for _, answer in answers for one in answer.reports)]
        return Ranking(
            self._doc_ids(snapshot, [ordinals for ordinals, _ in rows]),
            [scores for _, scores in rows],
            timings_ms(reports),
        )

    def _doc_ids(self, snapshot: Snapshot, rows: Sequence[NDArray[np.int64]]) -> list[list[str]]:
        """Of every row; a document that many queries find is looked up once."""
        everything = np.concatenate([np.zeros(0, np.int64), *rows])
        ordinals, places = np.unique(everything, return_inverse=True)
        names = self.catalog.doc_ids(snapshot.serials(ordinals))
        ends = np.cumsum([len(row) for row in rows])
        return [
            [names[place] for place in places[end - len(row) : end]]
            for row, end in zip(rows, ends, strict=True)
        ]


def _deadline(wanted: Wanted) -> Deadline:
    return NEVER if wanted.timeout_ms is None else Deadline.within(wanted.timeout_ms)


def _require_terms(answer: Answer, row: int, text: str) -> None:
    if answer.queries.is_empty(row) and not text.strip():
        raise QueryError(
            "the query's vectors have nothing to search for: no term with a weight above 0, no "
            "token, no pooled vector but zeros; expected one that the pipeline searches by"
        )
    if answer.queries.is_empty(row):
        raise QueryError(
            f"query {text[:80]!r} has no term to search for, only stop words or "
            "punctuation; expected at least one other word; rephrase it"
        )


def _passages(rows: Sequence[Row], spans: Spans | None) -> list[Passage] | None:
    if spans is None:
        return None
    return [
        Passage(start, end, text[start:end])
        for (_, text, _, _), (start, end) in zip(rows, spans.tolist(), strict=True)
    ]


def version_of(catalog: Catalog, snapshot: Snapshot, pipeline: Pipeline) -> IndexVersion:
    """What a calibration of this pipeline belongs to now; the snapshot is of all documents."""
    setting = catalog.setting("multivector")
    plan = None if setting is None else MultiVectorPlan.from_json(setting).to_json()
    stages: dict[str, Json] = pipeline.model_dump(mode="json")
    if pipeline.is_fused or pipeline.graph is not None:
        # Scores were once scaled over as many documents as were asked for: others than now.
        stages["fused"] = "to a depth"
    if pipeline.rerank or isinstance(pipeline.documents, TopPassages):
        # So were those that are scored again, and passages that count.
        stages["looked_at"] = "to a depth"
    return IndexVersion.of(stages, snapshot, plan)


@lru_cache(maxsize=32)
def _read_calibration(collection: Path, name: str, _modified_ns: int) -> Calibration:
    return load_calibration(collection, name)


_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.float32))
