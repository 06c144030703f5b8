"""Training of late interaction on a tiny transformer, against plain numpy."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lexmax.encoders.colbert import Expansion
from lexmax.encoders.contract import MultiVectorEncoder
from lexmax.encoders.heads.projection import ProjectionShape
from lexmax.encoders.pooling import Count, Pooling
from lexmax.encoders.token_encoder import TokenEncoder, TokenParts, token_parts
from lexmax.encoders.token_folder import load_token_folder
from lexmax.encoders.token_model import TokenReading
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.late_interaction import LateInteractionTask, TokenEffort
from lexmax.encoders.training.supervision import Contrastive, Kl, MarginMse, Supervision, TermRecall
from lexmax.encoders.training.token_objective import Distillation, MaxSim, Objective
from lexmax.encoders.training.xtr import Xtr
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError

QUERIES = ["risk of fall", "the cat", "tokyo"]
DOCUMENTS = [
    "vitamin d lowers the risk of falls",
    "the cat and the dog",
    "tokyo index with a sparse vector",
    "a dog in the search index",
    "query of the cat",
]
GROUPS = [[0, 3], [1, 4], [2, 0]]
TEACHER = [[3.0, 1.0], [2.0, float("nan")], [1.5, -1.0]]


@pytest.fixture(scope="module")
def folder(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tiny_checkpoints.save_masked_lm(tmp_path_factory.mktemp("bert"))
    return path


def _parts(folder: Path, shape: ProjectionShape | None = None, **sides: Any) -> TokenParts:
    shape = shape or ProjectionShape("linear", 32, 8)
    return token_parts(open_trunk(str(folder)), shape, seed=1, **sides)


def _batch(*, weights: list[float] | None = None) -> TrainingBatch:
    return TrainingBatch(
        QUERIES,
        DOCUMENTS,
        torch.tensor(GROUPS),
        torch.tensor(TEACHER),
        torch.tensor(weights or [1.0] * len(QUERIES)),
    )


def _maxsim(encoder: MultiVectorEncoder, *, mean: bool = False) -> NDArray[np.float64]:
    queries = encoder.encode_queries(QUERIES)
    documents = encoder.encode_documents(DOCUMENTS)
    scores = np.zeros((len(queries), len(documents)))
    for b in range(len(queries)):
        for c in range(len(documents)):
            best = (queries.row(b).astype(float) @ documents.row(c).T.astype(float)).max(axis=1)
            scores[b, c] = best.mean() if mean else best.sum()
    return scores


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _loss(task: LateInteractionTask, batch: TrainingBatch | None = None) -> Mapping[str, Any]:
    task.module.eval()
    return {n: float(v.detach()) for n, v in task.loss(batch or _batch(), step=0).items()}


def test_the_contrastive_loss_is_over_maxsim_of_the_batch(folder: Path) -> None:
    supervision = Supervision((Contrastive(temperature=0.5),))
    task = LateInteractionTask(_parts(folder), Objective(supervision=supervision))
    shares = _softmax(_maxsim(task.encoder()) / 0.5)
    expected = -np.log(shares[[0, 1, 2], [0, 1, 2]]).mean()
    found = _loss(task)
    assert found["total"] == pytest.approx(expected, rel=1e-5)
    assert found["contrastive"] == found["total"]


def test_samples_weigh_what_the_batch_says(folder: Path) -> None:
    task = LateInteractionTask(_parts(folder))
    shares = _softmax(_maxsim(task.encoder()))[[0, 1, 2], [0, 1, 2]]
    weights = np.array([0.5, 0.0, 2.0])
    found = _loss(task, _batch(weights=weights.tolist()))
    assert found["total"] == pytest.approx(float((-np.log(shares) * weights).sum() / 3), rel=1e-5)


def test_teacher_scores_of_the_batch_are_learned(folder: Path) -> None:
    supervision = Supervision((MarginMse(weight=2.0), Kl(weight=1.0)))
    task = LateInteractionTask(_parts(folder), Objective(supervision=supervision))
    scores = _maxsim(task.encoder())
    of_groups = np.take_along_axis(scores, np.array(GROUPS), axis=1)
    margins = of_groups[:, 0] - of_groups[:, 1] - [2.0, 0.0, 2.5]
    mse = (margins**2)[[0, 2]].sum() / 3
    ours, theirs = _softmax(of_groups), _softmax(np.array(TEACHER))
    kl = (theirs * np.log(theirs / ours)).sum(axis=1)[[0, 2]].sum() / 3
    found = _loss(task)
    assert found["margin-mse"] == pytest.approx(2 * mse, rel=1e-4)
    assert found["kl"] == pytest.approx(kl, rel=1e-4)
    assert found["total"] == pytest.approx(2 * mse + kl, rel=1e-4)


def _plain(folder: Path) -> TokenEncoder:
    """The states themselves, at length one."""
    parts = _parts(folder, ProjectionShape("linear", 32, 32))
    parts.projection.start_from(torch.eye(32))
    return TokenEncoder(parts, spec="states", fingerprint="states")


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("mean", [True, False])
def test_all_coordinates_of_the_states_may_teach(folder: Path, own: bool, mean: bool) -> None:
    teacher = _plain(folder)
    by = Distillation(
        teacher=None if own else teacher, temperature=0.7, teacher_temperature=0.2, weight=3.0
    )
    objective = Objective(MaxSim(mean=mean), supervision=None, distillation=by)
    task = LateInteractionTask(_parts(folder), objective)
    ours = _softmax(_maxsim(task.encoder(), mean=mean) / 0.7)
    theirs = _softmax(_maxsim(teacher, mean=mean) / 0.2)
    expected = (theirs * np.log(theirs / ours)).sum(axis=1).mean()
    assert _loss(task)["total"] == pytest.approx(3 * expected, rel=1e-4)


@pytest.mark.parametrize("over", ["batch", "groups"])
def test_margins_of_the_states_may_teach(folder: Path, over: Any) -> None:
    by = Distillation(loss="margin-mse", over=over)
    task = LateInteractionTask(_parts(folder), Objective(supervision=None, distillation=by))
    ours, theirs = _maxsim(task.encoder()), _maxsim(_plain(folder))
    errors = []
    for b, group in enumerate(GROUPS):
        others = [c for c in (range(5) if over == "batch" else group) if c != group[0]]
        margins = [(s[b, group[0]] - s[b, others]) for s in (ours, theirs)]
        errors.append(((margins[0] - margins[1]) ** 2).mean())
    assert _loss(task)["total"] == pytest.approx(np.mean(errors), rel=1e-4)


def test_a_student_that_is_the_teacher_has_no_loss(folder: Path) -> None:
    parts = _parts(folder, ProjectionShape("linear", 32, 32))
    parts.projection.start_from(torch.eye(32))
    objective = Objective(supervision=None, distillation=Distillation())
    found = _loss(LateInteractionTask(parts, objective))
    assert found["total"] == pytest.approx(0, abs=1e-6)


def test_equal_queries_are_not_taught_apart(folder: Path) -> None:
    task = LateInteractionTask(_parts(folder))
    batch = TrainingBatch(
        ["the cat", "the cat"],
        DOCUMENTS[1:5:3],
        torch.tensor([[0], [1]]),
        None,
        torch.ones(2),
    )
    assert _loss(task, batch)["total"] == 0


def test_frozen_states_are_kept_and_only_the_projection_learns(
    folder: Path, tmp_path: Path
) -> None:
    kept = LateInteractionTask(_parts(folder), effort=TokenEffort(cache=tmp_path))
    plain = LateInteractionTask(_parts(folder))
    # States are kept in half precision.
    assert _loss(kept)["total"] == pytest.approx(_loss(plain)["total"], rel=1e-3)
    assert _loss(kept)["total"] == _loss(kept)["total"]
    kept.loss(_batch(), step=0)["total"].backward()
    learned = [n for n, p in kept.module.named_parameters() if p.grad is not None]
    assert learned == ["projection.outer.weight"]
    assert list(kept.module.state_dict()) == ["projection.outer.weight"]


def test_last_layers_may_be_trained(folder: Path) -> None:
    task = LateInteractionTask(_parts(folder), effort=TokenEffort(layers=1, head_lr=0.5))
    task.loss(_batch(), step=0)["total"].backward()
    learned = {
        n.partition(".layer.")[2][:1]
        for n, p in task.module.named_parameters()
        if p.grad is not None
    }
    assert learned == {"1", ""}
    groups = task.parameter_groups(0.1, 0.01)
    assert sorted((g["lr"], g["weight_decay"]) for g in groups) == [
        (0.1, 0.0),
        (0.1, 0.01),
        (0.5, 0.01),
    ]
    assert sum(len(g["params"]) for g in groups) == sum(
        p.requires_grad for p in task.module.parameters()
    )


def test_a_transformer_that_others_use_is_left_alone(folder: Path) -> None:
    parts, teacher = _parts(folder), _plain(folder)
    teacher = TokenEncoder(replace(teacher.parts, trunk=parts.trunk), spec="t", fingerprint="t")
    before = teacher.encode_queries(QUERIES).vectors
    by = Distillation(teacher=teacher)
    task = LateInteractionTask(parts, Objective(distillation=by), TokenEffort(layers=None))
    optimiser = torch.optim.SGD(task.parameter_groups(0.1, 0.0))
    task.loss(_batch(), step=0)["total"].backward()
    optimiser.step()
    np.testing.assert_array_equal(teacher.encode_queries(QUERIES).vectors, before)
    assert task.parts.trunk.backbone.model is not parts.trunk.backbone.model


def test_a_state_that_was_saved_goes_into_a_task_of_the_same_making(folder: Path) -> None:
    one = LateInteractionTask(_parts(folder), effort=TokenEffort(layers=1))
    other = LateInteractionTask(_parts(folder), effort=TokenEffort(layers=1))
    with torch.no_grad():
        for parameter in one.module.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    before = _loss(other)["total"]
    other.module.load_state_dict(one.module.state_dict())
    assert _loss(other)["total"] == _loss(one)["total"] != before


@pytest.mark.parametrize("layers", [0, None])
@pytest.mark.parametrize("interaction", [MaxSim(), Xtr(retrieved=4)], ids=["maxsim", "xtr"])
def test_training_lowers_the_loss_and_a_folder_gives_the_same_encoder(
    folder: Path, layers: int | None, interaction: Any, tmp_path: Path
) -> None:
    shape = ProjectionShape("residual", 32, 8)
    objective = Objective(interaction, Supervision((Contrastive(temperature=0.1),)))
    task = LateInteractionTask(_parts(folder, shape), objective, TokenEffort(layers=layers))
    before = _loss(task)["total"]
    optimiser = torch.optim.AdamW(task.parameter_groups(5e-3, 0.01))
    first = task.encoder()
    for step in range(15):
        optimiser.zero_grad()
        task.loss(_batch(), step=step)["total"].backward()
        optimiser.step()
    assert _loss(task)["total"] < 0.5 * before
    task.save(tmp_path)
    loaded, trained = load_token_folder(tmp_path), task.encoder()
    for texts in (QUERIES, DOCUMENTS, ["", "cat", " "]):
        ours, theirs = trained.encode_documents(texts), loaded.encode_documents(texts)
        np.testing.assert_array_equal(ours.offsets, theirs.offsets)
        np.testing.assert_allclose(ours.vectors, theirs.vectors, atol=1e-5)
    assert (tmp_path / "backbone.safetensors").is_file()
    assert trained.fingerprint != first.fingerprint
    for encoder in (trained, loaded):
        assert f"objective={interaction.objective}" in encoder.fingerprint


def test_training_pools_as_the_model_says(folder: Path) -> None:
    half = Pooling("kmeans", Count(ratio=0.5))
    reading = TokenReading(max_tokens=48, pooling=half)
    task = LateInteractionTask(_parts(folder, documents=reading))
    whole = LateInteractionTask(_parts(folder, documents=replace(reading, pooling=None)))
    found, without = _loss(task), _loss(whole)
    assert found["document_tokens"] == pytest.approx(without["document_tokens"] / 2, abs=0.5)
    assert found["query_tokens"] == without["query_tokens"]
    scores = _maxsim(task.encoder())
    assert found["total"] == pytest.approx(-np.log(_softmax(scores)[[0, 1, 2], [0, 1, 2]]).mean())
    task.loss(_batch(), step=0)["total"].backward()


def test_queries_may_be_filled_up_behind_a_marker(folder: Path) -> None:
    mask, marker = 4, 12
    reading = TokenReading(
        max_tokens=12, marker=marker, expansion=Expansion(mask, length=12), skipped=(2,)
    )
    task = LateInteractionTask(_parts(folder, queries=reading))
    found = _loss(task)
    assert found["query_tokens"] == 11
    encoder = task.encoder()
    assert np.diff(encoder.encode_queries(QUERIES).offsets).tolist() == [11, 11, 11]
    shares = _softmax(_maxsim(encoder))
    assert found["total"] == pytest.approx(-np.log(shares[[0, 1, 2], [0, 1, 2]]).mean(), rel=1e-5)


def test_a_text_without_tokens_scores_zero(folder: Path) -> None:
    task = LateInteractionTask(_parts(folder))
    batch = TrainingBatch(
        ["", "cat"], ["the cat", ""], torch.tensor([[0], [1]]), None, torch.ones(2)
    )
    total = task.loss(batch, step=0)["total"]
    total.backward()
    assert torch.isfinite(total)
    gradient = task.parts.projection.outer.weight.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()


def test_what_no_task_can_be_made_of(folder: Path) -> None:
    with pytest.raises(EncoderError, match="neither supervision nor distillation"):
        Objective(supervision=None)
    with pytest.raises(EncoderError, match="term-recall"):
        Objective(supervision=Supervision((TermRecall(),)))
    with pytest.raises(EncoderError, match="states of 16 coordinates; expected 32"):
        _parts(folder, ProjectionShape("linear", 16, 8))
    with pytest.raises(EncoderError, match="the tokenizer has no token 999"):
        _parts(folder, queries=TokenReading(max_tokens=8, skipped=(999,)))
    with pytest.raises(EncoderError, match="expected 64 or fewer"):
        _parts(folder, documents=TokenReading(max_tokens=65))
