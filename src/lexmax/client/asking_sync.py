"""How does a program ask a service, one question at a time?"""

import random
import time
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
        query: str,
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
            query: The question.
            k: Hits to return.
            pipeline: A preset's name, or a mapping as docs/pipelines.md has it; None for the best.
            filter: Conditions as docs/filters.md has them.
            offset: Hits to leave out before them.
            timeout_ms: When to leave out the stages that can be left out.
            min_relevance: From 0 to 1, of what is returned; needs a calibration.
        """
        how = Search(pipeline, filter, offset, timeout_ms, min_relevance)
        return self._ask(asks.search(collection, query, k, how))

    def explain(
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
