from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lexmax.encoders.backbone import PAD_TO, Backbone, PaddedRows, States
from lexmax.errors import EncoderError


class Averages:
    """A model whose states depend on the token and on all tokens that may be attended to."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []
        self.attended: list[torch.Tensor] = []
        self._table = torch.randn(100, 4, generator=torch.Generator().manual_seed(3))

    def __call__(self, ids: torch.Tensor, attention: torch.Tensor) -> Any:
        self.shapes.append((ids.shape[0], ids.shape[1]))
        self.attended.append(attention)
        states = self._table[ids]
        seen = attention.unsqueeze(-1)
        mean = (states * seen).sum(dim=1, keepdim=True) / seen.sum(dim=1, keepdim=True)
        return SimpleNamespace(last_hidden_state=states + mean)


class Kept:
    """Keeps the states of every row."""

    def __init__(self, n_rows: int) -> None:
        self.rows: list[NDArray[np.float32] | None] = [None] * n_rows

    def take(self, states: States) -> None:
        assert states.hidden.dtype == torch.float32
        for place, i in enumerate(states.rows):
            assert self.rows[i] is None
            self.rows[i] = states.hidden[place, states.mask[place]].numpy()


def backbone_of(model: Any, **others: Any) -> Backbone:
    return Backbone(model, dim=4, pad_id=0, fingerprint="toy", **others)


def rows_of(lengths: Sequence[int], seed: int = 0) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(1, 100, n) for n in lengths]


def states_of(backbone: Backbone, rows: Sequence[NDArray[np.int64]], **others: Any) -> list[Any]:
    kept = Kept(len(rows))
    backbone.run(rows, [kept], **others)
    return kept.rows


def test_a_row_gets_the_same_states_in_a_batch_and_alone() -> None:
    backbone, rows = backbone_of(Averages()), rows_of([3, 8, 0, 5, 11, 8])
    for row, found in zip(rows, states_of(backbone, rows), strict=True):
        if len(row) == 0:
            assert found is None
        else:
            np.testing.assert_allclose(found, states_of(backbone, [row])[0], atol=1e-6)


def test_every_sink_sees_one_pass() -> None:
    model = Averages()
    kept = [Kept(2), Kept(2)]
    backbone_of(model).run(rows_of([3, 4]), kept)
    assert model.shapes == [(2, 4)]
    np.testing.assert_array_equal(kept[0].rows[1], kept[1].rows[1])


def test_rows_of_one_length_are_not_padded() -> None:
    model = Averages()
    states_of(backbone_of(model), rows_of([5, 5, 5]))
    assert model.shapes == [(3, 5)]
    assert bool(model.attended[0].all())


def test_other_rows_are_padded_to_the_longest_or_a_multiple() -> None:
    model = Averages()
    states_of(backbone_of(model), rows_of([5, 9]))
    assert model.shapes == [(2, 9)]
    assert PaddedRows.of(rows_of([5, 9]), pad_id=0).ids.shape == (2, 16)
    assert PaddedRows.of(rows_of([5, 9]), pad_id=0, pad_to=4).ids.shape == (2, 12)


def test_no_rows_are_no_pass() -> None:
    model = Averages()
    assert states_of(backbone_of(model), []) == []
    assert states_of(backbone_of(model), rows_of([0, 0])) == [None, None]
    assert model.shapes == []


def test_batches_stay_within_the_budget_of_tokens() -> None:
    model = Averages()
    backbone = backbone_of(model)
    states_of(backbone, rows_of([200] * 40))
    assert max(n * width for n, width in model.shapes) <= backbone.batch_tokens
    assert sum(n for n, _ in model.shapes) == 40


def test_a_graphics_processor_gets_larger_batches() -> None:
    backbone = backbone_of(Averages())
    on_cpu = backbone.batch_tokens
    backbone.device = torch.device("cuda")
    assert backbone.batch_tokens > on_cpu


def test_tokens_that_are_not_attended_to_do_not_change_the_others() -> None:
    backbone = backbone_of(Averages())
    short, long = rows_of([4])[0], rows_of([9])[0]
    filled = np.concatenate([short, np.full(3, 7)])
    given = [filled, long]
    found = states_of(backbone, given, attended=np.array([4, 9]))
    np.testing.assert_allclose(found[0][:4], states_of(backbone, [short])[0], atol=1e-6)
    whole = states_of(backbone, given)[0]
    assert not np.allclose(found[0][:4], whole[:4], atol=1e-3)
    np.testing.assert_allclose(found[1], states_of(backbone, [long])[0], atol=1e-6)


def test_content_leaves_special_tokens_out() -> None:
    backbone = backbone_of(Averages(), special_ids=(2, 3))
    given = PaddedRows.of([np.array([2, 9, 3]), np.array([2, 0, 8, 7, 3])], pad_id=0)
    content = backbone.content(given.ids, given.mask)
    assert content.sum(dim=1).tolist() == [1, 2]
    assert given.ids[content].tolist() == [9, 8, 7]
    assert given.ids.shape == (2, PAD_TO)


def test_states_that_are_no_numbers_are_refused() -> None:
    def broken(ids: torch.Tensor, attention: torch.Tensor) -> Any:
        hidden = torch.ones(*ids.shape, 4)
        hidden[0, 1, 2] = torch.nan
        return SimpleNamespace(last_hidden_state=hidden)

    with pytest.raises(EncoderError, match=r"NaN or infinity on cpu in float32.*dtype=float32"):
        states_of(backbone_of(broken), rows_of([3, 3]))


def test_what_padding_gives_does_not_matter() -> None:
    def odd(ids: torch.Tensor, attention: torch.Tensor) -> Any:
        hidden = torch.where(attention.unsqueeze(-1) == 1, 1.0, torch.inf).expand(*ids.shape, 4)
        return SimpleNamespace(last_hidden_state=hidden)

    assert np.all(states_of(backbone_of(odd), rows_of([3, 5]))[0] == 1)


def test_sums_that_overflow_are_no_failure() -> None:
    def large(ids: torch.Tensor, attention: torch.Tensor) -> Any:
        return SimpleNamespace(last_hidden_state=torch.full((*ids.shape, 4), 3e38))

    assert np.all(states_of(backbone_of(large), rows_of([3]))[0] == np.float32(3e38))


def test_states_are_made_without_gradients() -> None:
    weight = torch.ones(1, requires_grad=True)

    def model(ids: torch.Tensor, attention: torch.Tensor) -> Any:
        return SimpleNamespace(last_hidden_state=ids.unsqueeze(-1) * weight.expand(4))

    class Check:
        def take(self, states: States) -> None:
            assert not states.hidden.requires_grad

    backbone = backbone_of(model)
    backbone.run(rows_of([3]), [Check()])
    given = PaddedRows.of(rows_of([3]), pad_id=0)
    assert backbone.hidden(given).requires_grad


def test_own_weights_leave_those_of_the_others_alone() -> None:
    model: Any = torch.nn.Linear(2, 2)
    backbone = backbone_of(model, special_ids=(1,))
    own = backbone.with_own_weights()
    with torch.no_grad():
        own.model.weight.zero_()
    assert bool(model.weight.any())
    assert (own.fingerprint, own.special_ids, own.dim) == ("toy", frozenset({0, 1}), 4)


def test_a_folder_gives_what_the_library_gives(
    tmp_path: Path, tiny_checkpoints: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    import transformers

    tiny_checkpoints.save_masked_lm(tmp_path)
    backbone = Backbone.from_folder(tmp_path, device="cpu")
    assert (backbone.dim, backbone.pad_id, backbone.n_users) == (32, 0, 1)
    assert backbone.special_ids == {0, 1, 2, 3, 4}
    auto: Any = transformers
    expected = auto.AutoModel.from_pretrained(tmp_path, local_files_only=True).eval()
    row = np.array([2, 9, 10, 11, 3])
    with torch.inference_mode():
        states = expected(torch.from_numpy(row)[None]).last_hidden_state[0].numpy()
    capfd.readouterr()
    np.testing.assert_allclose(states_of(backbone, [row])[0], states, atol=1e-5)
    assert Backbone.from_folder(tmp_path, device="cpu") is backbone
    assert capfd.readouterr() == ("", "")


def test_a_folder_of_pickles_is_refused(tmp_path: Path, tiny_checkpoints: ModuleType) -> None:
    tiny_checkpoints.save_masked_lm(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="pickle"):
        Backbone.from_folder(tmp_path)
