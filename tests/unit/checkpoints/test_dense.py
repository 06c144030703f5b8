import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.encoders import Encoders
from lexmax.encoders.checkpoints.dense import load_dense
from lexmax.encoders.contract import DenseEncoder
from lexmax.errors import EncoderError

TEXTS = ["late interaction, retrieval!", "a", "token search of the index " * 9, "Zebra. (42)"]


@pytest.fixture
def library(plain_bert: Path, parts: Callable[[str], Any]) -> Callable[..., Any]:
    """Builds a SentenceTransformer: `layers` are what follows the pooling."""

    def build(
        *layers: Any, pooling: Any = "mean", include_prompt: bool = True, **values: Any
    ) -> Any:
        transformer = parts("base.modules.Transformer")(str(plain_bert))
        pool = parts("sentence_transformer.modules.Pooling")
        modules = [transformer, pool(32, pooling, include_prompt), *layers]
        whole = parts("sentence_transformer.model.SentenceTransformer")
        return whole(modules=modules, device="cpu", **values)

    return build


def check(folder: Path, model: Any, **values: Any) -> DenseEncoder:
    """Vectors of the folder are those of the library's model."""
    encoder = Encoders().load(folder)
    assert isinstance(encoder, DenseEncoder)
    assert encoder.spec == f"dense:{folder}"
    queries, documents = encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS)
    assert queries.shape == (len(TEXTS), encoder.dim)
    assert queries.dtype == documents.dtype == np.float32
    np.testing.assert_allclose(queries, model.encode_query(TEXTS, **values), atol=1e-5)
    np.testing.assert_allclose(documents, model.encode_document(TEXTS, **values), atol=1e-5)
    return encoder


@pytest.mark.parametrize(
    "pooling",
    ["cls", "lasttoken", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", ("cls", "max")],
)
def test_pooling_is_that_of_sentence_transformers(
    tmp_path: Path, library: Callable[..., Any], pooling: Any
) -> None:
    model = library(pooling=pooling, similarity_fn_name="dot")
    model.save(str(tmp_path))
    check(tmp_path, model)


@pytest.mark.parametrize("pooling", ["cls", "lasttoken", "max", "mean", "weightedmean"])
@pytest.mark.parametrize("include_prompt", [True, False])
def test_prompts(
    tmp_path: Path, library: Callable[..., Any], pooling: str, include_prompt: bool
) -> None:
    prompts = {"query": "search query: ", "document": "text: "}
    model = library(
        pooling=pooling, include_prompt=include_prompt, prompts=prompts, similarity_fn_name="dot"
    )
    model.save(str(tmp_path))
    check(tmp_path, model)


def test_layers_behind_the_pooling(
    tmp_path: Path, library: Callable[..., Any], parts: Callable[[str], Any]
) -> None:
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(8)
    dense = parts("base.modules.dense.Dense")
    norm = parts("sentence_transformer.modules.LayerNorm")(32)
    torch.nn.init.normal_(norm.norm.weight)
    layers = [
        norm,
        parts("sentence_transformer.modules.Dropout")(0.1),
        dense(32, 32, activation_function=torch.nn.GELU(), use_residual=True),
        dense(32, 12, activation_function=torch.nn.Tanh()),
        parts("base.modules.Normalize")(),
    ]
    model = library(*layers)
    model.save(str(tmp_path))
    assert check(tmp_path, model).dim == 12


def test_vectors_that_are_compared_by_cosine_have_length_one(
    tmp_path: Path, library: Callable[..., Any]
) -> None:
    model = library(similarity_fn_name="cosine")
    model.save(str(tmp_path))
    check(tmp_path, model, normalize_embeddings=True)


def test_fewer_coordinates_that_the_folder_asks_for(
    tmp_path: Path, library: Callable[..., Any]
) -> None:
    model = library(similarity_fn_name="dot", truncate_dim=10)
    model.save(str(tmp_path))
    assert check(tmp_path, model).dim == 10


def test_folders_of_older_versions(tmp_path: Path, library: Callable[..., Any]) -> None:
    model = library(pooling="max", similarity_fn_name="dot")
    model.save(str(tmp_path))
    (pooling,) = tmp_path.glob("1_*/config.json")
    pooling.write_text(
        json.dumps(
            {
                "word_embedding_dimension": 32,
                "pooling_mode_cls_token": False,
                "pooling_mode_mean_tokens": False,
                "pooling_mode_max_tokens": True,
            }
        )
    )
    (tmp_path / "config_sentence_transformers.json").unlink()
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 12}')
    model.max_seq_length = 12
    check(tmp_path, model)


def test_a_passage_prompt_stands_before_documents(
    tmp_path: Path, library: Callable[..., Any]
) -> None:
    model = library(prompts={"passage": "text: "}, similarity_fn_name="dot")
    model.save(str(tmp_path))
    found = load_dense(tmp_path).encode_documents(TEXTS)
    np.testing.assert_allclose(found, model.encode(TEXTS, prompt="text: "), atol=1e-5)


def test_a_plain_transformer_is_pooled_as_the_spec_says(plain_bert: Path) -> None:
    encoders = Encoders()
    mean = encoders.dense(f"dense:{plain_bert}")
    first = encoders.dense(f"dense:{plain_bert}?pooling=cls&max_tokens=9")
    assert first.spec == f"dense:{plain_bert}?max_tokens=9&pooling=cls"
    assert first.fingerprint != mean.fingerprint
    assert not np.allclose(first.encode_queries(TEXTS), mean.encode_queries(TEXTS), atol=1e-2)
    with pytest.raises(EncoderError, match="pooled by 'median'; expected cls, lasttoken"):
        encoders.dense(f"dense:{plain_bert}?pooling=median")


def test_texts_without_words_give_zeros(plain_bert: Path) -> None:
    found = load_dense(plain_bert).encode_documents(["", " ", "token"])
    assert not found[:2].any()
    assert found[2].any()
    assert load_dense(plain_bert).encode_queries([]).shape == (0, 32)


def test_batch_equals_single(plain_bert: Path) -> None:
    encoder = load_dense(plain_bert)
    texts = TEXTS * 40
    together = encoder.encode_documents(texts)
    for i in (0, 1, 2, 3, 158):
        np.testing.assert_allclose(together[i], encoder.encode_documents([texts[i]])[0], atol=1e-5)


@pytest.mark.parametrize("max_tokens", [0, 2, 49])
def test_max_tokens_out_of_range(plain_bert: Path, max_tokens: int) -> None:
    with pytest.raises(EncoderError, match="tokens"):
        load_dense(plain_bert, max_tokens=max_tokens)


def test_minilm_pooled() -> None:
    """Numbers of all-MiniLM-L6-v2 by sentence-transformers 6.2, written down once."""
    encoder = Encoders().dense("minilm-pooled")
    assert (encoder.spec, encoder.dim) == ("minilm-pooled?max_tokens=256", 384)
    found = encoder.encode_documents([*TEXTS, ""])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 1, 1, 0], atol=1e-5)
    np.testing.assert_allclose(found[0, :3], [-0.0171365, -0.0026434, 0.0311663], atol=1e-5)


def test_minilm_pooled_reads_512_tokens_at_most() -> None:
    with pytest.raises(EncoderError, match="max_tokens is 513; expected 3 to 512"):
        Encoders().dense("minilm-pooled?max_tokens=513")
