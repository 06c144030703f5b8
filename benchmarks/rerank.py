"""How long does MaxSim take to rerank candidates from the compressed store, on one thread?

python benchmarks/rerank.py [--docs N] [--candidates 100] [--tokens 180] [--json FILE]

CPU milliseconds of one call of `TokenStore.maxsim`. Candidates are others in every turn, drawn from
all documents, as a first stage gives them; with enough documents none of them is in a cache.
Vectors and centroids are random, since what they hold changes no time; how many centroids there are
does, because residual codes need the query's products with all of them.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}

import numpy as np
from columns import lines
from machine import describe
from numpy.typing import NDArray
from processes import busy

from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

WANTED_MS = 2.0
_CENTROIDS = (1_024, 8_192, 65_536)
_RESIDUALS = ("residual4", "residual2")
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Shape:
    """What is reranked.

    Attributes:
        docs: Documents of the store.
        candidates: Documents that are scored in a call.
        tokens: Of each document.
        query_tokens: Of the query.
        dim: Coordinates of a vector.
        turns: Calls that are measured.
    """

    docs: int
    candidates: int
    tokens: int
    query_tokens: int
    dim: int
    turns: int


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds of one call."""

    codec: str
    centroids: int
    p50_ms: float
    p99_ms: float


def store_of(shape: Shape, folder: Path) -> TokenStore:
    """Random unit vectors as int8."""
    random = np.random.default_rng(0)
    parts = []
    for _ in range(0, shape.docs, _BLOCK):
        vectors = random.standard_normal((_BLOCK * shape.tokens, shape.dim), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        offsets = np.arange(_BLOCK + 1, dtype=np.int64) * shape.tokens
        parts.append(TokenStore.from_batch(TokenBatch(offsets, vectors)))
    codes = np.concatenate([part.codes for part in parts])
    scales = np.concatenate([part.scales for part in parts if part.scales is not None])
    offsets = np.arange(len(codes) // shape.tokens + 1, dtype=np.int64) * shape.tokens
    TokenStore(codes, scales, offsets).save(folder)
    return TokenStore.open(folder)


def recoded(store: TokenStore, codec: str, n_centroids: int, folder: Path) -> TokenStore:
    """The same vectors as residuals of random centroids."""
    random = np.random.default_rng(1)
    centroids = random.standard_normal((n_centroids, store.dim), dtype=np.float32)
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    assigned = random.integers(0, n_centroids, store.n_tokens).astype(np.uint16)
    return TokenStore.recoded(folder, store, codec=codec, centroids=centroids, assigned=assigned)


def cost(store: TokenStore, shape: Shape, n_centroids: int) -> Cost:
    """Of candidates that are others in every turn."""
    random = np.random.default_rng(2)
    query = random.standard_normal((shape.query_tokens, shape.dim), dtype=np.float32)
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    drawn: list[NDArray[np.int64]] = [
        random.choice(store.n_docs, shape.candidates, replace=False) for _ in range(shape.turns)
    ]
    store.maxsim(query, drawn[0])
    spent = []
    for candidates in drawn:
        began = time.thread_time_ns()
        store.maxsim(query, candidates)
        spent.append((time.thread_time_ns() - began) / 1e6)
    p50, p99 = np.percentile(spent, [50, 99])
    return Cost(store.codec, n_centroids, round(float(p50), 4), round(float(p99), 4))


def costs(shape: Shape, folder: Path) -> Iterator[Cost]:
    """By codec and number of centroids."""
    (folder / "int8").mkdir()
    store = store_of(shape, folder / "int8")
    yield cost(store, shape, 0)
    for codec in _RESIDUALS:
        for n_centroids in _CENTROIDS:
            into = folder / f"{codec}-{n_centroids}"
            into.mkdir()
            yield cost(recoded(store, codec, n_centroids, into), shape, n_centroids)


def report(found: list[Cost]) -> list[str]:
    """A line a codec."""
    cells = [
        [
            one.codec,
            f"{one.centroids:,}" if one.centroids else "-",
            f"{one.p50_ms:.3f}",
            f"{one.p99_ms:.3f}",
            f"{WANTED_MS:g}",
            "reached" if one.p50_ms <= WANTED_MS else "MISSED",
        ]
        for one in found
    ]
    return lines(("codec", "centroids", "ms p50", "ms p99", "wanted", ""), cells)


def main() -> None:
    """Measure every codec."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--docs", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=180)
    parser.add_argument("--query-tokens", type=int, default=32)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    shape = Shape(
        asked.docs, asked.candidates, asked.tokens, asked.query_tokens, asked.dim, asked.turns
    )
    with tempfile.TemporaryDirectory() as folder:
        found = list(costs(shape, Path(folder)))
    print("\n".join([*report(found), *busy({"run": load})]))
    if asked.json:
        whole = {
            "machine": describe(),
            "load_before": load,
            "settings": asdict(shape),
            "costs": [asdict(one) for one in found],
        }
        asked.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
