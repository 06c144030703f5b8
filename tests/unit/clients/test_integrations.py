"""Retrievers and rerankers of frameworks; each test needs its framework."""

import asyncio
from typing import Any

import pytest

from lexmax.client import AsyncClient, Client
from lexmax.integrations.frameworks import framework
from lexmax.integrations.metadata import metadata_of, text_of
from lexmax.results import Hit, Passage

# Warnings of other projects are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_what_a_hit_knows_goes_along() -> None:
    hit = Hit(1, "a", 2.5, "Cats", "a cat. a dog", {"year": 2020, "title": "other"}, {}, 0.5)
    assert metadata_of(hit) == {
        "year": 2020, "doc_id": "a", "title": "Cats", "score": 2.5, "rank": 1, "relevance": 0.5,
    }  # fmt: skip
    assert text_of(hit) == "a cat. a dog"
    split = Hit(1, "a", 2.5, "", "a cat. a dog", {}, {}, passage=Passage(7, 12, "a dog"))
    assert text_of(split) == "a dog"
    assert metadata_of(split)["passage"] == {"start": 7, "end": 12}


def test_a_framework_that_is_missing_is_said() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"lexmax\[any\]\""):
        framework("a_framework_that_there_is_not", extra="any")


def test_langchain_retriever(pets: Client) -> None:
    pytest.importorskip("langchain_core")
    from lexmax.integrations.langchain import LexmaxRetriever

    retriever: Any = LexmaxRetriever(
        client=pets, collection="pets", k=2, search={"filter": "year >= 2020"}
    )
    found = retriever.invoke("cat")
    assert [one.id for one in found] == ["cat", "dog"]
    assert found[0].page_content == "a cat sleeps on the mat"
    assert found[0].metadata["year"] == 2020
    assert [one.id for one in asyncio.run(retriever.ainvoke("cat"))] == ["cat", "dog"]

    async def ask() -> list[Any]:
        async with AsyncClient(pets.address.url) as client:
            made: Any = LexmaxRetriever(client=pets, async_client=client, collection="pets")
            return await made.ainvoke("fish")

    assert [one.id for one in asyncio.run(ask())] == ["fish"]


def test_langchain_reranker(client: Client) -> None:
    documents = pytest.importorskip("langchain_core.documents")
    from lexmax.integrations.langchain import LexmaxReranker

    given = [documents.Document(page_content=text, metadata={"n": 1}) for text in ("dog", "cat")]
    reranker: Any = LexmaxReranker(client=client, top_n=1, model="minilm")
    found = reranker.compress_documents(given, "cat")
    assert [one.page_content for one in found] == ["cat"]
    assert found[0].metadata == {"n": 1, "relevance_score": pytest.approx(1.0, abs=0.01)}
    assert given[1].metadata == {"n": 1}
    assert reranker.compress_documents([], "cat") == []

    async def ask() -> list[Any]:
        async with AsyncClient(client.address.url) as asking:
            made: Any = LexmaxReranker(client=client, async_client=asking)
            return await made.acompress_documents(given, "cat")

    assert [one.page_content for one in asyncio.run(ask())] == ["cat", "dog"]


def test_llama_index_retriever(pets: Client) -> None:
    pytest.importorskip("llama_index.core")
    from lexmax.integrations.llama_index import LexmaxRetriever

    retriever: Any = LexmaxRetriever(pets, "pets", k=1, pipeline="bm25")
    found = retriever.retrieve("cat")
    assert [one.node.node_id for one in found] == ["cat"]
    assert found[0].score > 0
    assert asyncio.run(retriever.aretrieve("cat"))[0].node.node_id == "cat"


def test_llama_index_reranker(client: Client) -> None:
    schema = pytest.importorskip("llama_index.core.schema")
    from lexmax.integrations.llama_index import LexmaxReranker

    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text)) for text in ("dog", "cat")]
    reranker: Any = LexmaxReranker(client=client)
    found = reranker.postprocess_nodes(nodes, query_bundle=schema.QueryBundle("cat"))
    assert [one.node.text for one in found] == ["cat", "dog"]
    assert reranker.postprocess_nodes([], query_bundle=schema.QueryBundle("cat")) == []


def test_haystack_pipeline_survives_a_file(pets: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    haystack = pytest.importorskip("haystack")
    from lexmax.integrations.haystack import LexmaxRanker, LexmaxRetriever

    monkeypatch.setenv("LEXMAX_TEST_KEY", "quetzal")
    secret = pytest.importorskip("haystack.utils").Secret.from_env_var("LEXMAX_TEST_KEY")
    url = pets.address.url
    pipeline = haystack.Pipeline()
    pipeline.add_component("find", LexmaxRetriever("pets", url=url, key=secret, top_k=2))
    pipeline.add_component("order", LexmaxRanker(url=url, model="minilm"))
    pipeline.connect("find.documents", "order.documents")
    written = pipeline.dumps()
    assert "quetzal" not in written
    again = haystack.Pipeline.loads(written, allowed_modules=["lexmax.integrations.haystack"])
    for one in (pipeline, again):
        found = one.run({"find": {"query": "cat"}, "order": {"query": "a cat sleeps"}})
        documents = found["order"]["documents"]
        assert [document.id for document in documents] == ["cat", "dog"]
        assert documents[0].meta["doc_id"] == "cat"
        assert documents[0].score > documents[1].score
        for name in ("find", "order"):
            one.get_component(name).close()
