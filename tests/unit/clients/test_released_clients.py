"""Façades, asked by the clients that other projects have released; each test needs its client."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from lexmax.service.key_file import change_keys
from lexmax.service.keys import new_key

# Warnings of other projects are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = ["a dog", "a cat", "fish"]
KEY = "any"


class Start(Protocol):
    def __call__(self, **settings: Any) -> str: ...


def documents_of(framework: str) -> list[Any]:
    if framework == "haystack":
        module = pytest.importorskip("haystack")
        return [module.Document(content=text) for text in TEXTS]
    if framework == "llama_index":
        schema = pytest.importorskip("llama_index.core.schema")
        return [schema.NodeWithScore(node=schema.TextNode(text=text)) for text in TEXTS]
    module = pytest.importorskip("langchain_core.documents")
    return [module.Document(page_content=text) for text in TEXTS]


def llama_query(text: str) -> Any:
    return pytest.importorskip("llama_index.core.schema").QueryBundle(text)


def best_node(reranker: Any) -> str:
    nodes = documents_of("llama_index")
    return reranker.postprocess_nodes(nodes, query_bundle=llama_query("cat"))[0].node.text


def test_cohere_v1(address: str) -> None:
    cohere = pytest.importorskip("cohere")
    client = cohere.Client(KEY, base_url=f"{address}/cohere")
    found = client.rerank(
        query="cat", documents=TEXTS, top_n=2, model="minilm", return_documents=True
    )
    assert found.results[0].index == 1
    assert len(found.results) == 2
    assert found.results[0].document.text == "a cat"
    assert found.results[0].relevance_score == pytest.approx(1.0, abs=1e-5)
    assert found.meta.api_version.version == "1"
    fields = [{"name": "a cat", "more": 3}, {"name": "a dog"}]
    found = client.rerank(query="cat", documents=fields, rank_fields=["name"], model="minilm")
    assert [one.index for one in found.results] == [0, 1]


def test_cohere_v2(address: str) -> None:
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2(KEY, base_url=f"{address}/cohere")
    found = client.rerank(model="minilm", query="cat", documents=TEXTS, top_n=99)
    assert found.results[0].index == 1
    assert len(found.results) == 3
    assert all(0 <= one.relevance_score <= 1 for one in found.results)
    bare = cohere.ClientV2(KEY, base_url=address)
    assert bare.rerank(model="minilm", query="cat", documents=TEXTS).results[0].index == 1


def test_cohere_is_told_what_is_wrong(address: str) -> None:
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2(KEY, base_url=f"{address}/cohere")
    with pytest.raises(cohere.NotFoundError) as raised:
        client.rerank(model="../etc/passwd", query="cat", documents=TEXTS)
    assert "expected one of minilm" in str(raised.value.body)
    with pytest.raises(cohere.UnprocessableEntityError):
        client.rerank(model="minilm", query=" ", documents=TEXTS)


def test_cohere_shows_a_key_and_waits_when_told(start: Start, tmp_path: Path) -> None:
    cohere = pytest.importorskip("cohere")
    key, secret = new_key("reader", {"*": "read"}, per_second=1)
    change_keys(tmp_path / "keys.json", lambda keys: (*keys, key))
    address = start(keys=tmp_path / "keys.json")
    with pytest.raises(cohere.UnauthorizedError):
        cohere.ClientV2("wrong", base_url=f"{address}/cohere").rerank(
            model="minilm", query="cat", documents=TEXTS
        )
    client = cohere.ClientV2(secret, base_url=f"{address}/cohere")
    for _ in range(3):  # faster than the key may: the client waits as it is told, and asks again
        assert client.rerank(model="minilm", query="cat", documents=TEXTS).results[0].index == 1


def test_langchain_cohere(address: str) -> None:
    langchain_cohere = pytest.importorskip("langchain_cohere")
    reranker = langchain_cohere.CohereRerank(
        cohere_api_key=KEY, base_url=f"{address}/cohere", model="minilm", top_n=2
    )
    found = reranker.compress_documents(documents_of("langchain"), "cat")
    assert found[0].page_content == "a cat"
    assert len(found) == 2


def test_llama_index_cohere(address: str) -> None:
    module = pytest.importorskip("llama_index.postprocessor.cohere_rerank")
    reranker = module.CohereRerank(api_key=KEY, model="minilm", base_url=f"{address}/cohere")
    assert best_node(reranker) == "a cat"


def test_haystack_cohere(address: str) -> None:
    module = pytest.importorskip("haystack_integrations.components.rankers.cohere")
    secret = pytest.importorskip("haystack.utils").Secret.from_token(KEY)
    ranker = module.CohereRanker(
        model="minilm", api_key=secret, api_base_url=f"{address}/cohere", top_k=10
    )
    found = ranker.run(query="cat", documents=documents_of("haystack"))
    assert found["documents"][0].content == "a cat"


def test_llama_index_jina(address: str) -> None:
    module = pytest.importorskip("llama_index.postprocessor.jinaai_rerank")
    reranker = module.JinaRerank(api_key=KEY, model="minilm", base_url=f"{address}/jina/v1")
    assert best_node(reranker) == "a cat"


def test_haystack_jina(address: str) -> None:
    module = pytest.importorskip("haystack_integrations.components.rankers.jina")
    secret = pytest.importorskip("haystack.utils").Secret.from_token(KEY)
    url = f"{address}/jina/v1/rerank"
    ranker = module.JinaRanker(model="minilm", api_key=secret, base_url=url)
    found = ranker.run(query="cat", documents=documents_of("haystack"))
    assert found["documents"][0].content == "a cat"
    wrong = module.JinaRanker(model="nothing", api_key=secret, base_url=url)
    with pytest.raises(RuntimeError, match="expected one of minilm"):
        wrong.run(query="cat", documents=documents_of("haystack"))


def test_voyage(address: str) -> None:
    voyageai = pytest.importorskip("voyageai")
    client = voyageai.Client(KEY, base_url=f"{address}/voyage/v1")
    found = client.rerank("cat", TEXTS, model="minilm", top_k=2)
    assert found.results[0].index == 1
    assert len(found.results) == 2
    assert found.results[0].document == "a cat"
    assert found.total_tokens > 0


def test_openai(address: str) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0)
    found = client.embeddings.create(model="minilm-pooled", input=TEXTS)
    vectors = np.array([one.embedding for one in found.data])
    assert vectors.shape == (3, 16)
    plain = client.embeddings.create(
        model="minilm-pooled", input=TEXTS, encoding_format="float", dimensions=16
    )
    np.testing.assert_allclose([one.embedding for one in plain.data], vectors, atol=1e-7)
    names = [one.id for one in client.models.list()]
    assert "minilm-pooled" in names
    assert client.models.retrieve("minilm").id == "minilm"
    with pytest.raises(openai.NotFoundError) as raised:
        client.embeddings.create(model="text-embedding-3-small", input="cat")
    assert raised.value.code == "model_not_found"
    assert "expected one of minilm-pooled" in raised.value.message


def test_huggingface_hub(address: str) -> None:
    hub = pytest.importorskip("huggingface_hub")
    found = hub.InferenceClient(f"{address}/embed").feature_extraction(TEXTS)
    np.testing.assert_array_equal(hub.InferenceClient(address).feature_extraction(TEXTS), found)
    assert found.shape == (3, 16)
    one = hub.InferenceClient(f"{address}/tei/minilm-pooled/embed").feature_extraction(
        "a cat", normalize=True
    )
    np.testing.assert_allclose(np.linalg.norm(one), 1, atol=1e-5)


def test_llama_index_text_embeddings(address: str) -> None:
    module = pytest.importorskip("llama_index.embeddings.text_embeddings_inference")
    for base in (address, f"{address}/tei/minilm-pooled"):
        embedding = module.TextEmbeddingsInference(model_name="minilm-pooled", base_url=base)
        assert len(embedding.get_text_embedding("a cat")) == 16
        assert len(embedding.get_text_embedding_batch(TEXTS)) == 3


def test_llama_index_text_embeddings_rerank(address: str) -> None:
    module = pytest.importorskip("llama_index.postprocessor.tei_rerank")
    for base in (address, f"{address}/tei/minilm"):
        reranker = module.TextEmbeddingInference(base_url=base, top_n=1)
        assert best_node(reranker) == "a cat"


@pytest.mark.parametrize(
    ("provider", "path"),
    [("cohere", "/v2/rerank"), ("hosted_vllm", "/jina/v1"), ("huggingface", "/tei/minilm")],
)
def test_litellm(address: str, provider: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or it asks the network
    litellm = pytest.importorskip("litellm")
    found = litellm.rerank(
        model=f"{provider}/minilm",
        query="cat",
        documents=TEXTS,
        api_base=f"{address}{path}",
        api_key=KEY,
    )
    assert found.results[0]["index"] == 1
