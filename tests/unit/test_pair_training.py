"""Cross-encoders in training: what moves, what is saved, what a configuration may say."""

import importlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lexmax.building import Silent
from lexmax.dev_measures import DevMeasures, DevSet
from lexmax.encoders import Encoders, PairScorer
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.config_reading import read_config
from lexmax.encoders.training.pair_kind import CROSS_ENCODER, CrossEncoderSection
from lexmax.encoders.training.pair_task import PairLosses, PairTask, read_pairs
from lexmax.encoders.training.tasks import Place, read_task
from lexmax.errors import EncoderError, TrainingError
from lexmax.training import train

QUERY = "vitamin d lowers the risk"
TEXTS = ["the cat and the dog " * 9, "vitamin d", "risk of fall. (5)", "tokyo 東京 café"]
DOCS = Path(__file__).parents[2] / "docs"

Make = Callable[..., PairTask]


class Watching(Silent):
    def say(self, text: str) -> None:
        """Nobody listens."""


@pytest.fixture
def make(tmp_path: Path, tiny_checkpoints: ModuleType) -> Make:
    """Makes a task over a tiny transformer."""

    def made(family: str = "bert", **values: Any) -> PairTask:
        folder = tmp_path / family
        if not folder.is_dir():
            tiny_checkpoints.save_masked_lm(folder, family)
        torch.manual_seed(1)
        section = CrossEncoderSection(**{"transformer": family, "max_tokens": 40, **values})
        task = CROSS_ENCODER.make(section, Place(tmp_path, tmp_path / "cache"))
        assert isinstance(task, PairTask)
        return task

    return made


def batch(**given: Any) -> TrainingBatch:
    groups = torch.tensor([[0, 1, 2], [3, 2, 0]])
    weights = torch.ones(2)
    return TrainingBatch(
        **{"queries": [QUERY, "cat"], "documents": TEXTS, "groups": groups, "teacher": None,
           "weights": weights, **given}
    )  # fmt: skip


def trained(task: PairTask, steps: int, **given: Any) -> list[float]:
    """Totals of some steps without dropout."""
    optimiser = torch.optim.AdamW(task.parameter_groups(3e-3, 0.01))
    task.module.eval()
    totals = list[float]()
    for step in range(steps):
        loss = task.loss(batch(**given), step=step)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(float(loss.detach()))
    return totals


def saved(task: PairTask, folder: Path) -> PairScorer:
    folder.mkdir()
    task.save(folder)
    return Encoders().pairs(f"cross-encoder:{folder}")


@pytest.mark.parametrize("weight", ["sft", "contrastive"])
@pytest.mark.parametrize("direction", ["sft", "contrastive"])
def test_every_combination_learns(make: Make, weight: str, direction: str) -> None:
    task = make(objective={"weight": weight, "direction": direction})
    totals = trained(task, 12)
    assert totals[-1] < 0.5 * totals[0]
    scores = task.encoder().score(QUERY, TEXTS)
    assert scores[0] > max(scores[1:3])


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize(("rows", "direction"), [(2, "sft"), (2, "contrastive"), (1, "sft")])
def test_what_is_saved_is_what_the_library_reads(
    make: Make, tmp_path: Path, family: str, rows: int, direction: str
) -> None:
    task = make(family, rows=rows, objective={"direction": direction})
    trained(task, 2)
    scorer = saved(task, tmp_path / "saved")
    found = scorer.score(QUERY, TEXTS)
    assert np.ptp(found) > 1e-3
    np.testing.assert_allclose(found, task.encoder().score(QUERY, TEXTS), atol=1e-5)
    library = importlib.import_module("sentence_transformers.cross_encoder.model")
    model = library.CrossEncoder(str(tmp_path / "saved"), device="cpu")
    expected = model.predict([(QUERY, text) for text in TEXTS])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_training_goes_on_from_a_saved_cross_encoder(make: Make, tmp_path: Path) -> None:
    task = make()
    trained(task, 3)
    expected = saved(task, tmp_path / "first").score(QUERY, TEXTS)
    for rows in (1, 2):
        again = make("first", rows=rows).encoder().score(QUERY, TEXTS)
        np.testing.assert_allclose(again, expected, atol=1e-5)


def test_a_text_is_read_as_it_is_in_use(make: Make) -> None:
    """The outputs that a loss sees are the scores that the scorer gives."""
    task = make()
    task.module.eval()
    outputs = task._outputs(batch())
    scores = (outputs[..., 1] - outputs[..., 0]).detach()
    for query, rows, group in zip(batch().queries, scores, batch().groups, strict=True):
        texts = [TEXTS[int(row)] for row in group]
        expected = task.encoder().score(query, texts)
        np.testing.assert_allclose(rows.numpy(), expected, atol=1e-5)


def test_texts_without_words_are_read_as_no_tokens(make: Make) -> None:
    rows = read_pairs(make().parts.texts, "cat", ["", "dog"])
    assert rows[0].ids.tolist() == [*rows[1].ids.tolist()[:3], rows[1].ids.tolist()[-1]]
    assert rows[0].types.tolist() == [0, 0, 0, 1]
    assert len(read_pairs(make().parts.texts, " ", ["dog"])[0].ids) == 3
    assert np.isfinite(trained(make(), 1, documents=["", *TEXTS[1:]])).all()


def test_weights_of_a_curriculum_are_of_texts_or_of_samples(make: Make) -> None:
    of_one = {"weights": torch.tensor([1.0, 0.0])}
    of_texts = {"text_weights": torch.tensor([[1.0, 1, 1], [0, 0, 0]])}
    totals = [trained(make(), 1, **given)[0] for given in (of_one, of_texts, {})]
    assert totals[0] == pytest.approx(totals[1])
    assert totals[2] > totals[0]


def test_losses_of_a_teacher_are_added(make: Make) -> None:
    teacher = torch.tensor([[3.0, 1.0, 2.0], [5.0, float("nan"), 1.0]])
    task = make(objectives=[{"name": "pld", "weight": 0.5}, {"name": "margin-mse"}])
    task.module.eval()
    parts = task.loss(batch(teacher=teacher), step=0)
    assert set(parts) == {"total", "sft-sft", "pld", "margin-mse"}
    added = parts["sft-sft"] + parts["pld"] + parts["margin-mse"]
    assert float(parts["total"].detach()) == pytest.approx(float(added.detach()))
    with pytest.raises(EncoderError, match="learns from a teacher's scores"):
        task.loss(batch(), step=0)
    alone = make(objective=None, objectives=[{"name": "pld"}])
    assert set(alone.loss(batch(teacher=teacher), step=0)) == {"total", "pld"}


def test_what_is_frozen_stays(make: Make) -> None:
    task = make(layers=0, head_lr=0.5)
    assert {group["lr"] for group in task.parameter_groups(0.1, 0)} == {0.5}
    before = [one.clone() for one in task.parts.base.encoder.parameters()]  # type: ignore[operator,union-attr]
    trained(task, 2)
    after = list(task.parts.base.encoder.parameters())  # type: ignore[operator,union-attr]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert "model.classifier.weight" in task.module.state_dict()
    assert not any("encoder.layer" in name for name in task.module.state_dict())
    task.module.train()
    assert not task.parts.base.training
    with pytest.raises(EncoderError, match="7 layers are to be trained"):
        make(layers=7)


def test_a_batch_needs_negatives(make: Make) -> None:
    with pytest.raises(TrainingError, match=r"negatives\.per_query of 1 or more"):
        make().loss(batch(groups=torch.tensor([[0], [3]])), step=0)


def test_the_evaluation_reranks_what_bm25_finds() -> None:
    class Longest:
        spec = fingerprint = "longest"

        def __init__(self) -> None:
            self.asked = list[Sequence[str]]()

        def score(self, query: str, texts: Sequence[str]) -> Any:
            self.asked.append(texts)
            return np.array([len(text) for text in texts], np.float32)

    documents = {f"d{i}": "cat" + " cat" * i for i in range(40)} | {"dog": "dog"}
    dev = DevSet({"q": "cat", "p": "bird"}, documents, {"q": {"d39": 1}, "p": {"dog": 1}})
    measures, scorer = DevMeasures(dev, ["RR@10"]), Longest()
    found = measures(scorer)
    # Of 30 documents the longest one comes first; the second query finds nothing.
    longest = max(scorer.asked[0], key=len)
    assert len(scorer.asked[0]) == 30
    assert found["RR@10"] == (0.5 if longest == documents["d39"] else 0.0)
    assert scorer.asked[1] == []
    assert measures(scorer) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objective": {"weight": "pointwise"}}, "'sft', 'contrastive', 'constant' or 'masked'"),
        ({"objectives": [{"name": "pdl"}]}, "did you mean pld"),
        ({"objectives": ["states"]}, "no loss 'states'"),
        ({"objectives": ["term-recall"]}, "no loss 'term-recall'"),
        ({"rows": 3}, "1 or 2"),
        ({"max_tokens": 3}, "greater than or equal to 8"),
        ({"trainable": True}, "not permitted"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CrossEncoderSection(**given)


def test_values_that_do_not_go_together(make: Make) -> None:
    with pytest.raises(EncoderError, match="max_tokens is 65; expected at most 64"):
        make(max_tokens=65)
    with pytest.raises(TrainingError, match="nothing to learn from"):
        make(objective=None)
    with pytest.raises(TrainingError, match="nothing to learn from"):
        PairLosses(None)


def test_the_recipe_is_a_configuration() -> None:
    config, located = read_config(DOCS / "models" / "lexmax-reranker.yaml", ())
    kind, values = read_task(located)
    assert kind is CROSS_ENCODER
    assert isinstance(values, CrossEncoderSection)
    assert config.negatives.per_query > 0
    assert [one.path for one in config.data.train] == [
        one.path for one in read_config(DOCS / "models" / "lexmax-sparse.yaml", ())[0].data.train
    ]


def test_presets_are_values_of_the_task() -> None:
    for values in CROSS_ENCODER.presets.values():
        assert CROSS_ENCODER.values.model_validate(dict(values))


def test_the_configuration_of_the_manual_trains(
    tmp_path: Path, tiny_checkpoints: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / "training-rerankers.md").read_text(encoding="utf-8")
    example = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0]
    (tmp_path / "c.yaml").write_text(example, encoding="utf-8")
    tiny_checkpoints.save_masked_lm(tmp_path / "tiny")
    words = ["vitamin", "d", "cat", "dog", "risk", "fall", "query", "search", "term", "tokyo"]
    with (tmp_path / "mined.jsonl").open("w") as file:
        for i in range(60):
            chosen = [words[(i * j + j) % 10] for j in range(1, 6)]
            docs = [" ".join(chosen[k:]) + f" word{i + 40 + k}" for k in range(4)]
            line = {"query": f"{chosen[0]} word{i + 40}", "docs": docs, "scores": [9, 4, 3, None]}
            file.write(json.dumps(line) + "\n")
    monkeypatch.chdir(tmp_path)
    overrides = (
        "task.transformer=tiny", "task.max_tokens=32", "optimiser.batch_size=4",
        "data.dev.share=0.1", "data.dev.every=3", "early_stopping.patience=null",
    )  # fmt: skip
    report = train(tmp_path / "c.yaml", overrides, watcher=Watching(), steps=3).report
    assert (report.steps, report.first_step) == (3, 0)
    report = train(tmp_path / "c.yaml", overrides, watcher=Watching(), steps=4).report
    assert (report.steps, report.first_step) == (4, 3)
    scorer = Encoders().load(report.model)
    assert isinstance(scorer, PairScorer)
    assert np.isfinite(scorer.score("cat", ["dog", "vitamin d"])).all()
