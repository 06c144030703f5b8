"""Calibrations are stored whole, read back equal, and refused for another index version."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from lexmax.errors import CalibrationError, CorruptionError, IndexFormatError
from lexmax.index.durable import to_json
from lexmax.index.snapshot import Snapshot
from lexmax.relevance import (
    Adapter,
    Calibration,
    IndexVersion,
    QueryFeatures,
    Target,
    load_calibration,
    save_calibration,
)
from lexmax.relevance.adapter import Network, Scaling
from lexmax.relevance.adapter_files import FILE_NAME, calibration_names
from lexmax.relevance.maps import neutral
from lexmax.relevance.query_features import FEATURES

VERSION = IndexVersion("p1", "sparse", {"sparse": "bm25 v1"}, "i1", 100)
QUERY = QueryFeatures(None, np.arange(len(FEATURES), dtype=np.float64))
SCORES = np.array([3.0, 1.0, 0.5], dtype=np.float32)


def calibration(*, name: str = "default", network: bool = True, seed: int = 0) -> Calibration:
    rng = np.random.default_rng(seed)
    dim = len(FEATURES)
    made = Network(
        rng.normal(size=dim),
        rng.random(dim) + 0.5,
        rng.normal(size=(5, dim)),
        rng.normal(size=5),
        rng.normal(size=(3, 5)),
    )
    adapter = Adapter(
        "power",
        "features" if network else "none",
        Scaling("list", 0.25, 1.5),
        100,
        neutral("power", logit=-2.0),
        made if network else None,
    )
    return Calibration(
        name, adapter, 0.125, Target("recall", 0.95), VERSION, 100, 40, {"cross_entropy": 0.01}
    )


@pytest.mark.parametrize("network", [True, False])
def test_what_is_read_says_what_was_written(tmp_path: Path, network: bool) -> None:
    written = calibration(network=network)
    folder = save_calibration(tmp_path, written)
    assert folder == tmp_path / "relevance" / "default"
    read = load_calibration(tmp_path, "default")
    np.testing.assert_array_equal(
        read.adapter.probabilities(SCORES, QUERY), written.adapter.probabilities(SCORES, QUERY)
    )
    assert (read.threshold, read.target, read.version) == (0.125, written.target, VERSION)
    assert (read.depth, read.n_queries, dict(read.measured)) == (100, 40, {"cross_entropy": 0.01})
    assert read.adapter.scaling == written.adapter.scaling


def test_a_new_one_replaces_that_of_its_name(tmp_path: Path) -> None:
    save_calibration(tmp_path, calibration())
    save_calibration(tmp_path, calibration(name="other"))
    save_calibration(tmp_path, replace(calibration(seed=1), threshold=0.5))
    assert calibration_names(tmp_path) == ["default", "other"]
    assert load_calibration(tmp_path, "default").threshold == 0.5
    assert load_calibration(tmp_path, "other").threshold == 0.125
    folder = tmp_path / "relevance" / "default"
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".safetensors"]


def test_equal_calibrations_have_equal_bytes(tmp_path: Path) -> None:
    one, other = (save_calibration(tmp_path / name, calibration()) for name in "ab")
    assert [p.read_bytes() for p in sorted(one.iterdir())] == [
        p.read_bytes() for p in sorted(other.iterdir())
    ]


def test_an_interrupted_write_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_calibration(tmp_path, calibration())

    def stops(path: Path, content: bytes) -> None:
        if path.name == FILE_NAME:
            raise KeyboardInterrupt
        path.write_bytes(content)

    with monkeypatch.context() as patched:
        patched.setattr("lexmax.relevance.adapter_files.write_atomically", stops)
        with pytest.raises(KeyboardInterrupt):
            save_calibration(tmp_path, replace(calibration(seed=1), threshold=0.5))
    assert load_calibration(tmp_path, "default").threshold == 0.125
    save_calibration(tmp_path, replace(calibration(seed=1), threshold=0.5))
    assert len(list((tmp_path / "relevance" / "default").iterdir())) == 2


def test_a_name_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    save_calibration(tmp_path, calibration(name="good"))
    with pytest.raises(CalibrationError, match="no calibration 'bad'; found good; make it with"):
        load_calibration(tmp_path, "bad")
    with pytest.raises(CalibrationError, match="found none"):
        load_calibration(tmp_path / "elsewhere", "bad")


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", ".a", "ä", "x" * 65])
def test_names_are_safe_for_folders(tmp_path: Path, name: str) -> None:
    with pytest.raises(CalibrationError, match="expected 1 to 64"):
        load_calibration(tmp_path, name)
    with pytest.raises(CalibrationError, match="expected 1 to 64"):
        calibration(name=name)


def test_damage_is_found(tmp_path: Path) -> None:
    folder = save_calibration(tmp_path, calibration())
    (tensors,) = folder.glob("*.safetensors")
    content = bytearray(tensors.read_bytes())
    content[-3] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(CorruptionError, match="differ from what was written"):
        load_calibration(tmp_path, "default")
    tensors.unlink()
    with pytest.raises(CorruptionError, match="missing; run `lexmax calibrate` again"):
        load_calibration(tmp_path, "default")


def test_changed_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = save_calibration(tmp_path, calibration()) / FILE_NAME
    body = orjson.loads(path.read_bytes())
    for changed, error in (
        (body | {"threshold": 0.9}, CorruptionError),
        (body | {"format_version": 2}, IndexFormatError),
        (body | {"magic": "other"}, CorruptionError),
        ([body], CorruptionError),
    ):
        path.write_bytes(to_json(changed))
        with pytest.raises(error):
            load_calibration(tmp_path, "default")
    path.write_bytes(b"{")
    with pytest.raises(CorruptionError, match="cannot be read"):
        load_calibration(tmp_path, "default")


def test_the_threshold_decides_unless_a_search_does() -> None:
    made = calibration()
    probabilities = made.adapter.probabilities(SCORES, QUERY)
    found, kept = made.filtered(SCORES, QUERY)
    np.testing.assert_array_equal(found, probabilities)
    np.testing.assert_array_equal(kept, probabilities >= np.float32(0.125))
    assert made.filtered(SCORES, QUERY, min_relevance=0.0)[1].all()
    assert not made.filtered(SCORES, QUERY, min_relevance=1.0)[1].any()
    exact = replace(made, threshold=float(probabilities[1]))
    assert exact.filtered(SCORES, QUERY)[1][1]


def test_no_probability_is_no_threshold() -> None:
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(CalibrationError, match="expected a probability"):
            replace(calibration(), threshold=threshold)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pipeline": "p2", "pipeline_name": "hybrid"}, "'sparse', not for 'hybrid'"),
        ({"encoders": {"sparse": "bm25 v2"}}, "sparse encoder was bm25 v1, now bm25 v2"),
        ({"encoders": {}}, "sparse encoder was bm25 v1, now None"),
        ({"index": "i2"}, "indexes are built otherwise"),
        ({"n_docs": 121}, "there were 100 documents, now 121"),
        ({"n_docs": 79}, "there were 100 documents, now 79"),
    ],
)
def test_another_index_version_is_refused(change: dict[str, object], reason: str) -> None:
    now = replace(VERSION, **change)  # type: ignore[arg-type]
    with pytest.raises(CalibrationError, match=reason) as caught:
        VERSION.require(now, name="default")
    assert "run `lexmax calibrate` again" in str(caught.value)


def test_what_does_not_change_scores_does_not_count() -> None:
    VERSION.require(replace(VERSION, n_docs=120, pipeline_name="renamed"), name="default")
    snapshot = Snapshot(1, ())
    scoring = {"name": "a", "retrieve": [{"signal": "sparse"}]}
    one = IndexVersion.of(scoring, snapshot, {"codec": "int8"})
    same = scoring | {"name": "b", "relevance": {"min_relevance": 0.5}, "filter": {"x": 1}}
    assert one.changes(IndexVersion.of(same, snapshot, {"codec": "int8"})) == []
    deeper = scoring | {"retrieve": [{"signal": "sparse", "depth": 5}]}
    assert len(one.changes(IndexVersion.of(deeper, snapshot, {"codec": "int8"}))) == 1
    assert len(one.changes(IndexVersion.of(scoring, snapshot, {"codec": "fp16"}))) == 1
