"""How does a program ask a service many questions at once?"""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Any, TypeVar

import httpx

from lexmax.client import asks, replies
from lexmax.client.address import DEFAULT_URL, Address
from lexmax.client.asks import Ask, Filter, InputType, PipelineOrName, Search
from lexmax.client.failures import failure_of, failure_without_reply, unreadable
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
        query: str,
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

    async def explain(
        self,
        collection: str,
        query: str,
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
