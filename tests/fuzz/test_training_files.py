"""Bytes of anybody: examples, configurations and checkpoints are read or refused, never a crash."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lexmax.encoders.training.checkpoints import Checkpoint, Checkpoints
from lexmax.encoders.training.config_reading import read_config
from lexmax.encoders.training.example import BadLineError, from_columns, from_json
from lexmax.encoders.training.line_files import LineFile, lines_of
from lexmax.errors import CorruptionError, TrainingError

AGAIN = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["query", "pos", "neg", "docs", "scores"]), inner)
    ),
    max_leaves=8,
)


@AGAIN
@given(st.binary(max_size=80))
def test_bytes_as_examples(content: bytes) -> None:
    for parse in (from_columns, lambda line: from_json(line, {})):
        try:
            found = parse(content)
        except BadLineError:
            continue
        assert found.query
        assert all(one.text for one in found.positives)


@AGAIN
@given(st.dictionaries(st.sampled_from(["query", "pos", "neg", "docs", "scores"]), json_values))
def test_json_of_any_shape_as_examples(value: dict[str, object]) -> None:
    import json

    try:
        found = from_json(json.dumps(value).encode(), {})
    except BadLineError:
        return
    assert found.query
    assert found.positives


@AGAIN
@given(st.lists(st.binary(max_size=30), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
def test_lines_are_found_again_where_they_begin(
    tmp_path: Path, lines: list[bytes], end: bytes
) -> None:
    path = tmp_path / "f"
    path.write_bytes(end.join(lines))
    file = LineFile(path)
    read = list(lines_of(path, on_read=lambda n: None))
    assert all(file.line(offset) == line.content for offset, line in read)
    kept = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert [line.content for _, line in read] == [
        line.removesuffix(b"\r") for line in kept if line.strip()
    ]


@AGAIN
@given(st.text(max_size=60))
def test_text_as_a_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(TrainingError):
        read_config(path)


@settings(AGAIN, max_examples=60)
@given(st.data())
def test_a_flipped_bit_in_a_checkpoint(tmp_path: Path, data: st.DataObject) -> None:
    found = Checkpoints(tmp_path, keep=1)
    path = found.save(Checkpoint(1, {"a": torch.arange(20.0)}, {"x": 1}))
    file = path / data.draw(st.sampled_from(["state.safetensors", "state.json"]))
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    try:
        loaded = found.load(1)
    except CorruptionError:
        return
    # White space and letters of escapes may change in the JSON, and names that nothing reads.
    assert file.name == "state.json"
    assert loaded.values == {"x": 1}
    assert torch.equal(loaded.tensors["a"], torch.arange(20.0))
