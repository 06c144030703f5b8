"""Folders that are damaged, cut off, or of another kind are refused with what to do."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from lexmax.encoders.sparse_folder import save_sparse_folder
from lexmax.encoders.sparse_loading import load_sparse_folder
from lexmax.encoders.sparse_model import Mlm, SparseModel, Table
from lexmax.encoders.sparse_parts import Limits, build
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path, tiny_checkpoints: ModuleType) -> Path:
    trunk = open_trunk(str(tiny_checkpoints.save_masked_lm(tmp_path / "source")))
    parts = build(SparseModel(Table("learned"), Mlm()), trunk, limits=Limits(20, 30))
    found = tmp_path / "saved"
    found.mkdir()
    save_sparse_folder(parts, found)
    return found


def use(folder: Path, **options: Any) -> None:
    load_sparse_folder(folder, **options).encode_documents(["cat"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said: said.update(version=2), r"expected \('lexmax-encoder', 1, 'sparse'\)"),
        (lambda said: said.update(kind="dense"), "load it with the program that saved it"),
        (lambda said: said.pop("limits"), "lacks 'limits'"),
        (lambda said: said["model"]["document"].update(name="mlmm"), "did you mean mlm"),
        (lambda said: said["limits"].update(document=5000), "expected 3 to 64"),
        (lambda said: said["pruning"]["document"].update(top_k=0), "top_k is 0"),
        (lambda said: said.update(document_transformer="minilm"), "expected how to build it"),
        (
            lambda said: said.update(document_transformer={"shipped": "other"}),
            "the transformer is 'other'",
        ),
        (
            lambda said: said["document_transformer"]["config"].update(model_type="berta"),
            "the transformer cannot be built",
        ),
        (
            lambda said: said["document_transformer"]["config"].update(num_hidden_layers=3),
            "lacks encoder.layer.2",
        ),
        (
            lambda said: said["document_transformer"]["config"].update(hidden_size=16),
            "the transformer cannot be built",
        ),
    ],
)
def test_a_wrong_description_is_refused(folder: Path, change: Change, message: str) -> None:
    path = folder / "encoder.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    change(said)
    path.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(EncoderError, match=message):
        use(folder)


@pytest.mark.parametrize(
    "name", ["encoder.json", "tokenizer.json", "heads.safetensors", "document.safetensors"]
)
def test_missing_and_truncated_files_are_refused(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for length in (0, 7, len(whole) // 2, len(whole) - 2):
        (folder / name).write_bytes(whole[:length])
        with pytest.raises(EncoderError, match=name):
            use(folder)
    (folder / name).unlink()
    with pytest.raises(EncoderError, match=name):
        use(folder)


def test_nan_and_missing_tensors_are_refused(folder: Path) -> None:
    path = folder / "heads.safetensors"
    heads = safetensors.torch.load_file(path)
    safetensors.torch.save_file({**heads, "query.table": heads["query.table"] * np.nan}, path)
    with pytest.raises(EncoderError, match=r"query\.table holds NaN"):
        use(folder)
    del heads["document.head.bias"]
    safetensors.torch.save_file(heads, path)
    with pytest.raises(EncoderError, match=r"document\.head\.bias is missing"):
        use(folder)
    safetensors.torch.save_file({**heads, "document.head.bias": torch.zeros(3)}, path)
    with pytest.raises(EncoderError, match=r"document\.head\.bias is \(3,\); expected \(200,\)"):
        use(folder)
    del heads["query.table"]
    safetensors.torch.save_file(heads, path)
    with pytest.raises(EncoderError, match=r"lacks query\.table"):
        use(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"log1p": 2}, "expected no log1p"),
        ({"pooling": "sum"}, "expected no pooling"),
        ({"queries": "transformer"}, "expected idf:PATH"),
        ({"duplicates": "max"}, "expected set or sum"),
        ({"ratio": 2.0}, "ratio is 2.0"),
        ({"max_tokens": 1}, "the document limit is 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    folder: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(EncoderError, match=message):
        use(folder, **options)
