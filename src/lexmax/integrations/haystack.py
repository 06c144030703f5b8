"""How does Haystack search and rerank with a service of lexmax?"""

from dataclasses import replace
from typing import Any

from lexmax.client import Client
from lexmax.client.address import DEFAULT_URL
from lexmax.integrations.frameworks import framework
from lexmax.integrations.metadata import metadata_of, text_of
from lexmax.results import Hit

_haystack = framework("haystack", extra="haystack")
_utils = framework("haystack.utils", extra="haystack")
_component: Any = _haystack.component
_Document: Any = _haystack.Document
_DOCUMENTS: Any = list[_Document]


@_component
class LexmaxRetriever:
    """Documents of a collection that answer a query.

    Its key is one of Haystack's secrets, so that pipelines can be written to files.
    """

    def __init__(
        self,
        collection: str,
        *,
        url: str = DEFAULT_URL,
        key: Any = None,
        top_k: int = 10,
        search: dict[str, Any] | None = None,
    ) -> None:
        """`search` is more of `lexmax.Client.search`: pipeline, filter, min_relevance."""
        self.collection, self.url, self.key = collection, url, key
        self.top_k, self.search = top_k, search or {}
        self._client = _client(url, key)

    @_component.output_types(documents=_DOCUMENTS)  # type: ignore[untyped-decorator]
    def run(self, query: str, top_k: int | None = None) -> dict[str, Any]:
        """The best documents as `documents`."""
        found = self._client.search(self.collection, query, top_k or self.top_k, **self.search)
        return {"documents": [_document(hit) for hit in found.hits]}

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def to_dict(self) -> dict[str, Any]:
        """As pipelines are written."""
        return _written(
            self,
            collection=self.collection,
            url=self.url,
            key=self.key,
            top_k=self.top_k,
            search=self.search,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "LexmaxRetriever":
        """As pipelines are read."""
        found: LexmaxRetriever = _read(cls, data)
        return found


@_component
class LexmaxRanker:
    """The best of some documents, in their order for the query."""

    def __init__(
        self,
        *,
        url: str = DEFAULT_URL,
        key: Any = None,
        top_k: int | None = None,
        model: str | None = None,
    ) -> None:
        """`model` by name; None for the service's own choice."""
        self.url, self.key, self.top_k, self.model = url, key, top_k, model
        self._client = _client(url, key)

    @_component.output_types(documents=_DOCUMENTS)  # type: ignore[untyped-decorator]
    def run(self, query: str, documents: list[Any], top_k: int | None = None) -> dict[str, Any]:
        """The best documents as `documents`, with their new scores."""
        if not documents:
            return {"documents": []}
        texts = [document.content or "" for document in documents]
        found = self._client.rerank(query, texts, top_n=top_k or self.top_k, model=self.model)
        return {"documents": [replace(documents[one.index], score=one.score) for one in found]}

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def to_dict(self) -> dict[str, Any]:
        """As pipelines are written."""
        return _written(self, url=self.url, key=self.key, top_k=self.top_k, model=self.model)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "LexmaxRanker":
        """As pipelines are read."""
        found: LexmaxRanker = _read(cls, data)
        return found


def _client(url: str, key: Any) -> Client:
    return Client(url, key=None if key is None else key.resolve_value())


def _document(hit: Hit) -> Any:
    return _Document(id=hit.doc_id, content=text_of(hit), meta=metadata_of(hit), score=hit.score)


def _written(made: Any, *, key: Any, **parameters: Any) -> dict[str, Any]:
    said: dict[str, Any] = _haystack.default_to_dict(
        made, key=None if key is None else key.to_dict(), **parameters
    )
    return said


def _read(kind: Any, data: dict[str, Any]) -> Any:
    _utils.deserialize_secrets_inplace(data["init_parameters"], keys=["key"])
    return _haystack.default_from_dict(kind, data)
