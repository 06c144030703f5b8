"""How does LangChain search and rerank with a service of lexmax?"""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from lexmax.client import AsyncClient, Client
from lexmax.client.values import RerankedText
from lexmax.integrations.frameworks import framework
from lexmax.integrations.metadata import metadata_of, text_of
from lexmax.results import Hit

_documents = framework("langchain_core.documents", extra="langchain")
_BaseDocumentCompressor: Any = _documents.BaseDocumentCompressor
_BaseRetriever: Any = framework("langchain_core.retrievers", extra="langchain").BaseRetriever


class LexmaxRetriever(_BaseRetriever):  # type: ignore[misc]
    """Documents of a collection that answer a query.

    retriever = LexmaxRetriever(client=lexmax.Client(), collection="pets", k=5)

    Attributes:
        client: Asks the service.
        async_client: The same for `ainvoke`; without it that asks `client` on a thread.
        collection: Its name.
        k: Documents to return.
        search: More of `lexmax.Client.search`: pipeline, filter, min_relevance, timeout_ms.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    client: Client
    async_client: AsyncClient | None = None
    collection: str
    k: int = 10
    search: dict[str, Any] = Field(default_factory=dict[str, Any])

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Any]:
        found = self.client.search(self.collection, query, self.k, **self.search)
        return [_document(hit) for hit in found.hits]

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Any]:
        if self.async_client is None:
            inherited: Any = super()
            found: list[Any] = await inherited._aget_relevant_documents(
                query, run_manager=run_manager
            )
            return found
        answer = await self.async_client.search(self.collection, query, self.k, **self.search)
        return [_document(hit) for hit in answer.hits]


class LexmaxReranker(_BaseDocumentCompressor):  # type: ignore[misc]
    """The best of some documents, in their order for the query.

    Attributes:
        client: Asks the service.
        async_client: The same for `acompress_documents`.
        top_n: Documents to return; None for all.
        model: By name; None for the service's own choice.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    client: Client
    async_client: AsyncClient | None = None
    top_n: int | None = None
    model: str | None = None

    def compress_documents(
        self, documents: Sequence[Any], query: str, callbacks: Any = None
    ) -> list[Any]:
        """The best documents; their metadata gets `relevance_score`."""
        if not documents:
            return []
        texts = [document.page_content for document in documents]
        found = self.client.rerank(query, texts, top_n=self.top_n, model=self.model)
        return _scored(documents, found)

    async def acompress_documents(
        self, documents: Sequence[Any], query: str, callbacks: Any = None
    ) -> list[Any]:
        """The same, waiting for the service without a thread."""
        if self.async_client is None or not documents:
            inherited: Any = super()
            found: list[Any] = await inherited.acompress_documents(documents, query, callbacks)
            return found
        texts = [document.page_content for document in documents]
        answer = await self.async_client.rerank(query, texts, top_n=self.top_n, model=self.model)
        return _scored(documents, answer)


def _document(hit: Hit) -> Any:
    return _documents.Document(id=hit.doc_id, page_content=text_of(hit), metadata=metadata_of(hit))


def _scored(documents: Sequence[Any], found: Sequence[RerankedText]) -> list[Any]:
    return [
        documents[one.index].model_copy(
            update={"metadata": {**documents[one.index].metadata, "relevance_score": one.score}}
        )
        for one in found
    ]
