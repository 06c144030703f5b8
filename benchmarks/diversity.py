"""How long does it take to choose diverse documents, and to walk the graph of neighbours?

python benchmarks/diversity.py [--candidates 200] [--k 10] [--dim 384] [--graph-docs 20000]

Prints JSON: milliseconds (median of 200, one thread) to choose k of the candidates by MMR and by
coverage, with the similarities that both need; then, over clustered random vectors, seconds to
build the graph of 16 neighbours, the share of neighbours that cells find where not all documents
are compared, and milliseconds of hops and of PageRank from 50 documents.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping

import numpy as np
from machine import describe
from numpy.typing import NDArray

from lexmax.diversity.coverage import coverage
from lexmax.diversity.graph import hops, personalised_pagerank
from lexmax.diversity.mmr import mmr
from lexmax.diversity.similarities import of_terms, of_tokens, of_vectors
from lexmax.index.neighbour_build import build_neighbours
from lexmax.index.neighbours import Neighbours
from lexmax.index.pooled import PooledIndex
from lexmax.types import SparseBatch, TokenBatch

_TOKENS, _TERMS, _VOCABULARY = 80, 100, 30_000
_CLUSTERS, _SPREAD = 20, 0.7
_NEIGHBOURS, _BEGIN = 16, 50


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--graph-docs", type=int, default=20_000)
    given = parser.parse_args()
    report = {
        "machine": describe(),
        "settings": vars(given),
        "choice_ms": _choices(given.candidates, given.k, given.dim),
        "graph": _graph(given.graph_docs, given.dim),
    }
    print(json.dumps(report, indent=2))


def _choices(n: int, k: int, dim: int) -> Mapping[str, float]:
    vectors = _clustered(n, dim, _CLUSTERS)
    relevance = np.sort(np.random.default_rng(1).random(n))[::-1]
    similarities = of_vectors(vectors)
    tokens, terms = _tokens(vectors), _terms(n)
    return {
        "similarities of pooled vectors": _ms(lambda: of_vectors(vectors)),
        f"similarities of {_TOKENS} tokens": _ms(lambda: of_tokens(tokens)),
        f"similarities of {_TERMS} terms": _ms(lambda: of_terms(terms)),
        "mmr": _ms(lambda: mmr(similarities, relevance, k)),
        "coverage": _ms(lambda: coverage(similarities, relevance, k)),
        "coverage and diversity": _ms(lambda: coverage(similarities, relevance, k, diversity=0.5)),
        "coverage, similarities included": _ms(lambda: coverage(of_vectors(vectors), relevance, k)),
    }


def _graph(n: int, dim: int) -> Mapping[str, object]:
    vectors = _clustered(n, dim, max(n // 50, 1))
    directions = PooledIndex.from_vectors(vectors)
    began = time.perf_counter()
    exact = build_neighbours(directions, _NEIGHBOURS, signal="pooled")
    build_s = time.perf_counter() - began
    began = time.perf_counter()
    cells = build_neighbours(directions, _NEIGHBOURS, signal="pooled", exhaustive_docs=0)
    cells_s = time.perf_counter() - began
    found = np.arange(0, n, max(n // _BEGIN, 1))[:_BEGIN], np.linspace(1, 0, _BEGIN, dtype="f4")
    found = found[0], found[1][: len(found[0])]
    return {
        "build_s": build_s,
        "build_by_cells_s": cells_s,
        "found_by_cells": _shared(exact, cells),
        "bytes_a_document": (8 * len(exact.ordinals) + 8 * n) / n,
        "hops_1_ms": _ms(lambda: hops(found, exact.edges)),
        "hops_2_ms": _ms(lambda: hops(found, exact.edges, hops=2)),
        "pagerank_1_hop_ms": _ms(lambda: personalised_pagerank(found, exact.edges, hops=1)),
        "pagerank_2_hops_ms": _ms(lambda: personalised_pagerank(found, exact.edges)),
    }


def _clustered(n: int, dim: int, clusters: int) -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    centres = random.standard_normal((clusters, dim), np.float32)
    vectors = centres[random.integers(0, clusters, n)]
    vectors += _SPREAD * random.standard_normal((n, dim), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _tokens(vectors: NDArray[np.float32]) -> TokenBatch:
    random = np.random.default_rng(2)
    noise = random.standard_normal((len(vectors), _TOKENS, vectors.shape[1]), np.float32)
    rows = vectors[:, None] + 0.1 * noise
    return TokenBatch.from_rows(list(rows), vectors.shape[1])


def _terms(n: int) -> SparseBatch:
    random = np.random.default_rng(3)
    # By Zipf's law, so that common terms make documents similar.
    drawn = np.minimum(random.zipf(1.3, (n, _TERMS)), _VOCABULARY)
    return SparseBatch.from_rows(
        [{int(term): float(random.random()) + 0.1 for term in row} for row in drawn]
    )


def _shared(exact: Neighbours, found: Neighbours) -> float:
    """The share of the edges of one that the other has."""

    def numbers(graph: Neighbours) -> NDArray[np.int64]:
        sources = np.repeat(np.arange(graph.n_docs), np.diff(graph.starts))
        return sources * graph.n_docs + graph.ordinals

    return float(np.isin(numbers(exact), numbers(found)).mean())


def _ms(run: Callable[[], object], times: int = 200) -> float:
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken) * 1e3)


if __name__ == "__main__":
    main()
