"""Folders that no encoder can be made of say what is wrong and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from lexmax.encoders import Encoders
from lexmax.errors import EncoderError

GOLDEN = Path(__file__).parents[2] / "golden" / "pylate" / "model"


@pytest.fixture
def colbert(tmp_path: Path) -> Path:
    return shutil.copytree(GOLDEN, tmp_path / "colbert")


def refused(spec: str) -> str:
    name = spec.partition(":")[0]
    encoders = Encoders()
    load = {"colbert": encoders.multivector, "dense": encoders.dense}.get(name, encoders.pairs)
    with pytest.raises(EncoderError) as caught:
        load(spec)
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "1_Dense/model.safetensors"]
)
def test_missing_files_are_named(colbert: Path, name: str) -> None:
    (colbert / name).unlink()
    message = refused(f"colbert:{colbert}")
    assert Path(name).name in message
    assert "copy or download the model again" in message


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "1_Dense/config.json",
        "1_Dense/model.safetensors",
    ],
)
@pytest.mark.parametrize("share", [0, 0.5, 0.95])
def test_truncated_files_are_refused(colbert: Path, name: str, share: float) -> None:
    path = colbert / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert name.rpartition("/")[2] in refused(f"colbert:{colbert}")


def test_pickles_are_refused_with_the_remedy(colbert: Path) -> None:
    (colbert / "model.safetensors").rename(colbert / "pytorch_model.bin")
    message = refused(f"colbert:{colbert}")
    assert "only as pickle (pytorch_model.bin)" in message
    assert "weights_only=True" in message


@pytest.mark.parametrize("where", [".", "1_Dense"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(colbert: Path, where: str, number: float) -> None:
    path = colbert / where / "model.safetensors"
    weights = load_file(path)
    name = max(weights)
    weights[name].view(-1)[3] = number
    save_file(weights, path)
    assert f"{name} holds NaN or infinity" in refused(f"colbert:{colbert}")


def test_weights_of_another_shape_are_refused(colbert: Path) -> None:
    change(colbert / "config.json", hidden_size=32)
    assert "expected weights and config.json of one model" in refused(f"colbert:{colbert}")


def test_weights_that_lack_a_tensor_are_refused(colbert: Path) -> None:
    path = colbert / "model.safetensors"
    weights = load_file(path)
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    message = refused(f"colbert:{colbert}")
    assert "the weights lack encoder.layer.1.output.dense.weight" in message


def test_a_tokenizer_of_more_tokens_than_the_model_is_refused(colbert: Path) -> None:
    path = colbert / "tokenizer.json"
    path.write_text(path.read_text().replace('"text": 116', '"text": 1160'))
    message = refused(f"colbert:{colbert}")
    assert "has a token 1160, the model knows 119 of them; expected the tokenizer" in message


def test_a_tokenizer_that_lacks_its_own_markers_is_refused(colbert: Path) -> None:
    path = colbert / "tokenizer.json"
    path.write_text(path.read_text().replace('"[CLS]": {', '"[XLS]": {'))
    assert "tokenizer.json is damaged" in refused(f"colbert:{colbert}")


def test_a_pooler_may_be_missing(colbert: Path) -> None:
    path = colbert / "model.safetensors"
    weights = {name: x for name, x in load_file(path).items() if "pooler" not in name}
    save_file(weights, path, metadata={"format": "pt"})
    assert Encoders().multivector(f"colbert:{colbert}").dim == 8


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("1_Dense/config.json", {"activation_function": "os.system"}, "activation 'os.system'"),
        ("1_Dense/config.json", {"module_input_name": "sentence_embedding"}, "the module Dense"),
        ("config_sentence_transformers.json", {"document_length": 500}, "document_length is 500"),
        ("config_sentence_transformers.json", {"query_length": 0}, "query_length is 0; expected 1"),
        ("config_sentence_transformers.json", {"query_length": "a"}, "query_length is 'a'"),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {}}}, "processing_kwargs is"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "does fill-mask of text"),
        ("config.json", {"model_type": "no such model"}, "cannot be loaded"),
        ("config.json", {"model_type": {"a": 1}}, "cannot be loaded"),
    ],
)
def test_values_that_cannot_be_used(colbert: Path, name: str, values: Any, message: str) -> None:
    change(colbert / name, **values)
    assert message in refused(f"colbert:{colbert}")


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "evil.Module", "path": "x"}, "asks for evil.Module, which is code"),
        ({"type": "sentence_transformers.models.Dense", "path": "../x"}, "leaves the folder"),
        ({"type": "sentence_transformers.models.Dense", "path": "/x"}, "leaves the folder"),
        ({"type": "sentence_transformers.models.WordWeights", "path": ""}, "module WordWeights"),
        ({"type": "sentence_transformers.models.SpacedTokenPooling", "path": ""}, "?pool=ward"),
        ({"path": ""}, "is no module; expected its type and path"),
        ("Dense", "'Dense' is no module"),
    ],
)
def test_modules_that_are_not_run(colbert: Path, entry: Any, message: str) -> None:
    path = colbert / "modules.json"
    path.write_text(json.dumps([*json.loads(path.read_text()), entry]))
    assert message in refused(f"colbert:{colbert}")


@pytest.mark.parametrize("listed", [[], {}, "x"])
def test_modules_must_be_a_list(colbert: Path, listed: Any) -> None:
    (colbert / "modules.json").write_text(json.dumps(listed))
    assert "lists no modules" in refused(f"colbert:{colbert}")


@pytest.mark.parametrize("kind", ["dense", "cross-encoder", "yes-no"])
def test_a_model_of_another_kind_is_refused(kind: str) -> None:
    assert str(GOLDEN) in refused(f"{kind}:{GOLDEN}")


def test_a_dense_model_is_no_colbert(plain_bert: Path) -> None:
    assert "without a projection; expected a MultiVectorEncoder" in refused(f"colbert:{plain_bert}")


def test_an_adapter_is_refused(colbert: Path) -> None:
    (colbert / "adapter_config.json").write_text("{}")
    assert "holds an adapter (adapter_config.json); expected a whole" in refused(
        f"colbert:{colbert}"
    )


def test_an_encoder_with_a_decoder_is_refused(tiny: Any, tmp_path: Path) -> None:
    config = tiny.transformers.T5Config(
        vocab_size=140, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4
    )
    tiny.save(tmp_path, tiny.transformers.T5Model(config))
    assert "an encoder with a decoder (t5); expected one of them" in refused(f"dense:{tmp_path}")


def test_parameters_are_checked_before_the_folder_is_read() -> None:
    assert "colbert has no parameter 'size'" in refused("colbert:/none?size=3")
    assert "/none does not exist; expected the folder of a model" in refused("colbert:/none")
    assert "colbert is not given a folder; expected colbert:PATH" in refused("colbert")
    assert "colbert is not given a folder" in refused("colbert:")


def test_loading_prints_nothing_and_leaves_the_library_as_it_was(
    colbert: Path, capfd: pytest.CaptureFixture[str], parts: Callable[[str], Any]
) -> None:
    torch: Any = parts("base.modules.transformer.torch")
    logging: Any = parts("base.modules.transformer.logger").manager.getLogger("transformers")
    before = (torch.random.initial_seed(), torch.rand(1), logging.level)
    torch.manual_seed(before[0])
    Encoders().multivector(f"colbert:{colbert}")
    assert tuple(capfd.readouterr()) == ("", "")
    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    Encoders().multivector(f"colbert:{colbert}")
    assert torch.equal(torch.rand(1), first)
    assert logging.level == before[2]
