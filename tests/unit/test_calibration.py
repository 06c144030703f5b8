"""A collection is calibrated as it is served; too little to learn from is said."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.building import Silent
from lexmax.calibration import (
    CalibrationReport,
    CalibrationRules,
    calibrate,
    scoring_stages,
)
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import CalibrationError, PipelineError
from lexmax.eval.relevance_measures import filter_measures, pr_auc
from lexmax.relevance import Target, load_calibration
from lexmax.relevance.designs import TrainingRules
from lexmax.stages import named
from lexmax.types import Document

N_TOPICS, N_DOCS = 30, 300
RULES = CalibrationRules(
    inputs="none", scale="query", depth=40, held_out=0.5, training=TrainingRules(steps=60)
)


def words(rng: np.random.Generator, topic: int) -> list[str]:
    return [f"w{word}" for word in (np.arange(6) + 6 * topic)[rng.permutation(6)[:4]]]


def documents() -> list[Document]:
    """Ten documents a topic; all share common words."""
    rng = np.random.default_rng(1)
    return [
        Document(
            f"d{i}",
            " ".join([*words(rng, i % N_TOPICS), *(f"c{w}" for w in rng.integers(0, 9, 9))]),
        )
        for i in range(N_DOCS)
    ]


def queries() -> dict[str, str]:
    rng = np.random.default_rng(2)
    return {
        f"q{topic}": " ".join([*words(rng, topic)[: 1 + topic % 3], f"c{topic % 9}"])
        for topic in range(N_TOPICS)
    }


def qrels() -> dict[str, dict[str, int]]:
    return {
        f"q{topic}": {f"d{i}": 2 for i in range(topic, N_DOCS, N_TOPICS)}
        for topic in range(N_TOPICS)
    }


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Generator[Collection, None, None]:
    made = Collection.create(tmp_path / "c", encoders=cheap_encoders, merge_in_background=False)
    made.add(documents())
    yield made
    made.abandon()  # closing would build a segment


def calibrated(collection: Collection, **given: object) -> CalibrationReport:
    rules = replace(RULES, **given)  # type: ignore[arg-type]
    return calibrate(collection, queries(), qrels(), pipeline="sparse", rules=rules)


def test_a_calibration_is_stored_and_keeps_its_promise(collection: Collection) -> None:
    report = calibrated(collection)
    stored = load_calibration(collection.path, "default")
    assert report.path == collection.path / "relevance" / "default"
    assert stored.threshold == report.calibration.threshold
    assert stored.n_queries == N_TOPICS
    assert report.n_without == 0
    assert pr_auc(report.adapted) > pr_auc(report.raw) > 0.1
    at = filter_measures(report.adapted, stored.threshold)
    assert at.recall >= 0.95
    assert at.removed > 0.5


def test_what_is_calibrated_is_what_is_served(collection: Collection) -> None:
    report = calibrated(collection, inputs="features", scale="list")
    text = queries()["q3"]
    ranking = collection.search_batch([text], 40, pipeline="sparse")
    place = report.raw.queries == list(queries()).index("q3")
    np.testing.assert_array_equal(report.raw.scores[place], ranking.scores[0])
    expected = [doc_id in qrels()["q3"] for doc_id in ranking.doc_ids[0]]
    assert report.raw.labels[place].tolist() == expected


def test_it_belongs_to_pipeline_encoders_and_number_of_documents(collection: Collection) -> None:
    version = calibrated(collection).calibration.version
    sparse = scoring_stages(named("sparse"))
    now = collection.index_version(collection.snapshot(), sparse)
    version.require(now, name="default")
    other = collection.index_version(collection.snapshot(), named("multivector"))
    with pytest.raises(CalibrationError, match=r"other index version|another index version"):
        version.require(other, name="default")
    collection.add([Document(f"new{i}", "w1 c1") for i in range(N_DOCS // 4)])
    grown = collection.index_version(collection.snapshot(), sparse)
    with pytest.raises(CalibrationError, match="there were 300 documents, now 375"):
        version.require(grown, name="default")


def test_a_calibration_follows_from_its_seed(collection: Collection) -> None:
    one, same = (calibrated(collection, inputs="features") for _ in range(2))
    assert one.calibration.threshold == same.calibration.threshold
    np.testing.assert_array_equal(one.adapted.scores, same.adapted.scores)


def test_designs_are_compared_where_none_is_asked(collection: Collection) -> None:
    told: list[tuple[str, int, int]] = []

    class Watcher(Silent):
        def advance(self, stage: str, done: int, total: int) -> None:
            told.append((stage, done, total))

    calibrate(
        collection,
        queries(),
        qrels(),
        pipeline="sparse",
        rules=replace(RULES, scale=None),
        watcher=Watcher(),
    )
    assert told[0] == ("search", N_TOPICS, N_TOPICS)
    assert told[-1] == ("train", 7, 7)


def test_precision_may_be_the_target(collection: Collection) -> None:
    report = calibrated(collection, target=Target("precision", 0.8))
    assert filter_measures(report.adapted, report.calibration.threshold).precision >= 0.8


def test_too_few_judged_queries_are_said(collection: Collection) -> None:
    few = dict(list(queries().items())[:19])
    with pytest.raises(CalibrationError, match="19 queries are judged; expected at least 20"):
        calibrate(collection, few, qrels(), pipeline="sparse", rules=RULES)
    with pytest.raises(CalibrationError, match="0 queries are judged"):
        calibrate(collection, queries(), {}, pipeline="sparse", rules=RULES)
    with pytest.raises(
        CalibrationError, match="0 queries have a relevant document among their first 40"
    ):
        calibrated(collection, relevant_from=3)
    assert not (collection.path / "relevance").exists()


def test_what_cannot_be_run_or_asked_is_said(collection: Collection) -> None:
    with pytest.raises(PipelineError):
        calibrate(collection, queries(), qrels(), pipeline="nothing", rules=RULES)
    with pytest.raises(CalibrationError, match="neither qrels nor a teacher"):
        calibrate(collection, queries(), None, pipeline="sparse")
    with pytest.raises(CalibrationError, match="expected 1 to 64"):
        calibrate(collection, queries(), qrels(), name="a/b")
    with pytest.raises(CalibrationError, match="held_out is 0"):
        CalibrationRules(held_out=0)
    with pytest.raises(CalibrationError, match="depth is 1"):
        CalibrationRules(depth=1)


class Teacher:
    """Knows by its words whether a document is of the query's topic."""

    spec = fingerprint = "teacher"

    def __init__(self, scores: Sequence[float] = (-4.0, 4.0)) -> None:
        self._scores = scores

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        rare = {word for word in query.split() if word.startswith("w")}
        return np.array(
            [self._scores[bool(rare & set(text.split()))] for text in texts], dtype=np.float32
        )


@pytest.mark.parametrize("scores", [(-4.0, 4.0), (0.02, 0.98)])
def test_a_teacher_stands_for_judgements(
    collection: Collection, scores: tuple[float, float]
) -> None:
    report = calibrate(
        collection, queries(), None, pipeline="sparse", rules=RULES, teacher=Teacher(scores)
    )
    np.testing.assert_allclose(np.unique(report.raw.labels), [0.018, 0.982], atol=0.003)
    assert pr_auc(report.adapted) > 0.5


def test_a_teacher_without_numbers_is_refused(collection: Collection) -> None:
    with pytest.raises(CalibrationError, match="NaN"):
        calibrate(
            collection,
            queries(),
            None,
            pipeline="sparse",
            rules=RULES,
            teacher=Teacher((float("nan"), 1.0)),
        )


def test_a_stop_writes_nothing(collection: Collection) -> None:
    class Stops(Silent):
        def stopped(self) -> bool:
            return True

    with pytest.raises(KeyboardInterrupt):
        calibrate(collection, queries(), qrels(), rules=RULES, watcher=Stops())
    assert not (collection.path / "relevance").exists()


def test_queries_that_find_nothing_are_left_out(collection: Collection) -> None:
    asked = queries() | {"nothing": "zzz", "blank": "  "}
    judged = qrels() | {"nothing": {"d1": 1}, "blank": {"d1": 1}}
    report = calibrate(collection, asked, judged, pipeline="sparse", rules=RULES)
    assert report.n_without == 2
    assert report.raw.n_queries == N_TOPICS


def test_all_pipelines_of_a_collection_can_be_calibrated(collection: Collection) -> None:
    for pipeline in ("multivector", "hybrid"):
        report = calibrate(
            collection,
            queries(),
            qrels(),
            pipeline=pipeline,
            rules=replace(RULES, inputs="vector", form="linear"),
            name=pipeline,
        )
        assert report.calibration.adapter.network is not None


def test_a_search_tells_the_relevance_that_was_calibrated(collection: Collection) -> None:
    report = calibrated(collection)
    text = queries()["q4"]
    everything = collection.search(text, 40, pipeline="sparse", min_relevance=0.0)
    place = report.raw.queries == list(queries()).index("q4")
    assert [hit.score for hit in everything.hits] == report.raw.scores[place].tolist()
    found = [hit.relevance for hit in everything.hits]
    assert all(one is not None and 0 <= one <= 1 for one in found)
    assert found == sorted(found, key=lambda one: -(one or 0.0))
    some = collection.search(text, 40, pipeline="sparse", min_relevance=found[2])
    assert 3 <= len(some.hits) < len(found)
    assert some.n_filtered == len(found) - len(some.hits)
    scattered = " ".join(f"w{6 * topic}" for topic in range(N_TOPICS))
    common = collection.search(scattered, 40, pipeline="sparse", min_relevance=0.0)
    best = common.hits[0].relevance
    assert best is not None
    assert best < 1
    least = min(best * 1.01, 1.0)
    nothing = collection.search(scattered, 40, pipeline="sparse", min_relevance=least)
    assert (nothing.hits, nothing.n_filtered) == ((), len(common.hits))


def test_a_search_refuses_what_was_calibrated_for_another_state(collection: Collection) -> None:
    calibrated(collection)
    with pytest.raises(CalibrationError, match="run `lexmax calibrate` again"):
        collection.search("w1", 5, pipeline="multivector", min_relevance=0.5)
    collection.add([Document(f"new{i}", "w1 c1") for i in range(N_DOCS // 4)])
    with pytest.raises(CalibrationError, match="there were 300 documents, now 375"):
        collection.search("w1", 5, pipeline="sparse", min_relevance=0.5)
