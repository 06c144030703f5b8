from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.encoders.training.config import DataSection, MiningSection, TrainingConfig
from lexmax.encoders.training.config_reading import checked
from lexmax.encoders.training.example import Example, from_json
from lexmax.encoders.training.examples import Examples
from lexmax.encoders.training.yaml_lines import Located
from lexmax.errors import TrainingError
from lexmax.mining import MiningReport, mine, mined
from lexmax.types import Document

# Every text of a topic has its word; the query asks for topic and number.
TOPICS = ["sail", "bone", "wing", "milk"]


def line(topic: str, i: int) -> bytes:
    pos = f"{topic} number{i} text"
    return orjson.dumps({"query": f"{topic} number{i}", "pos": pos, "neg": [f"{topic} spare{i}"]})


class Lengths:
    """A dense encoder: one coordinate says how long a text is."""

    spec, fingerprint, dim = "lengths", "lengths", 2

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[len(text), 1] for text in texts], np.float32).reshape(-1, 2)

    encode_queries = encode_documents


class Vowels:
    """Scores pairs by the vowels of the document."""

    spec, fingerprint = "vowels", "vowels"

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([sum(text.count(v) for v in "aeiou") for text in texts], np.float32)


@pytest.fixture
def encoders(cheap_encoders: Encoders) -> Encoders:
    return Encoders(
        multivector={"minilm": Recipe({}, lambda values: cheap_encoders.multivector("minilm"))},
        dense={"lengths": Recipe({}, lambda values: Lengths())},
        pairs={"vowels": Recipe({}, lambda values: Vowels())},
    )


def examples(tmp_path: Path, *files: str, **more: Any) -> Examples:
    lines = [line(topic, i) for i in range(10) for topic in TOPICS]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "b.tsv").write_text("sail number1\tsail spare3\n")
    values = {
        "folder": str(tmp_path),
        "train": tuple({"path": file} for file in files or ("a.jsonl",)),
        "dev": {"share": 0.0},
        **more,
    }
    return Examples(checked(DataSection, Located(values, {})), output=tmp_path / "out")


def mining(tmp_path: Path, given: Examples, encoders: Encoders, **rules: Any) -> MiningReport:
    return mine(
        given,
        checked(MiningSection, Located(rules, {})),
        folder=tmp_path / "mined",
        data_folder=tmp_path,
        seed=3,
        watcher=rules.pop("watcher", Silent()),
        encoders=encoders,
    )


def read(path: Path) -> list[Example]:
    return [from_json(content, {}) for content in path.read_bytes().splitlines()]


@pytest.mark.parametrize("encoder", ["bm25", "minilm"])
def test_negatives_are_what_ranks_high_and_is_not_relevant(
    tmp_path: Path, encoders: Encoders, encoder: str
) -> None:
    given = examples(tmp_path, "a.jsonl", "b.tsv")
    report = mining(tmp_path, given, encoders, encoder=encoder, keep=5, keep_below=None)
    assert report.n_examples + report.n_without == 41
    found = read(report.files[0])
    assert len(found) == 40
    for example in found:
        assert len(example.negatives) == 5
        assert example.positives[0].text == f"{example.query} text"
        assert example.positives[0].text not in {one.text for one in example.negatives}
        if encoder == "bm25":
            asked = set(example.query.split())
            assert all(asked & set(one.text.split()) for one in example.negatives)
        ranks = [one.rank for one in example.negatives]
        assert ranks == sorted(ranks)
    # What another file names as relevant is no negative here.
    sail = next(example for example in found if example.query == "sail number1")
    assert "sail spare3" not in {one.text for one in sail.negatives}
    assert [example.query for example in read(report.files[1])] == ["sail number1"]


def test_scores_are_those_of_the_ranking(tmp_path: Path, encoders: Encoders) -> None:
    report = mining(tmp_path, examples(tmp_path), encoders, keep=50, keep_below=None)
    for example in read(report.files[0])[:5]:
        scores = [one.score for one in (*example.positives, *example.negatives)]
        assert example.positives[0].rank == 1
        assert scores == sorted(scores, reverse=True)


def test_a_window_of_ranks_and_where_the_positive_must_be(
    tmp_path: Path, encoders: Encoders
) -> None:
    report = mining(tmp_path, examples(tmp_path), encoders, ranks=(5, 9), keep=3, keep_below=None)
    drawn = [one.rank for example in read(report.files[0]) for one in example.negatives]
    assert set(drawn) == {5, 6, 7, 8, 9}
    given = examples(tmp_path, "b.tsv")
    assert mining(tmp_path, given, encoders, positive_within=1).n_examples == 0


def test_what_is_nearly_as_good_as_the_positive_is_left_out(
    tmp_path: Path, encoders: Encoders
) -> None:
    report = mining(tmp_path, examples(tmp_path), encoders, encoder="lengths", keep=50)
    for example in read(report.files[0]):
        assert all(one.score <= 0.95 * example.positives[0].score for one in example.negatives)
    everything = mining(
        tmp_path, examples(tmp_path), encoders, encoder="lengths", keep=50, keep_below=None
    )
    assert sum(len(one.negatives) for one in read(everything.files[0])) > sum(
        len(one.negatives) for one in read(report.files[0])
    )


def test_a_positive_that_was_not_found_is_scored_all_the_same(
    tmp_path: Path, encoders: Encoders
) -> None:
    report = mining(
        tmp_path, examples(tmp_path), encoders, encoder="lengths", ranks=(1, 2), keep_below=None
    )
    example = read(report.files[0])[-1]
    assert example.query == "milk number9"
    assert {one.rank for one in example.negatives} == {1, 2}
    assert example.positives[0].rank == 0
    assert example.positives[0].score == len("milk number9") * len("milk number9 text") + 1


def test_one_teacher_gives_its_scores(tmp_path: Path, encoders: Encoders) -> None:
    rules = {"teachers": ("vowels",), "keep_below": None, "keep": 4}
    report = mining(tmp_path, examples(tmp_path), encoders, **rules)
    for example in read(report.files[0]):
        for one in (*example.positives, *example.negatives):
            assert one.score == sum(one.text.count(v) for v in "aeiou")


def test_several_teachers_are_a_mean_of_scaled_scores(tmp_path: Path, encoders: Encoders) -> None:
    rules = {"teachers": ("vowels", "lengths", "bm25", "minilm"), "keep_below": None}
    report = mining(tmp_path, examples(tmp_path), encoders, **rules)
    for example in read(report.files[0]):
        scores = [one.score for one in (*example.positives, *example.negatives)]
        assert 0 <= min(scores) < max(scores) <= 1


def test_teachers_say_what_is_too_near(tmp_path: Path, encoders: Encoders) -> None:
    report = mining(tmp_path, examples(tmp_path), encoders, teachers=("lengths",), keep=50)
    for example in read(report.files[0]):
        assert all(one.score <= 0.95 * example.positives[0].score for one in example.negatives)


def test_a_collection_can_be_searched(tmp_path: Path, encoders: Encoders) -> None:
    with Collection.create(
        tmp_path / "ix", multivector=None, encoders=encoders, merge_in_background=False
    ) as collection:
        texts = ("sail number1 text", "sail boat", "number1 of all", "nothing else")
        collection.add(Document(str(i), text) for i, text in enumerate(texts))
    report = mining(tmp_path, examples(tmp_path), encoders, collection="ix", keep_below=None)
    found = {example.query: example for example in read(report.files[0])}
    assert {one.text for one in found["sail number1"].negatives} == {"sail boat", "number1 of all"}
    assert found["sail number1"].positives[0].rank == 1
    # Not in the collection, so it was encoded for this.
    assert found["sail number2"].positives[0].score > found["sail number2"].negatives[0].score


def test_more_documents_can_be_searched(tmp_path: Path, encoders: Encoders) -> None:
    (tmp_path / "more.jsonl").write_text('{"_id": "x", "text": "sail sail"}\n')
    report = mining(
        tmp_path, examples(tmp_path), encoders, corpus=("more.jsonl",), keep=99, keep_below=None
    )
    first = read(report.files[0])[0]
    assert "sail sail" in {one.text for one in first.negatives}


def test_scorers_of_pairs_do_not_search(tmp_path: Path, encoders: Encoders) -> None:
    with pytest.raises(TrainingError, match=r"vowels scores pairs and cannot search"):
        mining(tmp_path, examples(tmp_path), encoders, encoder="vowels")


class StopAfter(Silent):
    def __init__(self, calls: int) -> None:
        self.calls = calls

    def stopped(self) -> bool:
        self.calls -= 1
        return self.calls < 0


def test_a_stopped_job_goes_on(tmp_path: Path, encoders: Encoders) -> None:
    rules: dict[str, Any] = {"teachers": ("lengths", "minilm"), "keep_below": None}
    whole = mining(tmp_path / "whole", _copied(tmp_path / "whole"), encoders, **rules)
    stops, report = 0, None
    parts = tmp_path / "parts"
    given = _copied(parts)
    for calls in range(40):
        section = checked(MiningSection, Located(rules, {}))
        try:
            report = mine(
                given,
                section,
                folder=parts / "mined",
                data_folder=parts,
                seed=3,
                watcher=StopAfter(calls % 4),
                encoders=encoders,
            )
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops > 3
    assert report is not None
    assert report.files[0].read_bytes() == whole.files[0].read_bytes()


def _copied(folder: Path) -> Examples:
    folder.mkdir()
    return examples(folder)


def test_training_takes_what_was_mined(
    tmp_path: Path, encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = examples(tmp_path)
    config = checked(
        TrainingConfig,
        Located(
            {
                "output": "out",
                "task": {},
                "data": {"folder": str(tmp_path), "train": ({"path": "a.jsonl", "weight": 2.0},)},
                "negatives": {"mine": {"keep": 3, "keep_below": None}},
            },
            {},
        ),
    )
    found = mined(config, given, output=tmp_path / "out", watcher=Silent())
    assert found.sizes == [40]
    assert all(len(found.example(0, i).negatives) == 3 for i in range(40))
    without = config.model_copy(
        update={"negatives": config.negatives.model_copy(update={"mine": None})}
    )
    assert mined(without, given, output=tmp_path / "out", watcher=Silent()) is given
