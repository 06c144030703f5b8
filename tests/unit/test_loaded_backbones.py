import gc
import threading
from pathlib import Path
from types import ModuleType

import pytest
import torch

from lexmax.encoders.backbone import Backbone
from lexmax.encoders.loaded_backbones import loaded_once, special_ids, take_out
from lexmax.encoders.minilm import MiniLm
from lexmax.errors import EncoderError


def backbone(fingerprint: str = "toy") -> Backbone:
    return Backbone(torch.nn.Linear(2, 2), dim=2, pad_id=0, fingerprint=fingerprint)


def test_equal_fingerprints_load_once() -> None:
    first = loaded_once("once", backbone, device="cpu")
    assert loaded_once("once", backbone, device="cpu") is first
    assert first.n_users == 2
    assert loaded_once("another", backbone, device="cpu") is not first


def test_what_nobody_uses_is_forgotten() -> None:
    n_loads = 0

    def load() -> Backbone:
        nonlocal n_loads
        n_loads += 1
        return backbone()

    for n_users in (1, 2):
        mine = loaded_once("forgotten", load, device="cpu")
        assert loaded_once("forgotten", load, device="cpu") is mine
        assert (n_loads, mine.n_users) == (n_users, 2)
        del mine
        gc.collect()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_each_device_has_its_own() -> None:
    here = loaded_once("devices", backbone, device="cpu")
    assert loaded_once("devices", backbone, device="cuda") is not here


def test_threads_that_ask_at_once_load_once() -> None:
    gate, found = threading.Event(), list[Backbone]()

    def load() -> Backbone:
        gate.wait(5)
        return backbone()

    threads = [
        threading.Thread(target=lambda: found.append(loaded_once("slow", load, device="cpu")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_a_failed_load_is_tried_again() -> None:
    def fail() -> Backbone:
        raise EncoderError("not now")

    with pytest.raises(EncoderError, match="not now"):
        loaded_once("shaky", fail, device="cpu")
    assert loaded_once("shaky", backbone, device="cpu").n_users == 1


def test_what_is_trained_is_not_handed_out_again() -> None:
    mine = loaded_once("trained", backbone, device="cpu")
    take_out(mine)
    assert loaded_once("trained", backbone, device="cpu") is not mine


def test_what_others_use_is_not_trained() -> None:
    mine = loaded_once("in use", backbone, device="cpu")
    loaded_once("in use", backbone, device="cpu")
    with pytest.raises(EncoderError, match=r"2 encoders of this process.*with_own_weights"):
        take_out(mine)
    take_out(mine.with_own_weights())


def test_encoders_over_the_same_weights_load_them_once() -> None:
    encoder = MiniLm()
    assert MiniLm(max_tokens=32).backbone is encoder.backbone


def test_special_tokens_are_those_that_the_tokenizer_calls_so(
    tmp_path: Path, tiny_checkpoints: ModuleType
) -> None:
    tiny_checkpoints.word_piece_tokenizer().save_pretrained(tmp_path)
    assert sorted(special_ids(tmp_path / "tokenizer.json")) == [0, 1, 2, 3, 4]
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(EncoderError, match=r"tokenizer.json is damaged"):
        special_ids(tmp_path / "tokenizer.json")
