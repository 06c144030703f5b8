import json
from pathlib import Path
from typing import Any

import pytest

from lexmax.encoders import Encoders
from lexmax.encoders.checkpoints.detect import own_kind, spec_of_folder
from lexmax.errors import EncoderError

PREFIX = "sentence_transformers.models."


def put(folder: Path, name: str, value: Any) -> None:
    (folder / name).write_text(json.dumps(value))


def library(folder: Path, model_type: str | None, *modules: str) -> None:
    values = {} if model_type is None else {"model_type": model_type}
    put(folder, "config_sentence_transformers.json", values)
    kinds = ["sentence_transformers.models.Transformer", *modules]
    put(folder, "modules.json", [{"path": "", "type": kind} for kind in kinds])


@pytest.mark.parametrize(
    ("model_type", "modules", "name"),
    [
        ("SparseEncoder", [f"{PREFIX}SpladePooling"], "splade"),
        ("MultiVectorEncoder", [f"{PREFIX}Dense"], "colbert"),
        ("ColBERT", ["pylate.models.Dense.Dense"], "colbert"),
        ("SentenceTransformer", [f"{PREFIX}Pooling"], "dense"),
        ("CrossEncoder", [], "cross-encoder"),
        ("CrossEncoder", [f"{PREFIX}LogitScore"], "yes-no"),
        (None, [f"{PREFIX}Pooling"], "dense"),
        (None, [f"{PREFIX}SpladePooling"], "splade"),
        (None, ["pylate.models.Dense.Dense"], "colbert"),
    ],
)
def test_folders_of_sentence_transformers(
    tmp_path: Path, model_type: str | None, modules: list[str], name: str
) -> None:
    library(tmp_path, model_type, *modules)
    put(tmp_path, "config.json", {"architectures": ["BertForMaskedLM"]})
    assert spec_of_folder(tmp_path) == f"{name}:{tmp_path}"


def test_pylate_is_known_by_its_prefixes(tmp_path: Path) -> None:
    library(tmp_path, None, f"{PREFIX}Dense")
    put(tmp_path, "config_sentence_transformers.json", {"query_prefix": "[Q] "})
    assert spec_of_folder(tmp_path) == f"colbert:{tmp_path}"


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("HF_ColBERT", "colbert"),
        ("BertForMaskedLM", "splade"),
        ("ModernBertForSequenceClassification", "cross-encoder"),
        ("Qwen3ForCausalLM", "yes-no"),
        ("GPT2LMHeadModel", "yes-no"),
    ],
)
def test_folders_of_transformers(tmp_path: Path, architecture: str, name: str) -> None:
    put(tmp_path, "config.json", {"architectures": [architecture]})
    assert spec_of_folder(tmp_path) == f"{name}:{tmp_path}"


def test_stanfords_metadata_says_colbert(tmp_path: Path) -> None:
    put(tmp_path, "config.json", {"architectures": ["BertModel"]})
    put(tmp_path, "artifact.metadata", {})
    assert spec_of_folder(tmp_path) == f"colbert:{tmp_path}"


@pytest.mark.parametrize(
    ("kind", "name"), [("sparse", "splade"), ("multivector", "colbert"), ("dense", "dense")]
)
def test_folders_of_lexmax(tmp_path: Path, kind: str, name: str) -> None:
    put(tmp_path, "encoder.json", {"format": "lexmax-encoder", "version": 1, "kind": kind})
    put(tmp_path, "config.json", {"architectures": ["BertForCausalLM"]})
    assert own_kind(tmp_path) == kind
    assert spec_of_folder(tmp_path) == f"{name}:{tmp_path}"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"format": "lexmax-encoder", "version": 2, "kind": "sparse"}, "version 2; expected"),
        ({"format": "other", "version": 1, "kind": "sparse"}, "format 'other'"),
        ({"format": "lexmax-encoder", "version": 1, "kind": "odd"}, "kind 'odd'; expected one of"),
        ([], "holds a list; expected a json object"),
    ],
)
def test_encoder_json_that_is_not_ours(tmp_path: Path, said: Any, message: str) -> None:
    put(tmp_path, "encoder.json", said)
    with pytest.raises(EncoderError) as caught:
        spec_of_folder(tmp_path)
    assert message in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"holds no model; expected config\.json"):
        Encoders().load(tmp_path)


@pytest.mark.parametrize("architectures", [["BertModel"], [], None, "BertModel"])
def test_a_plain_transformer_is_not_guessed(tmp_path: Path, architectures: Any) -> None:
    put(tmp_path, "config.json", {"architectures": architectures})
    with pytest.raises(EncoderError, match=r"kind cannot be told.*dense:.*\?pooling=mean"):
        Encoders().load(tmp_path)


def test_damaged_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Bert')
    with pytest.raises(EncoderError, match=r"config\.json is damaged"):
        Encoders().load(tmp_path)
