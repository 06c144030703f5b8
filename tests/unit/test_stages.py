"""What people write as a pipeline, and what they are told."""

import json
from pathlib import Path

import pytest

from lexmax.errors import PipelineError
from lexmax.stages import (
    PRESETS,
    MaxSim,
    MultiVectorRetrieve,
    Pipeline,
    PooledRetrieve,
    ReciprocalRank,
    SparseRetrieve,
    WeightedSum,
    from_mapping,
    given_pipeline,
    named,
    read_pipeline,
)

WHOLE = """
name: everything
filter: {must: [{field: year, range: {gte: 2020}}]}
retrieve:
  - {signal: sparse, depth: 200, engine: "query-mass?share=0.9"}
  - {signal: multivector, depth: 100, engine: "centroids?candidates=300"}
  - {signal: pooled}
fuse: {method: reciprocal-rank, weights: [1, 2, 0.5]}
feedback: {method: rocchio, k: 4, signals: [multivector, pooled], placement: both}
graph: {method: pagerank, restart: 0.25}
rerank:
  - {by: maxsim, depth: 240}
  - {by: pairs, scorer: "cross-encoder:/models/ce", depth: 20}
relevance: {calibration: mine, min_relevance: 0.5}
diversify: {method: coverage, depth: 40}
"""


def test_a_file_says_a_whole_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(WHOLE)
    pipeline = given_pipeline(str(path))
    assert pipeline.name == "everything"
    assert [stage.signal for stage in pipeline.retrieve] == ["sparse", "multivector", "pooled"]
    assert pipeline.signals == {"sparse", "multivector", "pooled"}
    assert pipeline.deepest == 240
    assert named(pipeline.model_dump(mode="json")) == pipeline


def test_json_is_yaml_and_the_file_gives_a_name(tmp_path: Path) -> None:
    path = tmp_path / "quick.json"
    path.write_text(json.dumps({"retrieve": [{"signal": "sparse"}]}))
    assert read_pipeline(path) == Pipeline(name="quick", retrieve=(SparseRetrieve(),))


def test_a_preset_can_be_changed() -> None:
    pipeline = named({"preset": "hybrid", "fuse": {"method": "reciprocal-rank"}})
    assert pipeline.retrieve == PRESETS["hybrid"].retrieve
    assert pipeline.fuse == ReciprocalRank()
    assert pipeline.name == "hybrid*"


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_what_their_json_says(name: str) -> None:
    assert from_mapping(PRESETS[name].model_dump(mode="json")) == PRESETS[name]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "retrieve: Field required"),
        ({"retrieve": []}, "retrieve: .*at least 1"),
        ({"retrieve": [{"signal": "smell"}]}, "retrieve.0: .*'sparse', 'multivector', 'pooled'"),
        ({"retrieve": [{"signal": "pooled", "engine": "auto"}]}, "engine: unknown key"),
        ({"retrieve": [{"signal": "sparse", "engine": "quick"}]}, "no sparse engine 'quick'"),
        ({"retrieve": [{"signal": "sparse", "depth": 0}]}, r"depth: .*greater.*\(found 0\)"),
        ({"retrieve": [{"signal": "sparse"}], "reank": []}, "reank: unknown key"),
        (
            {"preset": "hybrid", "fuse": {"method": "weighted-sum", "weights": [1]}},
            "1 weights; .*2",
        ),
        ({"preset": "hybird"}, "preset is 'hybird'; expected one of sparse, bm25"),
        (
            {"preset": "sparse", "feedback": {"method": "colbert-prf"}},
            "feedback is for multivector, which no retrieve stage searches; expected sparse",
        ),
        ({"preset": "sparse", "rerank": [{"by": "maxsim", "carve": float("nan")}]}, "carve"),
        (
            {"preset": "sparse", "rerank": [{"by": "maxsim", "carve": 0}]},
            r"carve: .*greater than 0",
        ),
        ({"preset": "hybrid", "fuse": {"method": "weighted-sum", "weights": [1, -1]}}, "weights.1"),
        (["sparse"], "found a list; expected a mapping"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(value: object, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        from_mapping(value)  # type: ignore[arg-type]


def test_one_mistake_is_one_problem() -> None:
    with pytest.raises(PipelineError) as caught:
        from_mapping({"retrieve": [{"signal": "sparse", "enginee": "exact"}]})
    assert "enginee: unknown key" in str(caught.value)
    assert "at least 1 item" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"retrieve: [", "cannot be read as YAML or JSON"),
        (b"\xff\xfe\x00", "cannot be read as YAML or JSON"),
        (b"", "found a NoneType; expected a mapping"),
        (b"x: " + b"a" * (1 << 20), "more than a MiB"),
        (b"[" * 5000, "cannot be read as YAML or JSON"),
        (b"!!python/object/apply:os.system ['true']", "cannot be read as YAML or JSON"),
    ],
)
def test_files_that_are_no_pipeline(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    with pytest.raises(PipelineError, match=message):
        read_pipeline(path)
    with pytest.raises(PipelineError, match="cannot be read"):
        read_pipeline(tmp_path / "absent.yaml")


def test_pipelines_never_change() -> None:
    pipeline = Pipeline(retrieve=(MultiVectorRetrieve(),), fuse=WeightedSum())
    with pytest.raises(ValueError, match="frozen"):
        pipeline.name = "other"  # type: ignore[misc]


def test_what_is_worked_out_of_a_pipeline_is_not_copied() -> None:
    pipeline = Pipeline(retrieve=(SparseRetrieve(),))
    assert (pipeline.signals, pipeline.deepest) == ({"sparse"}, 0)
    changed = pipeline.model_copy(
        update={"retrieve": (PooledRetrieve(),), "rerank": (MaxSim(depth=7),)}
    )
    assert (changed.signals, changed.deepest) == ({"pooled", "multivector"}, 7)
    assert (pipeline.signals, pipeline.deepest) == ({"sparse"}, 0)
    assert pipeline == Pipeline(retrieve=(SparseRetrieve(),))
    assert pipeline.model_dump() == Pipeline(retrieve=(SparseRetrieve(),)).model_dump()
