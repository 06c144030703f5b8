from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lexmax.encoders.backbone import Backbone
from lexmax.encoders.loaded_backbones import loaded_once
from lexmax.encoders.training import states as states_module
from lexmax.encoders.training.states import StateSource
from lexmax.errors import EncoderError

TEXTS = ["a bb ccc", "", "dddd", "a bb ccc", "eeeee a"]
LENGTHS = [5, 0, 3, 5, 4]
CLS, SEP, DIM = 90, 91, 4


class Layer(torch.nn.Module):
    """A transformer of one layer: every token sees the mean of those attended to."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(100, DIM)
        with torch.no_grad():
            self.table.weight.copy_(
                torch.randn(100, DIM, generator=torch.Generator().manual_seed(5))
            )
        self.n_rows = 0

    def forward(self, ids: torch.Tensor, attention: torch.Tensor) -> Any:
        self.n_rows += len(ids)
        states, seen = self.table(ids), attention.unsqueeze(-1)
        mean = (states * seen).sum(dim=1, keepdim=True) / seen.sum(dim=1, keepdim=True)
        return SimpleNamespace(last_hidden_state=torch.tanh(states + mean))


def tokens(texts: Sequence[str]) -> list[NDArray[np.int64]]:
    rows = [np.array([len(word) for word in text.split()], np.int64) for text in texts]
    return [np.concatenate([[CLS], row, [SEP]]) if len(row) else row for row in rows]


def backbone_of(model: Any, fingerprint: str = "toy") -> Backbone:
    return Backbone(model, dim=DIM, pad_id=0, fingerprint=fingerprint, special_ids=(CLS, SEP))


@pytest.fixture
def model() -> Layer:
    return Layer()


def source(model: Any, *, trainable: bool = False, cache: Path | None = None) -> StateSource:
    return StateSource(backbone_of(model), tokens, trainable=trainable, cache=cache)


@pytest.mark.parametrize("kind", ["trainable", "frozen", "cached"])
def test_states_are_in_the_order_of_the_texts(model: Layer, tmp_path: Path, kind: str) -> None:
    cache = tmp_path if kind == "cached" else None
    given = source(model, trainable=kind == "trainable", cache=cache).states(TEXTS)
    assert given.hidden.shape == (5, 8, DIM)
    assert given.hidden.dtype == torch.float32
    assert given.mask.sum(dim=1).tolist() == LENGTHS
    assert given.content.sum(dim=1).tolist() == [3, 0, 1, 3, 2]
    assert given.ids[4, :5].tolist() == [CLS, 5, 1, SEP, 0]
    assert not given.hidden[~given.mask].any()
    for i, row in enumerate(tokens(TEXTS)):
        if len(row):
            alone = model(torch.from_numpy(row)[None], torch.ones(1, len(row), dtype=torch.long))
            expected = alone.last_hidden_state[0].detach().numpy()
            found = given.hidden[i, : len(row)].detach().numpy()
            np.testing.assert_allclose(found, expected, atol=1e-3 if cache else 1e-6)


def test_no_tokens_are_no_states(model: Layer, tmp_path: Path) -> None:
    for trainable, cache in ((True, None), (False, None), (False, tmp_path)):
        given = source(model, trainable=trainable, cache=cache).states(["", " "])
        assert given.hidden.shape == (2, 0, DIM)
        assert not given.mask.any()
    assert model.n_rows == 0


def test_gradients_reach_the_weights_of_the_tokens_that_are_there(model: Layer) -> None:
    given = source(model, trainable=True).states(TEXTS)
    (given.hidden**2).sum().backward()
    gradient = model.table.weight.grad
    assert gradient is not None
    reached = set(gradient.abs().sum(dim=1).nonzero().flatten().tolist())
    assert reached == {1, 2, 3, 4, 5, CLS, SEP}


def test_gradients_do_not_depend_on_the_batches(
    model: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradient() -> torch.Tensor:
        model.zero_grad()
        hidden = source(model, trainable=True).states(TEXTS).hidden
        (hidden * torch.arange(hidden.numel()).view_as(hidden)).sum().backward()
        assert model.table.weight.grad is not None
        return model.table.weight.grad.clone()

    whole = gradient()
    monkeypatch.setattr(Backbone, "batch_tokens", 8)
    np.testing.assert_allclose(gradient().numpy(), whole.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cached", [False, True])
def test_frozen_states_may_be_learned_from(model: Layer, tmp_path: Path, cached: bool) -> None:
    given = source(model, cache=tmp_path if cached else None).states(TEXTS)
    assert not given.hidden.requires_grad
    head = torch.nn.Linear(DIM, 1)
    (head(given.hidden) ** 2).sum().backward()
    assert head.weight.grad is not None
    assert model.table.weight.grad is None


def test_frozen_states_are_computed_once(model: Layer, tmp_path: Path) -> None:
    first = source(model, cache=tmp_path).states(TEXTS)
    assert model.n_rows == 3  # Two texts are equal, and one has no tokens.
    again = source(model, cache=tmp_path)
    assert torch.equal(again.states(TEXTS).hidden, first.hidden)
    assert model.n_rows == 3
    again.states([*TEXTS, "new"])
    assert model.n_rows == 4


def test_equal_ids_of_another_backbone_are_others(model: Layer, tmp_path: Path) -> None:
    source(model, cache=tmp_path).states(TEXTS)
    other = StateSource(backbone_of(model, "other"), tokens, trainable=False, cache=tmp_path)
    other.states(TEXTS)
    assert model.n_rows == 6


def test_tokens_that_are_not_attended_to_are_states_of_their_own(
    model: Layer, tmp_path: Path
) -> None:
    rows = [np.array([CLS, 5, 7, 7], np.int64)]
    seen = np.array([2])
    cached, frozen = source(model, cache=tmp_path), source(model)
    trainable = source(model, trainable=True)
    expected = trainable.states_of(rows, attended=seen).hidden.detach()
    assert not torch.allclose(expected, trainable.states_of(rows).hidden, atol=1e-2)
    for other in (cached, frozen):
        other.states_of(rows)
        found = other.states_of(rows, attended=seen).hidden
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-3)


def test_a_cache_is_filled_in_parts(
    model: Layer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states_module, "_TEXTS_A_PART", 2)
    monkeypatch.setattr(states_module, "_TOKENS_A_WRITE", 1)
    done: list[int] = []
    cached = source(model, cache=tmp_path)
    cached.fill(TEXTS, progress=done.append)
    assert (done, model.n_rows) == ([2, 4, 5], 3)
    np.testing.assert_allclose(
        cached.states(TEXTS).hidden.numpy(), source(model).states(TEXTS).hidden.numpy(), atol=1e-3
    )
    with pytest.raises(EncoderError, match="found no cache to fill"):
        source(model).fill(TEXTS)


def test_states_beyond_float16_are_refused(tmp_path: Path) -> None:
    def large(ids: torch.Tensor, attention: torch.Tensor) -> Any:
        return SimpleNamespace(last_hidden_state=torch.full((*ids.shape, DIM), 1e5))

    with pytest.raises(EncoderError, match=r"float16 cannot hold.*train without a cache"):
        source(large, cache=tmp_path).states(TEXTS)
    source(large).states(TEXTS)


def test_a_cache_of_what_is_trained_is_refused(model: Layer, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="states change with every step"):
        source(model, trainable=True, cache=tmp_path)


def test_what_other_encoders_use_is_not_trained(model: Layer) -> None:
    mine = loaded_once("states", lambda: backbone_of(model), device="cpu")
    loaded_once("states", lambda: backbone_of(model), device="cpu")
    with pytest.raises(EncoderError, match="with_own_weights"):
        StateSource(mine, tokens, trainable=True, cache=None)
    StateSource(mine, tokens, trainable=False, cache=None)
    StateSource(mine.with_own_weights(), tokens, trainable=True, cache=None)
