import importlib.util
import json
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lexmax.encoders import onnx_backbone, onnx_export
from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.onnx_backbone import with_backend
from lexmax.encoders.onnx_export import cache_folder, onnx_file
from lexmax.encoders.onnx_quality import Int8Quality, remember_quality
from lexmax.errors import EncoderError

INSTALLED = all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx"))
needs_runtime = pytest.mark.skipif(
    not INSTALLED, reason='needs onnxruntime and onnx: pip install "lexmax[onnx]"'
)

ROWS = [np.array([2, 9, 10, 3]), np.array([2, 11, 3]), np.arange(5, 30), np.array([2, 12, 3])]


class Kept:
    """Keeps the states of every row."""

    def __init__(self) -> None:
        self.rows: dict[int, NDArray[np.float32]] = {}

    def take(self, states: States) -> None:
        for place, i in enumerate(states.rows):
            self.rows[int(i)] = states.hidden[place, states.mask[place]].numpy()


def states_of(backbone: Backbone, rows: list[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
    kept = Kept()
    backbone.run(rows, [kept])
    return [kept.rows[i] for i in range(len(rows))]


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta"])
def backbone(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_checkpoints: ModuleType,
) -> Backbone:
    folder = tmp_path_factory.mktemp(request.param)
    tiny_checkpoints.save_masked_lm(folder, request.param)
    return Backbone.from_folder(folder, device="cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


def measured(backbone: Backbone, cache: Path, *, lost: float = 0.0) -> None:
    quality = Int8Quality("toy", "nDCG@10", 10, 0.5, 0.5 - lost)
    remember_quality(backbone.fingerprint, quality, cache=cache)


@needs_runtime
def test_float32_gives_the_states_of_torch(backbone: Backbone, cache: Path) -> None:
    fast = with_backend(backbone, "onnx", cache=cache)
    assert fast.fingerprint == backbone.fingerprint
    assert (fast.dim, fast.pad_id) == (backbone.dim, backbone.pad_id)
    assert fast.special_ids == backbone.special_ids
    assert fast.batch_tokens == backbone.batch_tokens
    for row in ROWS:
        (found,), (expected,) = states_of(fast, [row]), states_of(backbone, [row])
        np.testing.assert_allclose(found, expected, atol=1e-4)


@needs_runtime
def test_batches_and_long_texts_stay_in_torch(
    backbone: Backbone, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = with_backend(backbone, "onnx", cache=cache)
    calls: list[tuple[int, int]] = []

    def watched(ids: torch.Tensor, attention: torch.Tensor) -> Any:
        calls.append((ids.shape[0], ids.shape[1]))
        return backbone.model(ids, attention)

    monkeypatch.setattr(fast.model, "_session", watched)
    monkeypatch.setattr(onnx_backbone, "_SHORT", 20)
    states_of(fast, ROWS)
    states_of(fast, [ROWS[2]])
    assert calls == []
    states_of(fast, [ROWS[0]])
    assert calls == [(1, 4)]


@needs_runtime
def test_int8_is_another_encoder_that_is_near(backbone: Backbone, cache: Path) -> None:
    fast = with_backend(backbone, "onnx-int8", cache=cache, gated=False)
    assert fast.fingerprint == f"{backbone.fingerprint}&backend=onnx-int8"
    for found, expected in zip(states_of(fast, ROWS), states_of(backbone, ROWS), strict=True):
        unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (found, expected)]
        assert (unit[0] * unit[1]).sum(axis=1).mean() > 0.9
        assert np.abs(found - expected).max() > 1e-4


@needs_runtime
def test_int8_passes_the_gate_only_when_measured(backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="nobody has measured"):
        with_backend(backbone, "onnx-int8", cache=tmp_path)
    measured(backbone, tmp_path, lost=0.05)
    with pytest.raises(EncoderError, match=r"loses 0\.0500"):
        with_backend(backbone, "onnx-int8", cache=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"int8.json"}


@needs_runtime
def test_a_file_is_made_once_and_again_when_damaged(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = onnx_file(backbone, "float32", cache=tmp_path)
    made, content = path.stat().st_mtime_ns, path.read_bytes()
    assert onnx_file(backbone, "float32", cache=tmp_path).stat().st_mtime_ns == made
    path.write_bytes(content[:-1])
    again = onnx_file(backbone, "float32", cache=tmp_path)
    assert len(again.read_bytes()) == len(content)
    said = json.loads(again.with_name("export.json").read_text())
    assert (said["fingerprint"], said["numbers"]) == (backbone.fingerprint, "float32")
    assert len(list(tmp_path.iterdir())) == 1


@needs_runtime
def test_a_failed_export_leaves_nothing(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **others: object) -> None:
        raise RuntimeError("Unsupported: an operator\nand much more")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(EncoderError, match=r"\(Unsupported: an operator\); use backend=torch"):
        with_backend(backbone, "onnx", cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


@needs_runtime
def test_a_file_that_gives_other_states_is_refused(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = onnx_export._States.forward
    monkeypatch.setattr(
        onnx_export._States, "forward", lambda self, *given: original(self, *given) * 1.01
    )
    with pytest.raises(EncoderError, match=r"differ by 1\.0e-02"):
        onnx_file(backbone, "float32", cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


@needs_runtime
def test_nothing_is_printed_and_no_handler_stays(
    backbone: Backbone, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = list(logging.getLogger().handlers)
    with_backend(backbone, "onnx-int8", cache=tmp_path, gated=False)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == before
    assert logging.root.manager.disable == 0


@needs_runtime
def test_a_cache_that_cannot_be_written_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderError, match="set XDG_CACHE_HOME, or use backend=torch"):
        onnx_file(backbone, "float32", cache=tmp_path / "file")


def toy() -> Backbone:
    return Backbone(torch.nn.Linear(2, 2), dim=2, pad_id=0, fingerprint="toy")


def test_torch_is_the_backbone_itself() -> None:
    backbone = toy()
    assert with_backend(backbone, "torch") is backbone


def test_other_backends_are_refused() -> None:
    with pytest.raises(EncoderError, match="'tensorrt'; expected one of torch, onnx, onnx-int8"):
        with_backend(toy(), "tensorrt")


def test_other_devices_are_refused() -> None:
    backbone = toy()
    backbone.device = torch.device("meta")
    with pytest.raises(EncoderError, match="backend is onnx on meta; expected the CPU"):
        with_backend(backbone, "onnx")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r'onnxruntime and onnx.*pip install "lexmax\[onnx\]"'):
        with_backend(toy(), "onnx", cache=tmp_path)


def test_files_are_kept_where_the_system_keeps_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lexmax" / "onnx"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "lexmax" / "onnx"
