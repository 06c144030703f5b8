"""Damaged files of a sparse encoder are refused by name, or are sound: nothing else happens."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from lexmax.encoders.checkpoints.files import check_tensors, read_json, weight_files
from lexmax.encoders.checkpoints.sparse import load_sparse
from lexmax.encoders.checkpoints.sparse_modules import longest_text, read_sparse_folder
from lexmax.errors import EncoderError

WEIGHTS = save({"a": np.arange(9, dtype=np.float32), "b": np.ones(3, np.float16)})
INDEX = b'{"metadata": {}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}'
MODULES = (
    b'[{"idx": 0, "name": "0", "path": "", "type": '
    b'"sentence_transformers.base.modules.transformer.Transformer"}, '
    b'{"idx": 1, "name": "1", "path": "", "type": '
    b'"sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling"}]'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("damaged")
    (made / "one.safetensors").write_bytes(WEIGHTS)
    return made


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Cut off, with a changed byte, with bytes more, or other bytes altogether."""
    place = st.integers(0, len(whole) - 1)
    changed = st.builds(
        lambda n, byte: whole[:n] + bytes([byte]) + whole[n + 1 :], place, st.integers(0, 255)
    )
    return st.one_of(
        place.map(lambda n: whole[:n]),
        changed,
        st.binary(min_size=1, max_size=40).map(lambda more: whole + more),
        st.binary(max_size=80),
    )


def refused_by_name(read: Callable[[], object], path: Path) -> None:
    refusal = None
    try:
        read()
    except EncoderError as error:
        refusal = str(error)
    assert refusal is None or str(path) in refusal


@settings(max_examples=400, deadline=None)
@given(written=damaged(WEIGHTS))
def test_weights(folder: Path, written: bytes) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(written)
    refused_by_name(lambda: check_tensors(path), path)


@settings(max_examples=200, deadline=None)
@given(written=damaged(INDEX))
def test_indexes_of_weights(folder: Path, written: bytes) -> None:
    (folder / "model.safetensors").unlink(missing_ok=True)
    path = folder / "model.safetensors.index.json"
    path.write_bytes(written)
    with pytest.raises(EncoderError, match=r"lacks|names no files|damaged|json object"):
        weight_files(folder)


@settings(max_examples=200, deadline=None)
@given(written=damaged(MODULES))
def test_lists_of_modules(folder: Path, written: bytes) -> None:
    (folder / "modules.json").write_bytes(written)
    (folder / "sentence_bert_config.json").write_text('{"transformer_task": "fill-mask"}')
    refused_by_name(lambda: read_sparse_folder(folder), folder)


@settings(max_examples=100, deadline=None)
@given(written=damaged(b'{"max_position_embeddings": 512, "model_type": "roberta"}'))
def test_configs(folder: Path, written: bytes) -> None:
    path = folder / "config.json"
    path.write_bytes(written)
    refused_by_name(lambda: read_json(path), path)
    refused_by_name(lambda: longest_text(folder), path)


FILES = [
    "config_sentence_transformers.json",
    "document_0_Transformer/config.json",
    "document_0_Transformer/model.safetensors",
    "document_0_Transformer/sentence_bert_config.json",
    "document_0_Transformer/tokenizer.json",
    "document_0_Transformer/tokenizer_config.json",
    "document_1_SpladePooling/config.json",
    "modules.json",
    "query_0_SparseStaticEmbedding/model.safetensors",
    "query_0_SparseStaticEmbedding/tokenizer.json",
    "router_config.json",
]
_SEEN = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(__file__).parents[1] / "unit" / "tiny_checkpoints.py"
    spec: Any = importlib.util.spec_from_file_location("tiny_checkpoints", path)
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    root = tmp_path_factory.mktemp("model")
    bert = tiny.save_masked_lm(root / "bert")
    return tiny.save_router(root / "router", bert, tiny.table_weights(200))


def encodes(folder: Path) -> bool:
    """Whether the folder gave weights; an error that is not ours passes through."""
    try:
        encoder: Any = load_sparse(folder)
        encoder.encode_documents(["the cat", "!"])
        encoder.encode_queries(["the cat"], None)
    except EncoderError:
        return False
    return True


def test_whole_folders(
    model: Path,
    tmp_path: Path,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    assert encodes(folder)
    for seed in rounds:
        path = folder / FILES[seed % len(FILES)]
        original = path.read_bytes()
        cut = original[: seed * 7919 % len(original)]
        damaged = [cut, *mutations(original, seed)] if len(original) > 150 else [cut]
        for changed in damaged[seed % len(damaged) :][:_SEEN]:
            path.write_bytes(changed)
            encodes(folder)
        path.write_bytes(original)
    assert encodes(folder)
