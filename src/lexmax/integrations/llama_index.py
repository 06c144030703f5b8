"""How does LlamaIndex search and rerank with a service of lexmax?"""

from typing import Any, ClassVar

from pydantic import ConfigDict

from lexmax.client import AsyncClient, Client
from lexmax.integrations.frameworks import framework
from lexmax.integrations.metadata import metadata_of, text_of
from lexmax.results import Hit

_BaseRetriever: Any = framework(
    "llama_index.core.base.base_retriever", extra="llama-index"
).BaseRetriever
_BaseNodePostprocessor: Any = framework(
    "llama_index.core.postprocessor.types", extra="llama-index"
).BaseNodePostprocessor
_schema = framework("llama_index.core.schema", extra="llama-index")


class LexmaxRetriever(_BaseRetriever):  # type: ignore[misc]
    """Documents of a collection that answer a query, as nodes."""

    def __init__(
        self,
        client: Client,
        collection: str,
        *,
        k: int = 10,
        async_client: AsyncClient | None = None,
        **search: Any,
    ) -> None:
        """`search` is more of `lexmax.Client.search`: pipeline, filter, min_relevance."""
        self._client, self._async_client = client, async_client
        self._collection, self._k, self._search = collection, k, search
        inherited: Any = super()
        inherited.__init__()

    def _retrieve(self, query_bundle: Any) -> list[Any]:
        found = self._client.search(
            self._collection, query_bundle.query_str, self._k, **self._search
        )
        return [_node(hit) for hit in found.hits]

    async def _aretrieve(self, query_bundle: Any) -> list[Any]:
        if self._async_client is None:
            return self._retrieve(query_bundle)
        found = await self._async_client.search(
            self._collection, query_bundle.query_str, self._k, **self._search
        )
        return [_node(hit) for hit in found.hits]


class LexmaxReranker(_BaseNodePostprocessor):  # type: ignore[misc]
    """The best of some nodes, in their order for the query.

    Attributes:
        client: Asks the service.
        top_n: Nodes to return; None for all.
        model: By name; None for the service's own choice.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    client: Client
    top_n: int | None = None
    model: str | None = None

    @classmethod
    def class_name(cls) -> str:
        """Its name where it is stored."""
        return "LexmaxReranker"

    def _postprocess_nodes(self, nodes: list[Any], query_bundle: Any = None) -> list[Any]:
        if query_bundle is None or not nodes:
            return nodes
        texts = [one.node.get_content(metadata_mode=_schema.MetadataMode.EMBED) for one in nodes]
        found = self.client.rerank(
            query_bundle.query_str, texts, top_n=self.top_n, model=self.model
        )
        return [_schema.NodeWithScore(node=nodes[r.index].node, score=r.score) for r in found]


def _node(hit: Hit) -> Any:
    node = _schema.TextNode(id_=hit.doc_id, text=text_of(hit), metadata=metadata_of(hit))
    return _schema.NodeWithScore(node=node, score=hit.score)
