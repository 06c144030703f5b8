import json
import shutil
from pathlib import Path

import pytest

from lexmax.encoders.checkpoints.transformer import load_model
from lexmax.errors import EncoderError


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_hidden_layers", 10**30, "num_hidden_layers is 1000000000000000000000000000000"),
        ("num_hidden_layers", 1000, "the files hold 39 tensors"),
        ("num_labels", 10**9, "num_labels is 1000000000"),
        ("pad_token_id", -1, "texts are padded with token -1"),
        ("pad_token_id", 10**6, "texts are padded with token 1000000"),
        ("num_attention_heads", -1, "num_attention_heads is -1; expected 0 or more"),
        ("vocab_size", 10**9, "it has 32,"),
        ("hidden_size", 32 * 10**7, "too large for its weights"),
    ],
)
def test_a_model_larger_than_its_weights_is_not_built(
    plain_bert: Path, tmp_path: Path, name: str, value: int, message: str
) -> None:
    folder = shutil.copytree(plain_bert, tmp_path / "model")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(EncoderError) as caught:
        load_model(folder)
    assert message in str(caught.value)
