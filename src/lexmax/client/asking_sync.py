"""How does a program ask a service, one question at a time?"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import httpx

from lexmax.client import asks, asks_jobs, asks_upkeep, jobs_sync, replies, snapshot_files
from lexmax.client.address import DEFAULT_URL, Address
from lexmax.client.asks import Ask, Filter, InputType, PipelineOrName, Search
from lexmax.client.failures import failure_of, failure_without_reply, require_open, unreadable
from lexmax.client.job_values import JobStatus, Streamed
from lexmax.client.retries import Retries
from lexmax.client.values import (
    CollectionDescription,
    Encoded,
    ExplainedSearch,
    RerankedText,
    Stored,
)
from lexmax.errors import ClientError
from lexmax.results import SearchResult
from lexmax.types import Document
from lexmax.vectors import Query

T = TypeVar("T")


class Client:
    """A service of lexmax, reached over HTTP.

    with lexmax.Client("http://127.0.0.1:8000") as client:
        client.create("pets", multivector=None)
        client.add("pets", [lexmax.Document("1", "a cat sleeps")])
        print(client.search("pets", "cat").hits)

    Safe to use from several threads. What changes nothing if it is done twice is asked again where
    the service has no room for it, as `retries` says.

    Every method raises ClientError where the service refuses, fails or is not reached.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connects when it is first asked.

        Args:
            url: Address of the service.
            key: Shown to it, where it asks for keys.
            timeout_s: Seconds for each of connecting, sending and waiting for the reply.
            retries: What is asked again, and when.
            transport: Instead of a connection, such as one with certificates of its own.

        Raises:
            InputError: if the url or the time cannot be used.
        """
        self.address = Address(url, key, timeout_s, retries or Retries())
        self._http = httpx.Client(
            base_url=self.address.base,
            headers=self.address.headers,
            timeout=timeout_s,
            transport=transport,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def status(self) -> Mapping[str, Any]:
        """How the service is, as `GET /v1/status` tells it."""
        return self._ask(asks.status())

    def collections(self) -> list[str]:
        """The names of the collections that the key may read, sorted."""
        return self._ask(asks.collections())

    def create(self, collection: str, **spec: Any) -> CollectionDescription:
        """A new, empty collection.

        Args:
            collection: Its name.
            spec: sparse, multivector, pooled: specs of encoders, None for no such index; fields:
                types by name; passages: {"window": ..., "stride": ...}. What is left out is as
                the service has it.
        """
        return self._ask(asks.create(collection, spec))

    def describe(self, collection: str) -> CollectionDescription:
        """What a collection holds and can do."""
        return self._ask(asks.describe(collection))

    def delete_collection(self, collection: str) -> None:
        """Remove a collection and all its documents."""
        self._ask(asks.delete_collection(collection))

    def add(self, collection: str, documents: Iterable[Document]) -> Stored:
        """Store documents, in as many requests as it takes; one with the same doc_id is replaced.

        What an earlier request has stored stays where a later one fails; storing all again is safe.
        """
        total = Stored()
        for batch in asks.batches(documents):
            total += self._ask(asks.add(collection, batch))
        return total

    def stream(
        self,
        collection: str,
        documents: Iterable[Document],
        *,
        on_error: Literal["stop", "skip"] = "stop",
        wait: bool = True,
    ) -> Streamed:
        """Store any number of documents in one request, as they come, in constant memory.

        What is stored when something fails stays; storing all again is safe. At a document that
        cannot be stored it ends, or goes on, as `on_error` says. Without `wait`, searches may find
        the last of them a moment later.
        """
        return jobs_sync.stream(self._http, collection, documents, on_error=on_error, wait=wait)

    def index_file(
        self,
        collection: str,
        file: Path | str,
        *,
        format: str | None = None,
        max_rejects: int = 1000,
    ) -> JobStatus:
        """Send a file of documents, and start a job that indexes it: follow it with `follow_job`.

        Formats are jsonl and tsv, also with .gz or .zst; without `format` the name says it.
        """
        return jobs_sync.upload(
            self._http, collection, Path(file), format=format, max_rejects=max_rejects
        )

    def index_import(self, collection: str, path: str, *, max_rejects: int = 1000) -> JobStatus:
        """Start a job that indexes a file of the service's import folder."""
        return self._ask(asks_jobs.start(collection, path, max_rejects=max_rejects))

    def calibrate(
        self,
        collection: str,
        queries: Mapping[str, str],
        qrels: Mapping[str, Mapping[str, int]],
        *,
        name: str = "default",
        pipeline: PipelineOrName | None = None,
        **rules: Any,
    ) -> JobStatus:
        """Start a job that learns which hits are relevant: then searches can ask `min_relevance`.

        Args:
            collection: Its name.
            queries: Texts by their ids, 20 at least.
            qrels: Grades by the documents' ids, by the queries'.
            name: What a pipeline's relevance stage calls it by.
            pipeline: Whose scores are calibrated, as of a search.
            rules: recall or precision, depth, relevant_from, form: docs/relevance.md.
        """
        order = asks_jobs.calibration_order(queries, qrels, name, pipeline, rules)
        return self._ask(asks_jobs.calibrate(collection, order))

    def follow_job(self, collection: str, job_id: str) -> Iterator[JobStatus]:
        """A job as it goes on, until it has ended: `for status in client.follow_job(...)`."""
        return jobs_sync.follow(self._http, collection, job_id, self.address.retries)

    def jobs(self, collection: str) -> list[JobStatus]:
        """The last jobs of a collection, the newest first."""
        return self._ask(asks_jobs.jobs(collection))

    def job(self, collection: str, job_id: str) -> JobStatus:
        """Where a job stands."""
        return self._ask(asks_jobs.status(collection, job_id))

    def cancel_job(self, collection: str, job_id: str) -> JobStatus:
        """Stop a job; what it has stored stays, and is made searchable first."""
        return self._ask(asks_jobs.change(collection, job_id, "cancel"))

    def resume_job(self, collection: str, job_id: str) -> JobStatus:
        """Let a job go on that was cancelled, has failed, or was interrupted."""
        return self._ask(asks_jobs.change(collection, job_id, "resume"))

    def remove_job(self, collection: str, job_id: str) -> None:
        """Forget a job that has ended, and the file that was sent for it."""
        self._ask(asks_jobs.remove(collection, job_id))

    def get(self, collection: str, doc_id: str) -> Document | None:
        """One document as it was stored; None if there is none."""
        try:
            return self._ask(asks.get(collection, doc_id))
        except ClientError as error:
            if error.code == asks.NO_DOCUMENT:
                return None
            raise

    def delete(self, collection: str, doc_ids: Iterable[str]) -> int:
        """Delete documents; how many of them existed."""
        return self._ask(asks.delete(collection, doc_ids))

    def search(
        self,
        collection: str,
        query: str | Query,
        k: int = 10,
        *,
        pipeline: PipelineOrName | None = None,
        filter: Filter | None = None,
        offset: int = 0,
        timeout_ms: float | None = None,
        min_relevance: float | None = None,
    ) -> SearchResult:
        """The best k documents.

        Args:
            collection: Its name.
            query: The question, or vectors of it (`lexmax.Query`).
            k: Hits to return.
            pipeline: A preset's name, or a mapping as docs/pipelines.md has it; None for the best.
            filter: Conditions as docs/filters.md has them.
            offset: Hits to leave out before them.
            timeout_ms: When to leave out the stages that can be left out.
            min_relevance: From 0 to 1, of what is returned; needs a calibration.
        """
        how = Search(pipeline, filter, offset, timeout_ms, min_relevance)
        return self._ask(asks.search(collection, query, k, how))

    def search_batch(
        self,
        collection: str,
        queries: Sequence[str | Query],
        k: int = 10,
        *,
        pipeline: PipelineOrName | None = None,
        filter: Filter | Sequence[Filter | None] | None = None,
        offset: int = 0,
        timeout_ms: float | None = None,
        min_relevance: float | None = None,
    ) -> list[SearchResult]:
        """The best k documents of each query, all from the same state, in one request.

        `filter` is one for all queries, or a list with one, or None, for each; the rest is as for
        `search`. What a stage took is what it took for all.
        """
        how = Search(pipeline, None, offset, None, min_relevance)
        filters = asks_upkeep.filters_of(filter, len(queries))
        return self._ask(
            asks_upkeep.search_batch(
                collection, queries, k, how=how, filters=filters, timeout_ms=timeout_ms
            )
        )

    def delete_matching(self, collection: str, filter: Filter) -> int:
        """Delete the documents that a filter allows; how many there were."""
        return self._ask(asks_upkeep.delete_matching(collection, filter))

    def declare_fields(self, collection: str, fields: Mapping[str, str]) -> Mapping[str, str]:
        """Let filters name these entries of the metadata; types of all fields by name."""
        return self._ask(asks_upkeep.declare_fields(collection, fields))

    def flush(self, collection: str) -> int:
        """Make segments of pending documents; how many."""
        return self._ask(asks_upkeep.flush(collection))

    def merge(
        self, collection: str, *, everything: bool = False, neighbours: int | None = None
    ) -> Mapping[str, Any]:
        """Make many segments few, as few as may be where `everything` is asked for.

        With `neighbours` there is a graph of so many of each document from now on.
        """
        ask = asks_upkeep.merge(collection, everything=everything, neighbours=neighbours)
        return self._ask(ask)

    def statistics(self, collection: str) -> Mapping[str, Any]:
        """What a collection consists of, as `GET /v1/collections/{name}/statistics` tells it."""
        return self._ask(asks_upkeep.statistics(collection))

    def aliases(self) -> dict[str, str]:
        """Collections by alias, of those that the key may read."""
        return self._ask(asks_upkeep.aliases())

    def set_alias(self, alias: str, collection: str) -> str | None:
        """Let a name mean a collection from now on; what it meant before."""
        return self._ask(asks_upkeep.set_alias(alias, collection))

    def delete_alias(self, alias: str) -> None:
        """Let a name mean nothing; the collection stays."""
        self._ask(asks_upkeep.delete_alias(alias))

    def snapshot(self, collection: str, file: Path | str) -> int:
        """Write the collection as it is now to a new file, a tar; its bytes."""
        path = asks_upkeep.snapshot_path(collection)
        return snapshot_files.download(self._http, path, Path(file))

    def restore(self, collection: str, file: Path | str) -> CollectionDescription:
        """Make a new collection of what `snapshot` wrote."""
        path = asks_upkeep.snapshot_path(collection)
        return snapshot_files.upload(self._http, path, Path(file))

    def explain(
        self,
        collection: str,
        query: str | Query,
        k: int = 10,
        *,
        doc_id: str | None = None,
        pipeline: PipelineOrName | None = None,
        filter: Filter | None = None,
        offset: int = 0,
        timeout_ms: float | None = None,
        min_relevance: float | None = None,
    ) -> ExplainedSearch:
        """A search as `search` does it, and why each hit is there; with `doc_id`, why that one."""
        how = Search(pipeline, filter, offset, timeout_ms, min_relevance)
        return self._ask(asks.explain(collection, query, k, doc_id=doc_id, how=how))

    def encode(
        self,
        texts: Sequence[str],
        *,
        input_type: InputType = "document",
        sparse: str | None = None,
        multivector: str | None = None,
        pooled: str | None = None,
    ) -> Encoded:
        """Texts in numbers, by the models that are named: at least one."""
        return self._ask(
            asks.encode(
                texts, input_type=input_type, sparse=sparse, multivector=multivector, pooled=pooled
            )
        )

    def rerank(
        self,
        query: str,
        texts: Sequence[str],
        *,
        top_n: int | None = None,
        model: str | None = None,
    ) -> list[RerankedText]:
        """Texts by how well they answer the query, best first; equals in their order."""
        return self._ask(asks.rerank(query, texts, top_n=top_n, model=model))

    def _ask(self, ask: Ask[T]) -> T:
        for n_failed in count(1):
            try:
                return self._once(ask)
            except ClientError as failure:
                chance = random.random()
                wait_s = self.address.retries.wait_s(n_failed, failure, chance=chance)
                if wait_s is None or not ask.repeatable:
                    raise
            time.sleep(wait_s)
        raise AssertionError("count never ends")

    def _once(self, ask: Ask[T]) -> T:
        require_open(self._http)
        try:
            response = self._http.request(ask.method, ask.path, content=ask.content)
        except httpx.HTTPError as error:
            raise failure_without_reply(error, self.address.base) from error
        if (failure := failure_of(response)) is not None:
            raise failure
        try:
            return ask.read(response.json() if response.content else None)
        except replies.UNREADABLE as error:
            raise unreadable(response, self.address.base) from error
