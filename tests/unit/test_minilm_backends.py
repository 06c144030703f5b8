"""all-MiniLM-L6-v2 on ONNX Runtime, and what its spec and fingerprint say of it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lexmax.encoders import minilm
from lexmax.encoders.minilm import MiniLm
from lexmax.encoders.onnx_quality import MOST_LOST, SHIPPED
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

INSTALLED = all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx"))
needs_runtime = pytest.mark.skipif(
    not INSTALLED, reason='needs onnxruntime and onnx: pip install "lexmax[onnx]"'
)

TEXTS = ["late interaction keeps a vector for each word", "", "東京大学で検索", "a"]


@pytest.fixture(scope="module")
def encoder() -> MiniLm:
    return MiniLm()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


def cosines(found: TokenBatch, expected: TokenBatch) -> np.ndarray:
    assert found.offsets.tolist() == expected.offsets.tolist()
    return (found.vectors * expected.vectors).sum(axis=1)


def test_the_spec_says_what_was_asked_for_and_no_more() -> None:
    assert MiniLm().spec == "minilm?max_tokens=256"
    assert MiniLm(device="auto").spec == "minilm?max_tokens=256"
    assert MiniLm(device="cpu", dtype="float32").spec == (
        "minilm?max_tokens=256&device=cpu&dtype=float32"
    )


def test_the_fingerprint_says_nothing_of_the_device(encoder: MiniLm) -> None:
    assert MiniLm(device="cpu", dtype="float32").fingerprint == encoder.fingerprint


def test_a_device_or_dtype_that_is_not_there_is_refused() -> None:
    with pytest.raises(EncoderError, match="device is 'cuda:99'"):
        MiniLm(device="cuda:99")
    with pytest.raises(EncoderError, match="float16 on a CPU"):
        MiniLm(device="cpu", dtype="float16")
    with pytest.raises(EncoderError, match="backend is 'tensorrt'"):
        MiniLm(backend="tensorrt")


def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    missing = {"onnx", "onnxruntime"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else find(name)
    )
    monkeypatch.setattr(minilm, "loaded_once", lambda known_as, load, **where: load())
    with pytest.raises(EncoderError, match=r'pip install "lexmax\[onnx\]"'):
        MiniLm(backend="onnx")


@needs_runtime
def test_float32_is_the_same_encoder(encoder: MiniLm) -> None:
    fast = MiniLm(backend="onnx")
    assert fast.spec == "minilm?max_tokens=256&backend=onnx"
    assert fast.fingerprint == encoder.fingerprint
    for text in TEXTS:
        found, expected = fast.encode_queries([text]), encoder.encode_queries([text])
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
    assert MiniLm(backend="onnx", max_tokens=64).backbone is fast.backbone


@needs_runtime
def test_int8_is_another_encoder_whose_loss_was_measured(encoder: MiniLm) -> None:
    fast = MiniLm(backend="onnx-int8")
    assert fast.spec == "minilm?max_tokens=256&backend=onnx-int8"
    assert fast.fingerprint == f"{encoder.fingerprint}&backend=onnx-int8"
    assert cosines(fast.encode_documents(TEXTS), encoder.encode_documents(TEXTS)).mean() > 0.98


def test_the_loss_that_is_shipped_is_of_the_weights_that_are_installed(encoder: MiniLm) -> None:
    quality = SHIPPED[encoder.backbone.fingerprint]
    assert quality.lost <= MOST_LOST
    assert quality.n_queries > 100
