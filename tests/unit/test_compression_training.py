"""JPQ and RepCONC on clustered vectors: better than OPQ at equal bytes, and what may not move."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lexmax.encoders.compressed import CompressedEncoder, CompressedParts
from lexmax.encoders.contract import DenseEncoder
from lexmax.encoders.dense_sides import GivenSide
from lexmax.encoders.heads.projection import Projection, ProjectionShape
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.coded_corpus import CodedCorpus, warm_start
from lexmax.encoders.training.jpq import Jpq, JpqTask
from lexmax.encoders.training.opq import Fit
from lexmax.encoders.training.repconc import Balance
from lexmax.encoders.training.repconc_task import Repconc, RepconcTask
from lexmax.encoders.training.task import Task
from lexmax.errors import EncoderError, ShapeError, TrainingError
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.types import TokenBatch

DIM, CLUSTERS, EACH = 24, 40, 15
N = CLUSTERS * EACH
DOCUMENTS = [f"d{i}" for i in range(N)]
FIT = Fit(subspaces=4, n_centroids=16, rounds=15)
HOW = Jpq(temperature=0.05, centroid_lr=1.0, depth=100)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def given() -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Vectors by name: documents d0 to d599 in 40 clusters, queries q0 ... and t0 ... near them."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((CLUSTERS, 1, DIM))
    documents = (centres + 0.45 * random.standard_normal((CLUSTERS, EACH, DIM))).reshape(N, DIM)
    queries = np.tile(documents, (4, 1)) + 0.2 * random.standard_normal((4 * N, DIM))
    tests = documents + 0.2 * random.standard_normal((N, DIM))
    named = {"d": _unit(documents), "q": _unit(queries), "t": _unit(tests)}
    return lambda texts: np.stack([named[text[0]][int(text[1:])] for text in texts])


def _side(given: Any, *, trained: bool) -> GivenSide:
    if not trained:
        return GivenSide(given, DIM, unit=True)
    head = Projection(ProjectionShape("linear", DIM, DIM))
    head.start_from(torch.eye(DIM))
    return GivenSide(given, DIM, head, unit=True)


def _start(given: Any, *, both: bool = False) -> tuple[CompressedParts, CodedCorpus]:
    return warm_start(_side(given, trained=True), _side(given, trained=both), DOCUMENTS, FIT)


def _measures(encoder: DenseEncoder) -> tuple[float, float]:
    """Recall@10 and RR@10 on queries that nothing was trained on."""
    queries = encoder.encode_queries([f"t{i}" for i in range(N)])
    scores = queries @ encoder.encode_documents(DOCUMENTS).T
    ranks = (scores >= np.diagonal(scores)[:, None]).sum(axis=1)
    found = ranks <= 10
    return float(found.mean()), float(np.where(found, 1 / ranks, 0).mean())


def _batch(rows: Sequence[int]) -> TrainingBatch:
    documents = list(dict.fromkeys(f"d{row % N}" for row in rows))
    groups = torch.tensor([[documents.index(f"d{row % N}")] for row in rows])
    queries = [f"q{row}" for row in rows]
    return TrainingBatch(queries, documents, groups, None, torch.ones(len(rows)))


def _train(task: Task, *, steps: int) -> dict[str, float]:
    torch.manual_seed(0)
    optimiser = torch.optim.AdamW(task.parameter_groups(5e-3, 0.0))
    random = np.random.default_rng(5)
    found: dict[str, float] = {}
    for step in range(steps):
        optimiser.zero_grad()
        losses = task.loss(_batch(random.choice(4 * N, 64, replace=False).tolist()), step=step)
        losses["total"].backward()
        optimiser.step()
        found = {name: float(value.detach()) for name, value in losses.items()}
    return found


def _as_is(parts: CompressedParts) -> CompressedEncoder:
    return CompressedEncoder(parts, spec="opq", fingerprint="opq")


@pytest.mark.parametrize("loss", ["lambda", "contrastive"])
def test_jpq_beats_opq_at_the_same_bytes(given: Any, loss: Any) -> None:
    parts, corpus = _start(given)
    before = _measures(_as_is(parts))
    task = JpqTask(parts, corpus, replace(HOW, loss=loss))
    codes = task.module.codes.clone()
    found = _train(task, steps=40)
    after = _measures(task.encoder())
    assert after[0] > before[0] + 0.01
    assert after[1] > before[1] * 1.04
    assert found["found"] > 0.9
    assert torch.equal(task.module.codes, codes)


def test_repconc_beats_opq_and_jpq_goes_on_from_there(given: Any) -> None:
    parts, corpus = _start(given, both=True)
    opq = _measures(_as_is(parts))
    task = RepconcTask(parts, Repconc(temperature=0.05, centroid_lr=1.0, mse_weight=0.1))
    _train(task, steps=50)
    repconc = _measures(task.encoder())
    assert repconc[0] > opq[0] + 0.05
    assert repconc[1] > opq[1] * 1.15
    refreshed = task.coded(DOCUMENTS)
    assert (refreshed.codes != corpus.codes).any(dim=1).float().mean() > 0.3
    then = JpqTask(task.parts, refreshed, HOW)
    _train(then, steps=20)
    assert _measures(then.encoder())[1] > repconc[1]


def test_refreshed_codes_are_the_nearest_by_the_final_weights(given: Any) -> None:
    parts, _ = _start(given, both=True)
    task = RepconcTask(parts, Repconc(temperature=0.05, centroid_lr=1.0))
    _train(task, steps=5)
    rotated = parts.quantizer.rotated(parts.documents.vectors(DOCUMENTS))
    nearest = parts.quantizer.distances(rotated).argmin(dim=2).T
    codes = task.coded(DOCUMENTS).codes
    assert torch.equal(codes.long(), nearest)
    np.testing.assert_array_equal(task.encoder().codes(DOCUMENTS), codes.numpy())


def test_the_encoder_ranks_as_a_search_over_codes(given: Any) -> None:
    parts, corpus = _start(given)
    encoder = _as_is(parts)
    queries = encoder.encode_queries(["t0", "t7"])
    scores, rows = parts.quantizer.search(torch.from_numpy(queries), corpus.codes, 10)
    found = queries @ encoder.encode_documents(DOCUMENTS).T
    np.testing.assert_allclose(np.take_along_axis(found, rows.numpy(), 1), scores, atol=1e-5)
    np.testing.assert_allclose(np.sort(found)[:, ::-1][:, :10], scores, atol=1e-5)


def test_jpq_leaves_documents_alone_and_repconc_moves_all(given: Any) -> None:
    parts, corpus = _start(given, both=True)
    jpq = JpqTask(parts, corpus, HOW)
    names = [name for name, _ in jpq.module.named_parameters()]
    assert names == ["queries.head.outer.weight", "quantizer.centroids"]
    assert list(jpq.module.state_dict()) == [
        "codes",
        *names[:1],
        "quantizer.centroids",
        "quantizer.rotation",
    ]
    repconc = RepconcTask(parts, Repconc(mse_weight=1.0))
    repconc.loss(_batch([0, 20, 40]), step=0)["total"].backward()
    moved = {name for name, p in repconc.module.named_parameters() if p.grad is not None}
    assert moved == {
        "queries.head.outer.weight",
        "documents.head.outer.weight",
        "quantizer.centroids",
    }
    rates = [group["lr"] for group in repconc.parameter_groups(2e-5, 0.01)]
    assert rates == pytest.approx([2e-5, 5e-4])


def test_the_query_side_of_jpq_has_weights_of_its_own(given: Any) -> None:
    one = _side(given, trained=True)
    parts, corpus = warm_start(one, one, DOCUMENTS, FIT)
    before = one.vectors(["d1"]).detach()
    task = JpqTask(parts, corpus, HOW)
    _train(task, steps=3)
    assert torch.equal(one.vectors(["d1"]), before)
    assert not torch.equal(task.parts.queries.vectors(["d1"]), before)


def test_jpq_takes_what_ranks_highest_now_and_no_known_positive(given: Any) -> None:
    parts, corpus = _start(given)
    queries = parts.queries.vectors(["q3"])
    _, rows = parts.quantizer.search(queries, corpus.codes, 3)
    others = [f"d{row}" for row in rows[0].tolist() if row != 3]
    for relevant, expected in ((None, True), ({"q3": others}, False)):
        how = Jpq(depth=3, temperature=0.05, relevant=relevant)
        total = JpqTask(parts, corpus, how).loss(_batch([3]), step=0)["total"]
        assert (float(total.detach()) > 0) == expected


def test_balanced_codes_are_used_in_training(given: Any) -> None:
    parts, _ = _start(given)
    vectors = parts.quantizer.rotated(parts.documents.vectors(DOCUMENTS))
    distances = parts.quantizer.distances(vectors).detach()
    balanced, nearest = Balance().codes(distances), distances.argmin(dim=2).T
    spread = [
        torch.stack([torch.bincount(codes[:, m], minlength=16) for m in range(4)]).float().std()
        for codes in (balanced, nearest)
    ]
    assert spread[0] < 0.5 * spread[1]
    error = RepconcTask(parts).loss(_batch(range(N)), step=0)["squared_error"]
    kept = parts.quantizer.decoded(balanced)
    assert float(error.detach()) == pytest.approx(
        float((vectors - kept).square().sum(dim=1).mean().detach()), rel=1e-5
    )


@pytest.fixture(scope="module")
def encodings() -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Fixed dimensional encodings of documents and queries of a few tokens each."""
    random = np.random.default_rng(3)
    tokens = [_unit(random.standard_normal((6, 8))) for _ in range(200)]
    asked = [
        _unit(own[rows] + 0.25 * random.standard_normal((3, 8)))
        for own in tokens
        for rows in random.integers(0, 6, (25, 3))
    ]
    fde = FdeEncoder(FdeParameters(dim=8, repetitions=4, k_sim=2, d_proj=8, pooled_weight=0))
    named = {
        "d": fde.documents(TokenBatch.from_rows(tokens, 8)),
        "q": fde.queries(TokenBatch.from_rows(asked, 8)),
    }
    return lambda texts: np.stack([named[text[0]][int(text[1:])] for text in texts])


def test_fixed_dimensional_encodings_are_trained_for(encodings: Any) -> None:
    documents = [f"d{i}" for i in range(200)]
    head = Projection(ProjectionShape("residual", 128, 128, ratio=8 / 128))
    head.start_from(torch.eye(128))
    queries = GivenSide(encodings, 128, head)
    parts, corpus = warm_start(queries, GivenSide(encodings, 128), documents, Fit(16, 16))

    def rr(encoder: DenseEncoder) -> float:
        asked = [f"q{25 * i}" for i in range(200)]
        scores = encoder.encode_queries(asked) @ encoder.encode_documents(documents).T
        ranks = (scores >= np.diagonal(scores)[:, None]).sum(axis=1)
        return float(np.where(ranks <= 10, 1 / ranks, 0).mean())

    before = rr(_as_is(parts))
    task = JpqTask(parts, corpus, Jpq(depth=50, centroid_lr=5.0, loss="contrastive"))
    optimiser = torch.optim.AdamW(task.parameter_groups(1e-3, 0.0))
    random = np.random.default_rng(1)
    for step in range(60):
        rows = [int(row) for row in random.choice(5000, 128, replace=False) if row % 25]
        names = list(dict.fromkeys(f"d{row // 25}" for row in rows))
        groups = torch.tensor([[names.index(f"d{row // 25}")] for row in rows])
        asked = [f"q{row}" for row in rows]
        optimiser.zero_grad()
        batch = TrainingBatch(asked, names, groups, None, torch.ones(len(rows)))
        task.loss(batch, step=step)["total"].backward()
        optimiser.step()
    assert rr(task.encoder()) > before + 0.02


def test_what_does_not_fit_is_refused(given: Any) -> None:
    parts, corpus = _start(given)
    foreign = TrainingBatch(["q0"], ["elsewhere"], torch.tensor([[0]]), None, torch.ones(1))
    with pytest.raises(TrainingError, match=r"'elsewhere'.*not among the 600"):
        JpqTask(parts, corpus).loss(foreign, step=0)
    with pytest.raises(TrainingError, match="no documents to code"):
        CodedCorpus.of([], parts)
    with pytest.raises(EncoderError, match="expected one number"):
        replace(parts, queries=GivenSide(given, DIM + 1))
    with pytest.raises(ShapeError, match=r"expected \(2, 25\)"):
        GivenSide(given, DIM + 1).vectors(["q0", "q1"])
    with pytest.raises(EncoderError, match="expected 25, those of the vectors"):
        GivenSide(given, DIM + 1, Projection(ProjectionShape("linear", DIM, DIM)))
    with pytest.raises(EncoderError, match="expected all above 0"):
        Jpq(temperature=0)
    with pytest.raises(EncoderError, match="mse_weight is -1"):
        Repconc(mse_weight=-1)
