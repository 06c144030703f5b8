"""How does a search come to its documents? One snapshot from the first stage to the last row."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lexmax import pipeline as pipelines
from lexmax.errors import CorruptionError, QueryError
from lexmax.index.catalog import Catalog
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline import Answer, CollectionEncoders
from lexmax.reading import Reader
from lexmax.results import Hit, Ranking, SearchResult, check_query
from lexmax.stages import Pipeline, named

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Searcher:
    """Runs pipelines over what a reader has newest, and looks the documents up."""

    catalog: Catalog
    reader: Reader
    encoders: CollectionEncoders

    def search(
        self, query: str, k: int, pipeline: str | Pipeline | None, doc_ids: Iterable[str] | None
    ) -> SearchResult:
        """As `Collection.search`."""
        check_query(query, k)
        chosen = self._chosen(pipeline)

        def found(snapshot: Snapshot) -> SearchResult:
            answer = pipelines.run(chosen, snapshot, self.encoders, [query], k)
            if answer.queries.is_empty(0):
                raise QueryError(
                    f"query {query[:80]!r} has no term to search for, only stop words or "
                    "punctuation; expected at least one other word; rephrase it"
                )
            hits = self._hits(snapshot, answer)
            return SearchResult(query, chosen.name, hits, answer.timings_ms, snapshot.generation)

        return self._seen(doc_ids, found)

    def search_batch(
        self,
        queries: Sequence[str],
        k: int,
        pipeline: str | Pipeline | None,
        doc_ids: Iterable[str] | None,
    ) -> Ranking:
        """As `Collection.search_batch`."""
        chosen = self._chosen(pipeline)

        def found(snapshot: Snapshot) -> Ranking:
            answer = pipelines.run(chosen, snapshot, self.encoders, queries, k)
            rows = [answer.hits.row(i) for i in range(len(queries))]
            return Ranking(
                [self.catalog.doc_ids(snapshot.serials(ordinals)) for ordinals, _ in rows],
                [scores for _, scores in rows],
                answer.timings_ms,
            )

        return self._seen(doc_ids, found)

    def _chosen(self, pipeline: str | Pipeline | None) -> Pipeline:
        return named(pipeline or pipelines.default_name(self.encoders))

    def _seen(self, doc_ids: Iterable[str] | None, read: Callable[[Snapshot], Found]) -> Found:
        """What `read` finds in the newest snapshot, of which only allowed documents are seen.

        Where a merge has meanwhile forgotten documents that it needs, it reads a newer one.
        """
        allowed = None if doc_ids is None else list(doc_ids)
        snapshot = self.reader.newest(wait=False)
        while True:
            try:
                if allowed is None:
                    return read(snapshot)
                return read(snapshot.restricted(self.reader.of_doc_ids(snapshot, allowed)))
            except CorruptionError:
                if self.reader.is_whole(snapshot):
                    raise
            snapshot = self.reader.newest(wait=True)

    def _hits(self, snapshot: Snapshot, answer: Answer) -> tuple[Hit, ...]:
        """Documents of the first query's hits."""
        ordinals, scores = answer.hits.row(0)
        documents = self.catalog.documents(snapshot.serials(ordinals))
        return tuple(
            Hit(
                rank,
                document.doc_id,
                float(score),
                document.title,
                document.text,
                document.metadata,
                answer.scores_by_stage(0, int(ordinal)),
            )
            for rank, (ordinal, score, document) in enumerate(
                zip(ordinals, scores, documents, strict=True), start=1
            )
        )
