from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, QueryError, ShapeError
from lexmax.index.npy import write_npy
from lexmax.index.pooled import CODES, SCALES, PooledCodec, PooledIndex, PooledPlan, PooledWriter

VECTORS = np.array([[1, 0], [0, 0], [0, 2], [1, 0], [-3, 0]], np.float32)
CODECS: tuple[PooledCodec, ...] = ("int8", "fp16")


@pytest.fixture(params=CODECS)
def index(request: pytest.FixtureRequest) -> PooledIndex:
    return PooledIndex.from_vectors(VECTORS, codec=request.param)


def rows(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 2)


def test_products_rank_and_ties_go_to_the_smaller_ordinal(index: PooledIndex) -> None:
    hits = index.search(rows([3, 1], [0, -1]), 4)
    assert hits.ordinals.tolist() == [[0, 3, 2, 4], [0, 3, 4, 2]]
    assert hits.scores == pytest.approx(rows([3, 3, 2, -9], [0, 0, 0, -2]).reshape(2, 4))


def test_a_document_without_a_vector_is_no_hit(index: PooledIndex) -> None:
    hits = index.search(rows([1, 1]), 10)
    assert hits.ordinals.tolist() == [[2, 0, 3, 4, -1]]
    assert hits.scores[0, -1] == -np.inf
    assert index.score(rows([1, 1])[0], np.array([1, 2])).tolist() == [-np.inf, 2]
    assert index.vectors(np.array([1])).tolist() == [[0, 0]]


def test_a_zero_query_has_no_hits_and_scores_nothing(index: PooledIndex) -> None:
    hits = index.search(rows([0, 0], [1, 0]), 2)
    assert hits.ordinals.tolist() == [[-1, -1], [0, 3]]
    assert index.score(rows([0, 0])[0], np.array([0, 1])).tolist() == [0, -np.inf]


def test_only_living_documents_are_found(index: PooledIndex) -> None:
    alive = np.array([False, True, True, False, True])
    assert index.search(rows([1, 0]), 5, alive=alive).ordinals.tolist() == [[2, 4, -1, -1, -1]]
    nobody = np.zeros(5, np.bool_)
    assert index.search(rows([1, 0]), 2, alive=nobody).ordinals.tolist() == [[-1, -1]]


def test_empty_cases_are_defined(index: PooledIndex) -> None:
    assert index.search(rows(), 3).ordinals.shape == (0, 3)
    nothing = PooledIndex.from_vectors(np.zeros((0, 2), np.float32), codec=index.codec)
    assert nothing.search(rows([1, 0]), 3).ordinals.shape == (1, 0)
    assert index.score(rows([1, 0])[0], np.zeros(0, np.int64)).shape == (0,)
    assert index.vectors(np.zeros(0, np.int64)).shape == (0, 2)


def test_subnormal_and_huge_numbers_are_scored() -> None:
    tiny = PooledIndex.from_vectors(rows([1e-41, 0], [3e38, 0]))
    hits = tiny.search(rows([1e-41, 0], [3e38, 0]), 2)
    assert hits.ordinals.tolist() == [[1, 0], [1, 0]]
    assert hits.scores[1, 0] == np.inf


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (np.ones((1, 3), np.float32), "documents have dim 2"),
        (np.ones(2, np.float32), "documents have dim 2"),
        (np.array([[np.nan, 1]], np.float32), "NaN or infinity"),
        (np.array([[np.inf, 1]], np.float32), "NaN or infinity"),
    ],
)
def test_queries_that_do_not_fit_are_refused(
    index: PooledIndex, queries: Any, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        index.search(queries, 1)


def test_other_arguments_that_do_not_fit_are_refused(index: PooledIndex) -> None:
    with pytest.raises(QueryError, match="k is 0"):
        index.search(rows([1, 0]), 0)
    with pytest.raises(ShapeError, match=r"expected bool \(5,\)"):
        index.search(rows([1, 0]), 1, alive=np.ones(4, np.bool_))
    for ordinals in ([-1], [5]):
        with pytest.raises(ShapeError, match="expected 0 to 4"):
            index.score(rows([1, 0])[0], np.array(ordinals))


def test_vectors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="dim 1 or more"):
        PooledIndex.from_vectors(np.zeros((3, 0), np.float32))
    with pytest.raises(ShapeError, match="NaN or infinity"):
        PooledIndex.from_vectors(rows([np.nan, 0]))
    with pytest.raises(ShapeError, match="greatest half"):
        PooledIndex.from_vectors(rows([1e6, 0]), codec="fp16")
    with pytest.raises(ShapeError, match="float64"):
        PooledIndex.from_vectors(np.ones((1, 2)))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="without scales"):
        PooledIndex(np.ones((1, 2), np.int8), None)
    with pytest.raises(ShapeError, match="found 2 scales; expected 1"):
        PooledIndex(np.ones((1, 2), np.int8), np.ones(2, np.float32))
    writer = PooledWriter(tmp_path, PooledPlan(3))
    with pytest.raises(ShapeError, match="expected int8 of dim 3"):
        writer.append_stored(PooledIndex.from_vectors(VECTORS))
    with pytest.raises(ShapeError, match="expected int8"):
        writer.append(VECTORS)


def written(folder: Path, codec: PooledCodec = "int8") -> PooledWriter:
    writer = PooledWriter(folder, PooledPlan(2, codec))
    writer.append(VECTORS)
    writer.close()
    return writer


def test_files_that_are_not_what_the_manifest_says_are_refused(tmp_path: Path) -> None:
    parameters = written(tmp_path).parameters()
    assert parameters == {"codec": "int8", "dim": 2, "n_docs": 5}
    with pytest.raises(CorruptionError, match="expected"):
        PooledIndex.open(tmp_path, parameters | {"n_docs": 6})
    write_npy(tmp_path / SCALES, np.ones(4, np.float32))
    with pytest.raises(CorruptionError, match="found 4 scales"):
        PooledIndex.open(tmp_path, parameters)
    (tmp_path / CODES).unlink()
    with pytest.raises(CorruptionError, match="missing"):
        PooledIndex.open(tmp_path, parameters)


@pytest.mark.parametrize("damage", [np.nan, np.inf, -1.0])
def test_damaged_scales_are_refused_where_they_are_read(tmp_path: Path, damage: float) -> None:
    parameters = written(tmp_path).parameters()
    scales = np.array([1, 1, damage, 1, 1], np.float32)
    write_npy(tmp_path / SCALES, scales)
    index = PooledIndex.open(tmp_path, parameters)
    with pytest.raises(CorruptionError, match="lexmax rebuild"):
        index.search(rows([1, 0]), 1)
    with pytest.raises(CorruptionError, match="lexmax rebuild"):
        index.score(rows([1, 0])[0], np.array([2]))
    assert index.score(rows([1, 0])[0], np.array([0])).tolist() == [127]


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_damaged_halves_are_refused_where_they_are_read(tmp_path: Path, damage: float) -> None:
    parameters = written(tmp_path, "fp16").parameters()
    halves = VECTORS.astype(np.float16)
    halves[2, 1] = damage
    write_npy(tmp_path / CODES, halves)
    index = PooledIndex.open(tmp_path, parameters)
    with pytest.raises(CorruptionError, match="lexmax rebuild"):
        index.search(rows([1, 0]), 1)
    with pytest.raises(CorruptionError, match="lexmax rebuild"):
        index.vectors(np.array([2]))
