"""Whatever is done to the files of a checkpoint, it is refused, or its vectors are finite."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.encoders import Encoders
from lexmax.errors import EncoderError, ShapeError

GOLDEN = Path(__file__).parents[1] / "golden" / "pylate" / "model"
FILES = [
    "1_Dense/config.json",
    "1_Dense/model.safetensors",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
]


def _use(folder: Path) -> bool:
    """Whether the folder gave vectors; an error that is not ours passes through."""
    try:
        encoder: Any = Encoders().load(folder)
        encoder.encode_documents(["late interaction", "!"])
        encoder.encode_queries(["late interaction"])
    except (EncoderError, ShapeError):  # The latter where weights are so large that sums overflow.
        return False
    return True


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_never_crash(
    tmp_path: Path,
    name: str,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
) -> None:
    folder = shutil.copytree(GOLDEN, tmp_path / "model")
    assert _use(folder)
    path = folder / name
    original = path.read_bytes()
    for seed in rounds:
        damaged = [original[: seed % len(original)]]
        if len(original) > 400:
            damaged = list(mutations(original, seed))
        for changed in damaged[seed % len(damaged) :: 4]:
            path.write_bytes(changed)
            _use(folder)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("config.json")])
def test_values_of_other_types_never_crash(
    tmp_path: Path, name: str, rounds: Iterator[int]
) -> None:
    folder = shutil.copytree(GOLDEN, tmp_path / "model")
    path = folder / name
    values = json.loads(path.read_text(encoding="utf-8"))
    odd = [None, -1, 0, 10**30, 1.5, "", "x", [], [1], {}, {"a": 1}, True]
    for seed in rounds:
        rng = np.random.default_rng(seed)
        key = list(values)[rng.integers(len(values))]
        changed = values | {key: odd[rng.integers(len(odd))]}
        path.write_text(json.dumps(changed), encoding="utf-8")
        _use(folder)
