from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.directions import of_pooled, of_terms, of_tokens, projected
from lexmax.index.neighbour_build import build_neighbours
from lexmax.index.neighbours import ORDINALS, SIMILARITIES, STARTS, Edges, Neighbours
from lexmax.index.npy import write_npy
from lexmax.index.pooled import PooledIndex
from lexmax.index.sparse import SparseIndex
from lexmax.index.tokens import TokenStore
from lexmax.types import SparseBatch, TokenBatch

VECTORS = np.array([[1, 0], [3, 4], [0, 0], [0, 2], [-1, 0]], np.float32)
GRAPH = Neighbours(
    np.array([0, 2, 2, 3]),
    np.array([1, 2, 0], np.uint32),
    np.array([0.5, 0.25, 0.25], np.float32),
    2,
    "pooled",
)


def test_neighbours_by_cosine_however_long_vectors_are(tmp_path: Path) -> None:
    directions = of_pooled(PooledIndex.from_vectors(VECTORS, codec="fp16"), tmp_path / "d")
    found = build_neighbours(directions, 1, signal="pooled")
    edges = found.edges(np.arange(5))
    # 0 and 3 are nearest to 1, which is nearest to 3; 4 is opposite, and 2 has no direction.
    assert edges.starts.tolist() == [0, 1, 2, 2, 3, 3]
    assert edges.ordinals.tolist() == [1, 3, 1]
    np.testing.assert_allclose(edges.similarities, [0.6, 0.8, 0.8], atol=0.01)


def test_directions_of_tokens_are_those_of_their_means(tmp_path: Path) -> None:
    rows = [[[1, 0], [0, 1]], [], [[0, 4]]]
    arrays = [np.array(row, np.float32).reshape(-1, 2) for row in rows]
    store = TokenStore.from_batch(TokenBatch.from_rows(arrays, 2))
    found = of_tokens(store, tmp_path / "d").vectors(np.arange(3))
    cosine = np.sqrt(0.5)
    np.testing.assert_allclose(found, [[cosine, cosine], [0, 0], [0, 1]], atol=0.01)


def test_directions_of_terms_keep_cosines(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        {int(term): float(random.random() + 0.1) for term in random.integers(0, 400, 60)}
        for _ in range(30)
    ]
    batch = SparseBatch.from_rows([*rows, {}])
    index = SparseIndex.build(batch)
    found = of_terms(index, tmp_path / "d").vectors(np.arange(31))
    dense = np.zeros((31, 400))
    for i, row in enumerate(rows):
        dense[i, list(row)] = list(row.values())
        dense[i] /= np.linalg.norm(dense[i])
    assert not found[30].any()
    errors = found @ found.T - dense @ dense.T
    assert np.abs(errors).max() < 0.15
    assert np.sqrt((errors**2).mean()) < 0.04


def test_a_term_is_the_same_number_in_every_segment() -> None:
    # What is on disk depends on it.
    row = projected(SparseBatch.from_rows([{7: 1.0, 4_294_967_295: 2.0}]))[0]
    assert {int(i): float(row[i]) for i in np.flatnonzero(row)} == {271: -1, 898: 2}


def test_past_a_size_neighbours_are_sought_in_near_cells() -> None:
    random = np.random.default_rng(1)
    centres = random.standard_normal((60, 16))
    vectors = centres[random.integers(0, 60, 6000)] + 0.5 * random.standard_normal((6000, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = PooledIndex.from_vectors(vectors.astype(np.float32))
    exact = build_neighbours(directions, 8, signal="pooled")
    found = build_neighbours(
        directions, 8, signal="pooled", exhaustive_docs=100, cell_docs=100, probes=12
    )
    everything = np.arange(6000)
    ours, theirs = found.edges(everything), exact.edges(everything)
    shared = [
        len(
            set(ours.ordinals[ours.starts[i] : ours.starts[i + 1]].tolist())
            & set(theirs.ordinals[theirs.starts[i] : theirs.starts[i + 1]].tolist())
        )
        for i in range(6000)
    ]
    assert 0.9 < np.mean(shared) / 8 < 1
    row = slice(ours.starts[5], ours.starts[6])
    assert np.all(np.diff(ours.similarities[row]) <= 0)


def test_threads_change_nothing() -> None:
    random = np.random.default_rng(2)
    directions = PooledIndex.from_vectors(random.standard_normal((300, 8)).astype(np.float32))
    one, two = (build_neighbours(directions, 5, signal="pooled", threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.ordinals, two.ordinals)
    np.testing.assert_array_equal(one.similarities, two.similarities)


def test_no_edges_of_no_documents() -> None:
    edges = GRAPH.edges(np.zeros(0, np.int64))
    assert edges.starts.tolist() == [0]
    assert Edges.none(2).starts.tolist() == [0, 0, 0]


@pytest.mark.parametrize("document", [-1, 3])
def test_a_document_that_is_not_there_is_refused(document: int) -> None:
    with pytest.raises(ShapeError, match="ordinals exceed 0 to 2"):
        GRAPH.edges(np.array([0, document]))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        (STARTS, np.array([0, 2, 1, 3])),
        (STARTS, np.array([0, 0, 0, 3])),
        (STARTS, np.array([1, 2, 2, 3])),
        (STARTS, np.zeros(0, np.int64)),
        (STARTS, np.array([0, 2, 3])),
        (ORDINALS, np.zeros(2, np.uint32)),
        (ORDINALS, np.zeros(3, np.int64)),
        (SIMILARITIES, np.zeros(2, np.float32)),
    ],
)
def test_files_that_do_not_fit_are_damaged(tmp_path: Path, name: str, array: object) -> None:
    GRAPH.save(tmp_path)
    write_npy(tmp_path / name, np.asarray(array))
    with pytest.raises(CorruptionError):
        Neighbours.open(tmp_path, GRAPH.parameters())


def test_files_and_parameters_have_to_agree(tmp_path: Path) -> None:
    GRAPH.save(tmp_path)
    for wrong in ({"k": 1}, {"k": "2"}, {"signal": 5}, {"n_docs": 2}, {"n_edges": 4}):
        with pytest.raises(CorruptionError, match=str(tmp_path)):
            Neighbours.open(tmp_path, {**GRAPH.parameters(), **wrong})
    (tmp_path / ORDINALS).unlink()
    with pytest.raises(CorruptionError, match="missing"):
        Neighbours.open(tmp_path, GRAPH.parameters())


def test_an_edge_to_nowhere_is_damage() -> None:
    nowhere = Neighbours(GRAPH.starts, GRAPH.ordinals + 2, GRAPH.similarities, 2, "pooled")
    with pytest.raises(CorruptionError, match="edge to document 4 of 3"):
        nowhere.edges(np.arange(3))


@pytest.mark.parametrize("cosine", [0, -0.5, 1.5, np.nan, np.inf])
def test_an_edge_without_a_cosine_is_damage(cosine: float) -> None:
    similarities = np.array([0.5, 0.25, cosine], np.float32)
    damaged = Neighbours(GRAPH.starts, GRAPH.ordinals, similarities, 2, "pooled")
    with pytest.raises(CorruptionError, match="above 0 and at most 1"):
        damaged.edges(np.arange(3))
    assert damaged.edges(np.arange(2)).ordinals.tolist() == [1, 2]
