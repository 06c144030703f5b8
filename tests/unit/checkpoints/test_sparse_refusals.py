"""Folders that cannot be used are refused, with what was found, expected and the remedy."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lexmax.encoders.checkpoints.sparse import load_masked_lm, load_sparse
from lexmax.errors import EncoderError


@pytest.fixture(scope="module")
def sound(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny, root = tiny_checkpoints, tmp_path_factory.mktemp("sound")
    bert = tiny.save_masked_lm(root / "bert")
    tiny.save_sparse_encoder(root / "splade", bert)
    tiny.save_router(root / "router", bert, tiny.table_weights(200))
    tiny.save_table(root / "table", tiny.table_weights(200))
    tiny.save_auto_encoder(root / "auto-encoder", bert)
    return root


@pytest.fixture
def copied(sound: Path, tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(sound / name, tmp_path / name))

    return copy


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", r"lacks config\.json"),
        ("tokenizer.json", r"lacks tokenizer\.json.*AutoTokenizer"),
        ("model.safetensors", "holds no weights"),
        ("modules.json", None),
        ("1_SpladePooling/config.json", None),
        ("sentence_bert_config.json", "the transformer's task is 'feature-extraction'"),
    ],
)
def test_missing_files(copied: Callable[[str], Path], name: str, message: str | None) -> None:
    folder = copied("splade")
    (folder / name).unlink()
    if message is None:  # What is left is a masked language model, or SPLADE-max by default.
        assert len(load_sparse(folder).encode_documents(["cat"]).weights)
        return
    with pytest.raises(EncoderError, match=message):
        load_sparse(folder)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
        "modules.json",
        "1_SpladePooling/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ],
)
def test_cut_off_files(copied: Callable[[str], Path], name: str) -> None:
    folder = copied("splade")
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(EncoderError, match=f"{path.name} is damaged"):
        load_sparse(folder)


@pytest.mark.parametrize("name", ["document_0_Transformer", "query_0_SparseStaticEmbedding"])
def test_both_sides_of_a_router_are_looked_at_before_the_first_text(
    copied: Callable[[str], Path], name: str
) -> None:
    folder = copied("router")
    path = folder / name / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(EncoderError, match=f"{name}/model.safetensors is damaged or cut off"):
        load_sparse(folder)


def test_weights_only_as_pickle(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"only as pickle \(pytorch_model\.bin\).*save_file"):
        load_sparse(folder)


def test_weights_that_are_not_finite(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    weights = load_file(folder / "model.safetensors")
    weights["bert.embeddings.LayerNorm.bias"][3] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"embeddings\.LayerNorm\.bias holds NaN"):
        load_masked_lm(folder)


def test_a_model_without_the_head(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("cls.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"lack cls\.predictions"):
        load_sparse(folder)


def test_a_model_that_transformers_does_not_know(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    edit(folder / "config.json", model_type="of-tomorrow")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_sparse(folder)


def test_code_of_the_folder_is_not_run(copied: Callable[[str], Path]) -> None:
    folder = copied("splade")
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "mine.Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match=r"asks for mine\.Pooling, which is code of the model"):
        load_sparse(folder)

    folder = copied("router")
    path = folder / "router_config.json"
    path.write_text(path.read_text().replace("sentence_transformers.base", "mine"))
    with pytest.raises(EncoderError, match=r"asks for mine\.modules"):
        load_sparse(folder)


def test_the_tokenizer_of_another_model(
    copied: Callable[[str], Path], tiny_checkpoints: ModuleType
) -> None:
    folder = copied("bert")
    pieces = tiny_checkpoints.vocabulary(250)
    tiny_checkpoints.word_piece_tokenizer(pieces).save_pretrained(folder)
    with pytest.raises(EncoderError, match="has 250 pieces, the model weighs 200 terms"):
        load_sparse(folder)


def test_a_table_of_another_vocabulary(
    sound: Path, copied: Callable[[str], Path], tiny_checkpoints: ModuleType
) -> None:
    table = copied("table")
    pieces = tiny_checkpoints.vocabulary()
    swapped = [*pieces[:-2], pieces[-1], pieces[-2]]
    tiny_checkpoints.word_piece_tokenizer(swapped).save_pretrained(table)
    with pytest.raises(EncoderError, match=r"documents have a vocabulary of 200 .* queries one"):
        load_sparse(sound / "splade", queries=f"idf:{table}")


def test_terms_that_are_no_pieces(sound: Path) -> None:
    with pytest.raises(EncoderError, match="SparseAutoEncoder: its terms are features of a dense"):
        load_sparse(sound / "auto-encoder")


def test_other_modules(copied: Callable[[str], Path]) -> None:
    folder = copied("splade")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:1]))
    with pytest.raises(EncoderError, match="has the modules Transformer for each document"):
        load_sparse(folder)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config_sentence_transformers.json", {"similarity_fn_name": "cosine"}, "by 'cosine'"),
        ("sentence_bert_config.json", {"transformer_task": "feature-extraction"}, "fill-mask"),
        ("sentence_bert_config.json", {"query_expansion": {"length": 32}}, "query_expansion is"),
        ("sentence_bert_config.json", {"max_seq_length": "many"}, "has 'many' tokens at most"),
        ("sentence_bert_config.json", {"document_length": -1}, "document has -1 tokens at most"),
        ("config_sentence_transformers.json", {"prompts": {"query": 5}}, "expected texts"),
        ("1_SpladePooling/config.json", {"pooling_strategy": "mean"}, "SpladePooling by 'mean'"),
        ("1_SpladePooling/config.json", {"activation_function": "elu"}, "of 'elu'"),
    ],
)
def test_values_that_would_give_other_weights(
    copied: Callable[[str], Path], file: str, values: dict[str, Any], message: str
) -> None:
    folder = copied("splade")
    edit(folder / file, **values)
    with pytest.raises(EncoderError, match=message):
        load_sparse(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"structure": {"query": []}}, "has no route for each document"),
        ({"types": []}, "no types and structure"),
        ({"types": {}}, "is no module; expected one that types names"),
        ({"parameters": {"route_mappings": {"('query', None)": "document"}}}, "routes of its own"),
        ({"structure": {"query": ["../x"], "document": []}}, "'../x' is no module"),
        ({"structure": {"query": [], "document": []}}, "has the modules"),
        ({"structure": {"query": None, "document": [["x"]]}}, "is no module"),
        ({"parameters": 5, "structure": {"query": 5, "document": 5}}, "5 is no module"),
    ],
)
def test_routers_that_cannot_be_followed(
    copied: Callable[[str], Path], values: dict[str, Any], message: str
) -> None:
    folder = copied("router")
    edit(folder / "router_config.json", **values)
    with pytest.raises(EncoderError, match=message):
        load_sparse(folder)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("splade", {"max_tokens": 2}, "max_tokens is 2; expected 3 to 64"),
        ("splade", {"max_tokens": 65}, "max_tokens is 65; expected 3 to 64"),
        ("splade", {"query_max_tokens": 0}, "max_tokens is 0; expected 3 to 64"),
        ("splade", {"top_k": 0}, "top_k is 0; expected 1 or more"),
        ("splade", {"ratio": 1.5}, "ratio is 1.5; expected 0 to 1"),
        ("splade", {"query_ratio": float("nan")}, "ratio is nan; expected 0 to 1"),
        ("splade", {"log1p": 3}, "log1p is 3; expected 1 or 2"),
        ("splade", {"pooling": "mean"}, "pooling is 'mean'; expected max or sum"),
        ("splade", {"queries": "bm25"}, "queries is 'bm25'; expected transformer, or idf:PATH"),
        ("splade", {"queries": "idf:/nowhere"}, "/nowhere"),
        ("splade", {"duplicates": "set"}, "duplicates says how a table counts"),
        ("router", {"query_top_k": 3}, "looked up in a table"),
        ("router", {"duplicates": "max"}, "duplicates is 'max'; expected set or sum"),
        ("router", {"query_max_tokens": 0}, "max_tokens is 0; expected 1 or more"),
        ("table", {"queries": "transformer"}, "has no transformer"),
        ("table", {"top_k": 3}, "looked up in a table"),
    ],
)
def test_options_out_of_range(
    sound: Path, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(EncoderError, match=message):
        load_sparse(sound / name, **options)
