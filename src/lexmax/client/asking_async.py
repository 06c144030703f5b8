"""How does a program ask a service many questions at once?"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import httpx

from lexmax.client import asks, asks_jobs, asks_upkeep, jobs_async, replies, snapshot_files
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


class AsyncClient:
    """A service of lexmax, reached over HTTP: `lexmax.Client` for programs that use asyncio.

    async with lexmax.AsyncClient() as client:
        found = await asyncio.gather(*(client.search("pets", query) for query in queries))
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """As `lexmax.Client`."""
        self.address = Address(url, key, timeout_s, retries or Retries())
        self._http = httpx.AsyncClient(
            base_url=self.address.base,
            headers=self.address.headers,
            timeout=timeout_s,
            transport=transport,
        )

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """As `lexmax.Client.close`."""
        await self._http.aclose()

    async def status(self) -> Mapping[str, Any]:
        """As `lexmax.Client.status`."""
        return await self._ask(asks.status())

    async def collections(self) -> list[str]:
        """As `lexmax.Client.collections`."""
        return await self._ask(asks.collections())

    async def create(self, collection: str, **spec: Any) -> CollectionDescription:
        """As `lexmax.Client.create`."""
        return await self._ask(asks.create(collection, spec))

    async def describe(self, collection: str) -> CollectionDescription:
        """As `lexmax.Client.describe`."""
        return await self._ask(asks.describe(collection))

    async def delete_collection(self, collection: str) -> None:
        """As `lexmax.Client.delete_collection`."""
        await self._ask(asks.delete_collection(collection))

    async def add(self, collection: str, documents: Iterable[Document]) -> Stored:
        """As `lexmax.Client.add`."""
        total = Stored()
        for batch in asks.batches(documents):
            total += await self._ask(asks.add(collection, batch))
        return total

    async def stream(
        self,
        collection: str,
        documents: Iterable[Document],
        *,
        on_error: Literal["stop", "skip"] = "stop",
        wait: bool = True,
    ) -> Streamed:
        """As `lexmax.Client.stream`."""
        return await jobs_async.stream(
            self._http, collection, documents, on_error=on_error, wait=wait
        )

    async def index_file(
        self,
        collection: str,
        file: Path | str,
        *,
        format: str | None = None,
        max_rejects: int = 1000,
    ) -> JobStatus:
        """As `lexmax.Client.index_file`."""
        return await jobs_async.upload(
            self._http, collection, Path(file), format=format, max_rejects=max_rejects
        )

    async def index_import(
        self, collection: str, path: str, *, max_rejects: int = 1000
    ) -> JobStatus:
        """As `lexmax.Client.index_import`."""
        return await self._ask(asks_jobs.start(collection, path, max_rejects=max_rejects))

    async def calibrate(
        self,
        collection: str,
        queries: Mapping[str, str],
        qrels: Mapping[str, Mapping[str, int]],
        *,
        name: str = "default",
        pipeline: PipelineOrName | None = None,
        **rules: Any,
    ) -> JobStatus:
        """As `lexmax.Client.calibrate`."""
        order = asks_jobs.calibration_order(queries, qrels, name, pipeline, rules)
        return await self._ask(asks_jobs.calibrate(collection, order))

    def follow_job(self, collection: str, job_id: str) -> AsyncIterator[JobStatus]:
        """As `lexmax.Client.follow_job`."""
        return jobs_async.follow(self._http, collection, job_id, self.address.retries)

    async def jobs(self, collection: str) -> list[JobStatus]:
        """As `lexmax.Client.jobs`."""
        return await self._ask(asks_jobs.jobs(collection))

    async def job(self, collection: str, job_id: str) -> JobStatus:
        """As `lexmax.Client.job`."""
        return await self._ask(asks_jobs.status(collection, job_id))

    async def cancel_job(self, collection: str, job_id: str) -> JobStatus:
        """As `lexmax.Client.cancel_job`."""
        return await self._ask(asks_jobs.change(collection, job_id, "cancel"))

    async def resume_job(self, collection: str, job_id: str) -> JobStatus:
        """As `lexmax.Client.resume_job`."""
        return await self._ask(asks_jobs.change(collection, job_id, "resume"))

    async def remove_job(self, collection: str, job_id: str) -> None:
        """As `lexmax.Client.remove_job`."""
        await self._ask(asks_jobs.remove(collection, job_id))

    async def get(self, collection: str, doc_id: str) -> Document | None:
        """As `lexmax.Client.get`."""
        try:
            return await self._ask(asks.get(collection, doc_id))
        except ClientError as error:
            if error.code == asks.NO_DOCUMENT:
                return None
            raise

    async def delete(self, collection: str, doc_ids: Iterable[str]) -> int:
        """As `lexmax.Client.delete`."""
        return await self._ask(asks.delete(collection, doc_ids))

    async def search(
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
        """As `lexmax.Client.search`."""
        how = Search(pipeline, filter, offset, timeout_ms, min_relevance)
        return await self._ask(asks.search(collection, query, k, how))

    async def search_batch(
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
        """As `lexmax.Client.search_batch`."""
        how = Search(pipeline, None, offset, None, min_relevance)
        filters = asks_upkeep.filters_of(filter, len(queries))
        return await self._ask(
            asks_upkeep.search_batch(
                collection, queries, k, how=how, filters=filters, timeout_ms=timeout_ms
            )
        )

    async def delete_matching(self, collection: str, filter: Filter) -> int:
        """As `lexmax.Client.delete_matching`."""
        return await self._ask(asks_upkeep.delete_matching(collection, filter))

    async def declare_fields(self, collection: str, fields: Mapping[str, str]) -> Mapping[str, str]:
        """As `lexmax.Client.declare_fields`."""
        return await self._ask(asks_upkeep.declare_fields(collection, fields))

    async def flush(self, collection: str) -> int:
        """As `lexmax.Client.flush`."""
        return await self._ask(asks_upkeep.flush(collection))

    async def merge(
        self, collection: str, *, everything: bool = False, neighbours: int | None = None
    ) -> Mapping[str, Any]:
        """As `lexmax.Client.merge`."""
        ask = asks_upkeep.merge(collection, everything=everything, neighbours=neighbours)
        return await self._ask(ask)

    async def statistics(self, collection: str) -> Mapping[str, Any]:
        """As `lexmax.Client.statistics`."""
        return await self._ask(asks_upkeep.statistics(collection))

    async def aliases(self) -> dict[str, str]:
        """As `lexmax.Client.aliases`."""
        return await self._ask(asks_upkeep.aliases())

    async def set_alias(self, alias: str, collection: str) -> str | None:
        """As `lexmax.Client.set_alias`."""
        return await self._ask(asks_upkeep.set_alias(alias, collection))

    async def delete_alias(self, alias: str) -> None:
        """As `lexmax.Client.delete_alias`."""
        await self._ask(asks_upkeep.delete_alias(alias))

    async def snapshot(self, collection: str, file: Path | str) -> int:
        """As `lexmax.Client.snapshot`."""
        path = asks_upkeep.snapshot_path(collection)
        return await snapshot_files.download_async(self._http, path, Path(file))

    async def restore(self, collection: str, file: Path | str) -> CollectionDescription:
        """As `lexmax.Client.restore`."""
        path = asks_upkeep.snapshot_path(collection)
        return await snapshot_files.upload_async(self._http, path, Path(file))

    async def explain(
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
        """As `lexmax.Client.explain`."""
        how = Search(pipeline, filter, offset, timeout_ms, min_relevance)
        return await self._ask(asks.explain(collection, query, k, doc_id=doc_id, how=how))

    async def encode(
        self,
        texts: Sequence[str],
        *,
        input_type: InputType = "document",
        sparse: str | None = None,
        multivector: str | None = None,
        pooled: str | None = None,
    ) -> Encoded:
        """As `lexmax.Client.encode`."""
        return await self._ask(
            asks.encode(
                texts, input_type=input_type, sparse=sparse, multivector=multivector, pooled=pooled
            )
        )

    async def rerank(
        self,
        query: str,
        texts: Sequence[str],
        *,
        top_n: int | None = None,
        model: str | None = None,
    ) -> list[RerankedText]:
        """As `lexmax.Client.rerank`."""
        return await self._ask(asks.rerank(query, texts, top_n=top_n, model=model))

    async def _ask(self, ask: Ask[T]) -> T:
        for n_failed in count(1):
            try:
                return await self._once(ask)
            except ClientError as failure:
                chance = random.random()
                wait_s = self.address.retries.wait_s(n_failed, failure, chance=chance)
                if wait_s is None or not ask.repeatable:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError("count never ends")

    async def _once(self, ask: Ask[T]) -> T:
        require_open(self._http)
        try:
            response = await self._http.request(ask.method, ask.path, content=ask.content)
        except httpx.HTTPError as error:
            raise failure_without_reply(error, self.address.base) from error
        if (failure := failure_of(response)) is not None:
            raise failure
        try:
            return ask.read(response.json() if response.content else None)
        except replies.UNREADABLE as error:
            raise unreadable(response, self.address.base) from error
