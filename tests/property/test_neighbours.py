"""The graph of neighbours against all cosines of what is stored."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from lexmax.index.directions import projected
from lexmax.index.neighbour_build import build_neighbours
from lexmax.index.neighbours import Neighbours
from lexmax.index.pooled import PooledIndex
from lexmax.types import SparseBatch

# Of few values, so that many cosines are equal.
VECTORS = st.integers(1, 40).flatmap(
    lambda n: arrays(np.float32, (n, 3), elements=st.sampled_from([-1, 0, 0, 1]))
)


def directions_of(vectors: NDArray[np.float32]) -> PooledIndex:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return PooledIndex.from_vectors((vectors / np.maximum(lengths, 1e-9)).astype(np.float32))


def oracle(directions: PooledIndex, k: int) -> list[list[tuple[int, float]]]:
    """All cosines above 0, nearest first, ties by ordinal."""
    rows: list[list[tuple[int, float]]] = []
    vectors = directions.vectors(np.arange(directions.n_docs))
    for i, vector in enumerate(vectors):
        scores = directions.score(vector, np.arange(directions.n_docs))
        if not vector.any():
            rows.append([])
            continue
        order = sorted(range(len(vectors)), key=lambda j: (-scores[j], j))
        kept = [j for j in order if j != i and scores[j] > 0]
        rows.append([(j, min(float(scores[j]), 1.0)) for j in kept[:k]])
    return rows


def rows_of(found: Neighbours) -> list[list[tuple[int, float]]]:
    edges = found.edges(np.arange(found.n_docs))
    pairs = list(zip(edges.ordinals.tolist(), edges.similarities.tolist(), strict=True))
    return [pairs[a:b] for a, b in zip(edges.starts[:-1], edges.starts[1:], strict=True)]


@settings(deadline=None)
@given(VECTORS, st.integers(1, 12))
def test_neighbours_are_those_of_the_greatest_cosines(vectors: NDArray[np.float32], k: int) -> None:
    directions = directions_of(vectors)
    found = build_neighbours(directions, k, signal="pooled")
    assert rows_of(found) == oracle(directions, k)


@settings(deadline=None)
@given(VECTORS, st.integers(1, 12))
def test_a_graph_comes_back_from_its_files(vectors: NDArray[np.float32], k: int) -> None:
    found = build_neighbours(directions_of(vectors), k, signal="sparse")
    with TemporaryDirectory() as folder:
        found.save(Path(folder))
        again = Neighbours.open(Path(folder), found.parameters())
        assert rows_of(again) == rows_of(found)
        assert (again.k, again.signal) == (k, "sparse")


@settings(deadline=None)
@given(VECTORS, st.integers(1, 12), st.data())
def test_edges_of_some_documents_are_those_that_they_have_among_all(
    vectors: NDArray[np.float32], k: int, data: st.DataObject
) -> None:
    found = build_neighbours(directions_of(vectors), k, signal="pooled")
    documents = data.draw(st.lists(st.integers(0, len(vectors) - 1), max_size=9))
    edges = found.edges(np.array(documents, dtype=np.int64))
    everything = rows_of(found)
    assert len(edges.starts) == len(documents) + 1
    for i, document in enumerate(documents):
        mine = slice(edges.starts[i], edges.starts[i + 1])
        row = zip(edges.ordinals[mine].tolist(), edges.similarities[mine].tolist(), strict=True)
        assert list(row) == everything[document]
    kept = edges.ordinals % 2 == 0
    fewer = edges.only(kept)
    assert len(fewer.ordinals) == fewer.starts[-1] == kept.sum()
    for i in range(len(documents)):
        before = edges.ordinals[edges.starts[i] : edges.starts[i + 1]]
        after = fewer.ordinals[fewer.starts[i] : fewer.starts[i + 1]]
        assert after.tolist() == before[before % 2 == 0].tolist()


ROWS = st.lists(
    st.dictionaries(st.integers(0, 2**32 - 1), st.integers(1, 8).map(float), max_size=4),
    max_size=5,
)


@given(ROWS, ROWS)
def test_projection_adds_up_term_by_term(
    some: list[dict[int, float]], others: list[dict[int, float]]
) -> None:
    for a, b in zip(some, others, strict=False):
        both = {term: a.get(term, 0) + b.get(term, 0) for term in {*a, *b}}
        rows = projected(SparseBatch.from_rows([a, b, both]))
        np.testing.assert_array_equal(rows[0] + rows[1], rows[2])
        alone = projected(SparseBatch.from_rows([both]))
        np.testing.assert_array_equal(alone[0], rows[2])
