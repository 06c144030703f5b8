"""Documents that are anchored: the head, its teacher, its task and its folder."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from lexmax.encoders.heads.anchors import AnchorHead
from lexmax.encoders.loading import Encoders
from lexmax.encoders.training.anchor_start import anchors_of
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.sparse_kind import SPARSE, SparseSection
from lexmax.encoders.training.sparse_task import SparseTask
from lexmax.encoders.training.state_teacher import StateTeacher, bm25
from lexmax.encoders.training.states import TextStates
from lexmax.encoders.training.tasks import Place
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch

MODEL = {
    "query": {"name": "binary", "repeats": "set", "collection_idf": True},
    "document": {"name": "anchored", "threshold": 0.2},
    "regularization": {"document": {"name": "flops", "strength": 0.01}},
    "supervision": {
        "objectives": [{"name": "states"}, {"name": "contrastive", "weight": 0.2}],
    },
}
DOCUMENTS = ["vitamin d lowers the risk of falls", "the cat and the dog", "word7 word8", ""]
BATCH = TrainingBatch(
    ["vitamin d risk", "cat search", ""],
    DOCUMENTS,
    torch.tensor([[0, 2], [1, 3], [3, 0]]),
    None,
    torch.ones(3),
)


class Statistics:
    """A collection in which every term stands in half of the documents."""

    n_docs = 100

    def doc_freqs(self, term_ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.full(len(term_ids), 50, np.int64)


@pytest.fixture
def place(tmp_path: Path, tiny_checkpoints: ModuleType) -> Place:
    tiny_checkpoints.save_masked_lm(tmp_path / "masked-lm")
    lines = (f'{{"_id": "{i}", "text": "{text}"}}\n' for i, text in enumerate(DOCUMENTS[:3]))
    (tmp_path / "corpus.jsonl").write_text("".join(lines))
    return Place(tmp_path, tmp_path / "cache")


def made(place: Place, **given: Any) -> SparseTask:
    values = {
        "model": MODEL,
        "transformer": "masked-lm",
        "layers": 0,
        "limits": {"query": 32, "document": 48},
        "idf": "corpus.jsonl",
        **given,
    }
    task = SPARSE.make(SparseSection(**values), place)
    assert isinstance(task, SparseTask)
    return task


def head_of(task: SparseTask) -> AnchorHead:
    head = task.parts.document.head
    assert isinstance(head, AnchorHead)
    return head


def states(ids: list[list[int]], seed: int = 0) -> TextStates:
    """Random states; id 0 is padding."""
    tensor = torch.tensor(ids)
    hidden = torch.randn(*tensor.shape, 6, generator=torch.Generator().manual_seed(seed))
    return TextStates(tensor, tensor > 0, tensor > 0, hidden)


def weights_by_hand(head: AnchorHead, texts: TextStates, row: int, term: int) -> float:
    kept = texts.content[row].numpy()
    if not kept.any():
        return 0.0
    hidden = texts.hidden[row].numpy()[kept].astype(np.float64)
    unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
    mean = unit.sum(0) / np.linalg.norm(unit.sum(0))
    value = {name: one.detach().numpy() for name, one in head.named_parameters()}
    moved = unit @ value["transform.weight"].T + value["transform.bias"]
    moved = unit + moved + value["context.weight"] @ mean
    logit = (moved @ value["anchors"][term]).max() * value["scale"] + value["bias"][term]
    weight = np.log1p(max(logit, 0.0))
    own = head.own(torch.from_numpy(unit * 6**0.5).float())[:, 0].detach().numpy()
    same = texts.ids[row].numpy()[kept] == term
    if same.any():
        weight += np.log1p(np.logaddexp(0, own[same])).max()
    by_anchor = 6**0.5 * value["anchors"][term] @ value["by_anchor.weight"][0]
    learned = value["log_importance"][term] + by_anchor + value["by_anchor.bias"][0]
    return float(weight * value["idf"][term] * np.exp(learned) * 0.2)


def test_weights_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    head = AnchorHead(6, n_terms=9, threshold=0.1, scale=2.0)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    head.begin(torch.randn(9, 6), torch.rand(9) + 1)
    texts = states([[3, 5, 3, 0], [8, 0, 0, 0], [0, 0, 0, 0]])
    expected = [[weights_by_hand(head, texts, row, term) for term in range(9)] for row in range(3)]
    found = head(texts.hidden, texts.ids, texts.content)
    assert found.detach().numpy() == pytest.approx(np.array(expected), abs=1e-5)
    terms = torch.tensor([5, 1, 3])
    of_some = head(texts.hidden, texts.ids, texts.content, terms)
    assert torch.allclose(of_some, found[:, terms], atol=1e-6)


def test_gradients_reach_every_parameter_but_idf() -> None:
    head = AnchorHead(6, n_terms=9, threshold=-0.5, scale=2.0)
    head.begin(torch.randn(9, 6), torch.ones(9))
    texts = states([[3, 5, 3, 0], [8, 2, 1, 4], [0, 0, 0, 0]])
    head(texts.hidden, texts.ids, texts.content).square().sum().backward()
    without = {name for name, one in head.named_parameters() if one.grad is None}
    assert without == {"idf"}
    assert all(torch.isfinite(one.grad).all() for one in head.parameters() if one.grad is not None)


def test_anchors_are_the_states_of_terms_alone(place: Place) -> None:
    trunk = open_trunk(str(place.folder / "masked-lm"))
    anchors = anchors_of(trunk)
    term = int(trunk.pieces.ids("cat")[0])
    row = torch.tensor([[*trunk.pieces.before, term, *trunk.pieces.after]])
    with torch.no_grad():
        hidden = trunk.backbone.model(row, torch.ones_like(row)).last_hidden_state[0, 1]
    assert torch.allclose(anchors[term], hidden / hidden.norm(), atol=1e-5)
    assert not anchors[sorted(trunk.special_ids)].any()


def test_the_teacher_adds_three_rankings() -> None:
    queries, documents = states([[3, 5], [4, 0]], 1), states([[3, 1, 5], [4, 4, 0], [2, 7, 8]], 2)
    idf = torch.arange(9).float()
    unit = [torch.nn.functional.normalize(one.hidden, dim=-1) for one in (queries, documents)]
    found = StateTeacher(maxsim=1.0, pooled=0.0, lexical=0.0).scores(queries, documents, idf=idf)
    best = [
        [
            (unit[0][q, : 2 - q] @ unit[1][d][documents.content[d]].T).amax(1).mean()
            for d in range(3)
        ]
        for q in range(2)
    ]
    assert torch.allclose(found, torch.tensor(best), atol=1e-5)
    lexical = bm25(queries, documents, idf=idf)
    length = documents.content.sum(1).float() / documents.content.sum(1).float().mean()
    norm = 0.9 * (0.6 + 0.4 * length)
    assert lexical[0].tolist() == pytest.approx([(3 + 5) / (1 + norm[0].item()), 0, 0])
    assert lexical[1].tolist() == pytest.approx([0, 4 * 2 / (2 + norm[1].item()), 0])
    both = StateTeacher(maxsim=1.0, pooled=0.0, lexical=0.5).scores(queries, documents, idf=idf)
    assert torch.allclose(both - found, 0.5 * lexical / lexical.amax(1, keepdim=True), atol=1e-5)


def test_training_lowers_the_loss_and_a_saved_model_encodes_equally(
    place: Place, tmp_path: Path
) -> None:
    task = made(place, sampled_terms=50)
    optimiser = torch.optim.AdamW(task.parameter_groups(0.01, 0.0))
    torch.manual_seed(0)
    totals: list[float] = []
    for step in range(12):
        loss = task.loss(BATCH, step=step)
        assert set(loss) >= {"total", "states", "contrastive", "document_penalty"}
        loss["total"].backward()
        optimiser.step()
        optimiser.zero_grad()
        totals.append(float(loss["total"].detach()))
    assert totals[-1] < totals[0]
    folder = tmp_path / "model"
    folder.mkdir()
    task.save(folder)
    loaded = Encoders().load(folder)
    expected, found = task.encoder().encode_documents(DOCUMENTS), loaded.encode_documents(DOCUMENTS)  # type: ignore[union-attr]
    assert isinstance(found, SparseBatch)
    assert np.array_equal(found.term_ids, expected.term_ids)
    assert found.weights == pytest.approx(expected.weights, rel=1e-5)


def test_queries_are_weighed_by_the_idf_of_the_collection(place: Place, tmp_path: Path) -> None:
    task, folder = made(place), tmp_path / "model"
    folder.mkdir()
    task.save(folder)
    encoder = Encoders().sparse(f"splade:{folder}")
    found = encoder.encode_queries(["cat cat vitamin"], Statistics())
    trained = head_of(task).idf[torch.from_numpy(found.term_ids.astype(np.int64))].numpy()
    of_collection = np.log1p((100 - 50 + 0.5) / (50 + 0.5))
    assert len(found.term_ids) == 2
    assert found.weights == pytest.approx(of_collection / trained, rel=1e-5)


def test_learning_rates_differ_as_the_head_says(place: Place) -> None:
    task = made(place)
    rates = {
        id(parameter): group["lr"]
        for group in task.parameter_groups(0.1, 0.0)
        for parameter in group["params"]
    }
    head = head_of(task)
    assert rates[id(head.anchors)] == pytest.approx(0.1 * head.rates["anchors"])
    assert rates[id(head.log_importance)] == pytest.approx(0.1 * head.rates["log_importance"])
    assert head.rates["anchors"] < 1 < head.rates["log_importance"]
    assert rates[id(head.bias)] == pytest.approx(0.1)
    assert id(head.idf) not in rates


def test_what_does_not_go_together_is_refused(place: Place) -> None:
    with pytest.raises(EncoderError, match="frozen transformer's states"):
        made(place, layers=None)
    with pytest.raises(EncoderError, match="no idf is given"):
        made(place, idf=None)
