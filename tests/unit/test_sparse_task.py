"""What training computes: losses, samples of terms, what is frozen, and what is state."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from lexmax.encoders.heads.weighting import PLAIN
from lexmax.encoders.sparse_encoding import Pruning, document_encoding, query_encoding
from lexmax.encoders.sparse_model import (
    Binary,
    DocumentEncoder,
    Epic,
    Mlm,
    Mlp,
    QueryEncoder,
    Regularization,
    SparseModel,
    Table,
)
from lexmax.encoders.sparse_parts import Limits, SparseParts, build
from lexmax.encoders.sparse_sides import StateSide
from lexmax.encoders.training import losses
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.regularizers import L1, Flops, TopK
from lexmax.encoders.training.sparse_task import Effort, SparseTask
from lexmax.encoders.training.states import TextStates
from lexmax.encoders.training.supervision import (
    Contrastive,
    Kl,
    MarginMse,
    Supervision,
    TermRecall,
)
from lexmax.encoders.training.term_recall import term_recall_labels
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch

Build = Callable[..., SparseParts]

BATCH = TrainingBatch(
    ["vitamin d risk", "cat search", ""],
    ["vitamin d lowers the risk of falls", "the cat and the dog", "word7 word8", ""],
    torch.tensor([[0, 2], [1, 3], [3, 0]]),
    torch.tensor([[3.0, 1.0], [2.0, float("nan")], [0.5, 0.0]]),
    torch.tensor([1.0, 0.5, 2.0]),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoints: ModuleType) -> Path:
    return tiny_checkpoints.save_masked_lm(tmp_path_factory.mktemp("masked-lm"))


@pytest.fixture
def built(source: Path) -> Build:
    def build_tiny(model: SparseModel) -> SparseParts:
        documents = open_trunk(str(source))
        queries = None if model.shared else open_trunk(str(source))
        idf = torch.linspace(0, 3, documents.n_terms)
        return build(model, documents, queries=queries, limits=Limits(40, 40), idf=idf, seed=1)

    return build_tiny


def still(parts: SparseParts, effort: Effort | None = None) -> SparseTask:
    task = SparseTask(parts, effort or Effort())
    task.module.eval()
    return task


def dense(batch: SparseBatch, n_terms: int) -> np.ndarray:
    array = np.zeros((len(batch), n_terms), np.float32)
    for i in range(len(batch)):
        term_ids, weights = batch.row(i)
        array[i, term_ids] = weights
    return array


def test_total_is_what_the_encoder_scores_weighted_and_added(built: Build) -> None:
    supervision = Supervision((Contrastive(2.0, temperature=3.0), Kl(0.5), MarginMse(0.1)))
    regularization = Regularization(L1(0.2, 4), Flops(0.3, 4))
    parts = built(SparseModel(Mlm(), Mlm(), regularization, supervision))
    found = still(parts).loss(BATCH, step=1)
    n_terms = parts.documents.n_terms
    queries = dense(query_encoding(parts, Pruning()).encode(BATCH.queries), n_terms)
    documents = dense(document_encoding(parts, Pruning()).encode(BATCH.documents), n_terms)
    scores = torch.from_numpy(queries @ documents.T)
    of_groups, weights = scores.gather(1, BATCH.groups), BATCH.weights
    whole, mask = losses.in_batch(scores, BATCH.groups)
    assert BATCH.teacher is not None
    expected = {
        "contrastive": 2 * losses.contrastive(whole, mask=mask, weights=weights, temperature=3),
        "kl": 0.5 * losses.kl(of_groups, teacher=BATCH.teacher, weights=weights),
        "margin-mse": 0.1 * losses.margin_mse(of_groups, teacher=BATCH.teacher, weights=weights),
        "query_penalty": torch.tensor(0.2 / 4 * np.abs(queries).sum() / 3),
        "document_penalty": torch.tensor(0.3 / 4 * (documents.mean(0) ** 2).sum()),
    }
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-4), name
    assert found["total"].item() == pytest.approx(sum(v.item() for v in expected.values()))
    assert found["query_terms"].item() == pytest.approx((queries > 0).sum() / 3)
    assert found["document_terms"].item() == pytest.approx((documents > 0).sum() / 4)


INFERENCE_FREE = [Table("idf"), Table("learned"), Table("linear"), Binary(), Mlp()]


@pytest.mark.parametrize("query", INFERENCE_FREE)
@pytest.mark.parametrize("document", [Mlm(), Epic()])
def test_a_sample_of_all_terms_equals_the_full_computation(
    query: QueryEncoder, document: DocumentEncoder, built: Build
) -> None:
    supervision = Supervision((Contrastive(), Kl()))
    regularization = Regularization(L1(0.1), Flops(0.2))
    parts = built(SparseModel(query, document, regularization, supervision))
    found: list[dict[str, torch.Tensor]] = []
    for sampled in (None, 10_000):
        task = still(parts, Effort(sampled_terms=sampled))
        task.module.zero_grad()
        of_losses = task.loss(BATCH, step=0)
        of_losses["total"].backward()
        gradients = {
            name: parameter.grad.clone()
            for name, parameter in task.module.named_parameters()
            if parameter.grad is not None
        }
        found.append({**of_losses, **gradients})
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_losses_are_exact_whatever_the_sample_and_penalties_are_on_average(
    built: Build, tmp_path: Path
) -> None:
    regularization = Regularization(document=Flops(0.2))
    parts = built(SparseModel(Table("learned"), Mlm(), regularization))
    full = still(parts, Effort(layers=0, cache=tmp_path)).loss(BATCH, step=0)
    task = still(parts, Effort(layers=0, cache=tmp_path, sampled_terms=20))
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = [task.loss(BATCH, step=0) for _ in range(100)]
    for one in drawn:
        assert one["contrastive"].item() == pytest.approx(full["contrastive"].item(), rel=1e-5)
    penalties = [one["document_penalty"].item() for one in drawn]
    assert np.mean(penalties) == pytest.approx(full["document_penalty"].item(), rel=0.1)
    assert np.std(penalties) > 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SparseModel(Mlm(), Mlm()), "ask for their own tokens only"),
        (SparseModel(Table("learned"), Mlp()), "weights for all terms"),
        (
            SparseModel(Table("learned"), Mlm(), Regularization(document=TopK(3))),
            "known only from all",
        ),
    ],
)
def test_samples_that_would_be_wrong_are_refused(
    model: SparseModel, message: str, built: Build
) -> None:
    with pytest.raises(EncoderError, match=message):
        SparseTask(built(model), Effort(sampled_terms=10))


def test_term_recall_labels_are_shares_of_queries() -> None:
    def texts(rows: list[list[int]]) -> TextStates:
        ids = torch.tensor(rows)
        return TextStates(ids, ids > 0, ids > 1, torch.zeros(*ids.shape, 0))

    found = term_recall_labels(
        texts([[1, 5, 6, 5], [1, 5, 0, 0], [1, 7, 0, 0]]),
        texts([[1, 5, 6, 9, 5], [1, 8, 0, 0, 0], [1, 7, 5, 0, 0]]),
        torch.tensor([0, 0, 2]),
        torch.tensor([1.0, 3.0, 0.5]),
        n_terms=10,
    )
    assert found.rows.tolist() == [0, 2]
    assert found.labels.tolist() == [[0, 1, 0.5, 0, 1], [0, 1, 0, 0, 0]]
    assert found.weights.tolist() == [2.0, 0.5]


def test_term_recall_teaches_tokens_of_positives(built: Build) -> None:
    supervision = Supervision((TermRecall(2.0),))
    parts = built(SparseModel(Mlp(PLAIN), Mlp(PLAIN), supervision=supervision))
    assert isinstance(parts.document, StateSide)
    torch.nn.init.zeros_(parts.document.head.linear.weight)  # Every token weighs the bias, 1.
    batch = TrainingBatch(
        ["cat dog", "cat", "word7"],
        ["the cat and the dog", "word7 word8", "of no query"],
        torch.tensor([[0, 2], [0, 2], [1, 2]]),
        None,
        torch.tensor([1.0, 3.0, 0.5]),
    )
    found = still(parts).loss(batch, step=0)
    one, two = (3 * 1 + 0 + 0.5**2) / 5, 1 / 2  # the, and, the; cat; dog. word8; word7.
    assert found["total"].item() == pytest.approx(2 * (2.0 * one + 0.5 * two) / 2)
    with pytest.raises(EncoderError, match="'term-recall' with document encoder Mlm"):
        SparseModel(Mlp(), Mlm(), supervision=supervision)


def test_a_loss_that_needs_a_teacher_says_so(built: Build) -> None:
    task = still(built(SparseModel(Mlm(), Mlm(), supervision=Supervision((Kl(),)))))
    with pytest.raises(EncoderError, match="'kl' learns from a teacher's scores"):
        task.loss(replace(BATCH, teacher=None), step=0)


def test_repeated_queries_are_no_negatives_of_each_other(built: Build) -> None:
    task = still(built(SparseModel(Mlm(), Mlm())))
    groups = torch.tensor([[0], [1]])
    batch = TrainingBatch(["cat", "cat"], BATCH.documents[:2], groups, None, torch.ones(2))
    assert task.loss(batch, step=0)["contrastive"].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("layers", "trained"), [(0, 0), (1, 1), (2, 2)])
def test_only_the_last_layers_are_trained(layers: int, trained: int, built: Build) -> None:
    task = SparseTask(built(SparseModel(Mlm(), Mlm())), Effort(layers=layers))
    names = [name for name, one in task.module.named_parameters() if one.requires_grad]
    assert len({name.split(".")[3] for name in names if "layer." in name}) == trained
    assert not any("embeddings" in name or name.endswith("decoder") for name in names)
    task.loss(BATCH, step=0)["total"].backward()
    assert all(one.grad is None for one in task.module.parameters() if not one.requires_grad)


def test_too_many_layers_are_refused(built: Build) -> None:
    with pytest.raises(EncoderError, match="3 layers are to be trained and the transformer has 2"):
        SparseTask(built(SparseModel(Mlm(), Mlm())), Effort(layers=3))


@pytest.mark.parametrize("layers", [None, 0, 1])
def test_state_holds_each_trained_tensor_once_and_is_loaded(
    layers: int | None, built: Build
) -> None:
    model = SparseModel(Table("linear"), Mlm())
    task, other = (SparseTask(built(model), Effort(layers=layers)) for _ in range(2))
    state = task.module.state_dict()
    trained = {id(one) for one in task.module.parameters() if one.requires_grad}
    assert len(state) == len(trained)
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    with torch.no_grad():
        for parameter in task.module.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    other.module.load_state_dict({name: tensor.clone() for name, tensor in state.items()})
    for one in (task, other):
        one.module.eval()
    found, expected = other.loss(BATCH, step=0), task.loss(BATCH, step=0)
    assert found == expected


def test_parameter_groups_hold_every_trained_parameter_once(built: Build) -> None:
    task = SparseTask(built(SparseModel(Table("learned"), Mlm())), Effort(head_lr=0.5))
    groups = task.parameter_groups(0.1, 0.01)
    given = [id(one) for group in groups for one in group["params"]]
    assert sorted(given) == sorted(id(p) for p in task.module.parameters() if p.requires_grad)
    assert {group["lr"] for group in groups} == {0.1, 0.5}
    for group in groups:
        for one in group["params"]:
            assert (group["weight_decay"] > 0) == (one.ndim > 1)
    tied = id(task.parts.documents.embeddings)
    assert any(tied in map(id, group["params"]) for group in groups if group["lr"] == 0.1)


def test_states_of_a_frozen_transformer_come_from_the_cache(built: Build, tmp_path: Path) -> None:
    parts = built(SparseModel(Table("learned"), Mlm()))
    cached = still(parts, Effort(layers=0, cache=tmp_path))
    first = cached.loss(BATCH, step=0)["total"].item()
    calls: list[Any] = []
    parts.documents.backbone.model.register_forward_hook(lambda *given: calls.append(given))
    assert cached.loss(BATCH, step=0)["total"].item() == first
    assert not calls
    plain = still(parts, Effort(layers=0)).loss(BATCH, step=0)["total"].item()
    assert calls
    assert first == pytest.approx(plain, rel=1e-2)  # States are kept in float16.


def test_encoder_sees_the_weights_as_they_are_and_leaves_training_on(built: Build) -> None:
    parts = built(SparseModel(Table("learned"), Mlm()))
    task = SparseTask(parts)
    task.module.train()
    encoder = task.encoder()
    before = encoder.encode_documents(BATCH.documents)
    again = encoder.encode_documents(BATCH.documents)
    np.testing.assert_array_equal(before.weights, again.weights)  # No dropout.
    assert task.module.training
    with torch.no_grad():
        parts.document.head.bias.add_(1.0)  # type: ignore[union-attr]
        parts.query.head.weights.mul_(2.0)  # type: ignore[union-attr]
    assert encoder.encode_documents(BATCH.documents).weights.sum() > before.weights.sum()
    looked_up = query_encoding(parts, Pruning()).encode(["word7"])
    assert looked_up.weights.tolist() == [
        2 * float(torch.linspace(0, 3, 200)[looked_up.term_ids[0]])
    ]
