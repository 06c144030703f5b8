"""Matrices: what they stand for, and what is said of those that make no sense."""

from pathlib import Path

import pytest

from lexmax.encoders import Encoders
from lexmax.errors import EvaluationError, InputError
from lexmax.eval.experiments.grid import System, systems_of
from lexmax.eval.experiments.index_plan import IndexIdentity, index_plan, told
from lexmax.eval.experiments.matrix_reading import read_matrix, read_matrix_text

SMALL = """\
collections: [tiny]
indexes:
  words: {sparse: bm25}
  both: {like: words, multivector: minilm}
systems:
  bm25: {index: words, pipeline: bm25}
"""


def systems(text: str, folder: Path = Path()) -> list[System]:
    matrix, located = read_matrix_text(text, "m.yaml")
    return systems_of(matrix, located, folder=folder)


def test_a_grid_is_a_system_for_each_combination() -> None:
    found = systems(
        SMALL
        + "  fde:\n"
        + '    index: {like: both, fde_dim: "{dim}"}\n'
        + '    pipeline: "multivector:fde?candidates={n}"\n'
        + "    grid: {dim: [64, 256], n: [10, 20]}\n"
    )
    assert [system.name for system in found] == [
        "bm25",
        "fde dim=64 n=10",
        "fde dim=64 n=20",
        "fde dim=256 n=10",
        "fde dim=256 n=20",
    ]
    assert found[1].index.plan.fde_dim == 64
    assert found[1].index.sparse == "bm25"
    assert found[1].pipeline.retrieve[0].engine == "fde?candidates=10"  # type: ignore[union-attr]
    assert found[4].parameters == {"dim": 256, "n": 20}
    # Two sizes, whatever the candidates: as few indexes as there must be.
    assert len({system.index for system in found}) == 3


def test_values_in_stages_keep_their_type() -> None:
    text = SMALL + (
        "  two: {index: both, grid: {depth: [5]}, pipeline: {preset: hybrid, rerank: "
        '[{by: maxsim, depth: "{depth}"}]}}\n'
    )
    rerank = systems(text)[1].pipeline.rerank[0]
    assert rerank.depth == 5


def test_null_leaves_an_index_of_another_out() -> None:
    text = SMALL + "  only: {index: {like: both, sparse: null}, pipeline: multivector}\n"
    assert systems(text)[1].index.sparse is None


def test_a_pipeline_may_be_a_file_beside_the_matrix(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("retrieve: [{signal: sparse, depth: 7}]\n")
    text = SMALL + "  mine: {index: words, pipeline: mine.yaml}\n"
    assert systems(text, tmp_path)[1].pipeline.retrieve[0].depth == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("measure: [AP]\n" + SMALL, "m.yaml:1: measure: unknown key; did you mean measures?"),
        (SMALL.replace("pipeline: bm25", "pipelin: bm25"), "m.yaml:6: systems.bm25.pipelin"),
        (SMALL.replace("sparse: bm25", "sparce: bm25"), "did you mean sparse?"),
        (SMALL.replace("sparse: bm25", "sparse: 7"), "m.yaml:3: indexes.words.sparse is 7"),
        (SMALL.replace("[tiny]", "[]"), "m.yaml:1: collections is []; expected at least one entry"),
        (SMALL.replace("index: words", "index: wrds"), "there is no index 'wrds'; expected one of"),
        (SMALL.replace("pipeline: bm25", "pipeline: bn25"), "found no pipeline 'bn25'"),
        (SMALL + "k: 0\n", "m.yaml:7: k is 0; expected"),
        (SMALL + "collections: [other]\n", "collections stands twice"),
        ("[1, 2]", "expected keys and values"),
        ("a: [", "is not YAML"),
        (SMALL.replace("sparse: bm25", "like: both"), "is like itself (words > both > words)"),
        (
            SMALL + '  g: {index: words, pipeline: "bm25:query-mass?share={s}"}\n',
            "m.yaml:7: systems.g: s has no values in the grid",
        ),
        (
            SMALL + "  g: {index: words, pipeline: bm25, grid: {s: [1]}}\n",
            "s stands nowhere in braces",
        ),
        (SMALL + "  g: {index: words, pipeline: bm25, grid: {s: [1, 1]}}\n", "each once"),
        (
            SMALL + "  g: {index: words, pipeline: bm25, calibrate: {folds: 2}}\n",
            "calibrate is given, but the pipeline is a name",
        ),
        (
            SMALL.replace("sparse: bm25", "sparse: bm25, fde_dim: 64"),
            "has fde_dim, but no multivector encoder",
        ),
        (SMALL.replace("bm25: {index", "a/b: {index"), "expected a name of 1 to 64 characters"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        systems(text)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_matrix(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["local", "candidates", "small"])
def test_the_matrices_that_come_along_can_be_read(name: str) -> None:
    folder = Path(__file__).parents[2] / "eval" / "matrices"
    matrix, located = read_matrix(folder / f"{name}.yaml")
    assert len(systems_of(matrix, located, folder=folder)) >= 3


def test_an_index_with_another_codec_of_pooled_vectors_is_another_one(
    cheap_encoders: Encoders,
) -> None:
    plain = index_plan({"pooled": "minilm-pooled"})
    halves = index_plan({"pooled": "minilm-pooled", "pooled_codec": "fp16"})
    one, other = (IndexIdentity.of(plan, cheap_encoders) for plan in (plain, halves))
    assert one.digest != other.digest
    assert not one.can_lend_to(other)
    assert halves.pooled_codec == told(halves)["pooled_codec"] == "fp16"
    # What caches of older releases hold is found under its old name.
    assert "pooled_codec" not in one.as_json()
    assert [IndexIdentity.from_json(each.as_json()) for each in (one, other)] == [one, other]
    with pytest.raises(InputError, match="found codec 'int4' of pooled vectors"):
        index_plan({"pooled": "minilm-pooled", "pooled_codec": "int4"})
