"""What does each kernel cost, beside torch, numpy and what the machine allows, in one run?

python benchmarks/multivector/kernels.py [--docs N] [--json FILE]

One thread, CPU time. Documents of 71 tokens and queries of 32, 128 coordinates, cut from the
synthetic collection. Hot: 960 documents a turn, the same 60 again and again. Cold: 1,000 a turn,
drawn from all, in ascending order, others every turn; all of them should exceed the last cache.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import synthetic
import torch
from bandwidth import METHOD, streaming_bytes_per_s
from columns import lines
from machine import describe
from numpy.typing import NDArray
from peers import muvera
from processes import busy
from token_files import Tokens

from lexmax.index import _native
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.projection import Projection
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

DIM, DOC_TOKENS, QUERY_TOKENS = 128, 71, 32
_COLD_DOCS, _HOT_DOCS, _HOT_AGAIN = 1_000, 60, 16
_FDE_DOCS, _PROJECTED = 512, 256
_CODECS = ("int8", "fp16", "residual4", "residual2")
_TURNS = 15
_OPERATIONS = 2 * QUERY_TOKENS * DOC_TOKENS * DIM
_STREAM_BYTES = 1 << 31
_WORK = Path(__file__).parents[1] / "out" / "multivector"

# Microseconds that must be reached, by what is measured.
WANTED = {
    ("MaxSim int8", "hot"): 1.3,
    ("MaxSim int8", "cold"): 2.2,
    ("centroid scan", "all"): 0.10,
    ("query FDE and projection", "one query"): 150.0,
    ("document FDE", "one thread"): 60.0,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds a document (or a query) of one kernel: the median and the least of all turns."""

    kernel: str
    case: str
    path: str
    us: float
    least_us: float

    @property
    def wanted(self) -> float | None:
        """What must be reached, by the path that is chosen by itself."""
        return WANTED.get((self.kernel, self.case)) if self.path == "auto" else None


def measured(kernel: str, case: str, path: str, run: Callable[[int], object], n: int) -> Cost:
    """Call `run` with the number of the turn; n documents or queries a call."""
    run(0)
    spent = []
    for turn in range(_TURNS):
        began = time.process_time_ns()
        run(turn)
        spent.append((time.process_time_ns() - began) / 1e3 / n)
    return Cost(kernel, case, path, float(np.median(spent)), min(spent))


@dataclass(frozen=True, slots=True)
class Inputs:
    """What every kernel is given.

    Attributes:
        tokens: (n_docs * 71, 128) float16.
        query: (32, 128).
        hot: (turns, 960) ordinals, the same in every turn.
        cold: (turns, 1000) ordinals.
    """

    tokens: NDArray[np.float16]
    query: NDArray[np.float32]
    hot: NDArray[np.int64]
    cold: NDArray[np.int64]

    @property
    def n_docs(self) -> int:
        """Documents."""
        return len(self.tokens) // DOC_TOKENS

    def batch(self, n_docs: int) -> TokenBatch:
        """The first documents."""
        offsets = np.arange(n_docs + 1, dtype=np.int64) * DOC_TOKENS
        return TokenBatch(offsets, self.tokens[: n_docs * DOC_TOKENS].astype(np.float32))

    def cases(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Ordinals by turn."""
        yield "hot", self.hot
        yield "cold", self.cold


def inputs(n_docs: int) -> Inputs:
    """Drawn with a fixed seed."""
    model = synthetic.Model(n_docs + synthetic.BLOCK, DIM)
    wanted, parts = n_docs * DOC_TOKENS, []
    start = 0
    while wanted > 0:
        _, vectors = synthetic.documents(model, start, start + synthetic.BLOCK)
        parts.append(vectors[:wanted])
        wanted -= len(vectors)
        start += synthetic.BLOCK
    _, query = synthetic.queries(model, synthetic.TEST, 1)
    random = np.random.default_rng(0)
    cold = [np.sort(random.choice(n_docs, _COLD_DOCS, replace=False)) for _ in range(_TURNS)]
    hot = np.tile(np.arange(_HOT_DOCS), (_TURNS, _HOT_AGAIN))
    return Inputs(np.concatenate(parts), query, hot, np.stack(cold))


def limits(work: Path) -> dict[str, float]:
    """What one thread can multiply and read here, measured."""
    work.mkdir(parents=True, exist_ok=True)
    n = 2048
    left = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    float_s = _least_s(lambda: left @ left)
    codes = torch.randint(-127, 127, (n, n), dtype=torch.int8)
    int_s = _least_s(lambda: torch._int_mm(codes, codes))
    return {
        "float32_gops": round(2 * n**3 / float_s / 1e9, 1),
        "int8_gops": round(2 * n**3 / int_s / 1e9, 1),
        "read_gb_s": round(streaming_bytes_per_s(work / "stream.bin", _STREAM_BYTES) / 1e9, 2),
    }


def _least_s(run: Callable[[], object]) -> float:
    spent = []
    for _ in range(5):
        began = time.process_time_ns()
        run()
        spent.append((time.process_time_ns() - began) / 1e9)
    return min(spent)


def maxsim_costs(given: Inputs, codec: str, store: TokenStore) -> Iterator[Cost]:
    """By instruction set."""
    for case, ordinals in given.cases():
        for path in ("auto", *_native.available_paths()):
            run = _maxsim(store, given.query, ordinals, path)
            yield measured(f"MaxSim {codec}", case, path, run, ordinals.shape[1])


def _maxsim(
    store: TokenStore, query: NDArray[np.float32], ordinals: NDArray[np.int64], path: str
) -> Callable[[int], object]:
    return lambda turn: store.maxsim(query, ordinals[turn], path=path)


def other_maxsim_costs(given: Inputs) -> Iterator[Cost]:
    """The same documents as float32: gathered, padded and multiplied, as PyLate does, and numpy."""
    flat = torch.from_numpy(given.tokens.astype(np.float32))
    query = torch.from_numpy(given.query)
    lengths = torch.full((given.n_docs,), DOC_TOKENS)

    def products(documents: Any, chosen: Any) -> Any:
        mask = torch.arange(DOC_TOKENS)[None] < lengths[chosen][:, None]
        scores = documents @ query.T
        return scores.masked_fill(~mask[..., None], -torch.inf).amax(1).sum(1)

    def gathered(chosen: Any) -> Any:
        return flat[(chosen * DOC_TOKENS)[:, None] + torch.arange(DOC_TOKENS)[None]]

    def by_numpy(chosen: NDArray[np.int64]) -> Any:
        documents = flat.numpy().reshape(given.n_docs, DOC_TOKENS, DIM)[chosen]
        return (documents @ given.query.T).max(axis=1).sum(axis=1)

    for case, ordinals in given.cases():
        turns, n = [torch.from_numpy(chosen) for chosen in ordinals], ordinals.shape[1]
        ready = gathered(turns[0])

        def by_torch(turn: int, turns: Any = turns) -> Any:
            return products(gathered(turns[turn]), turns[turn])

        def alone(turn: int, turns: Any = turns, ready: Any = ready) -> Any:
            return products(ready, turns[0])

        def numpy_alone(turn: int, ordinals: Any = ordinals) -> Any:
            return by_numpy(ordinals[turn])

        yield measured("MaxSim float32, torch", case, "-", by_torch, n)
        yield measured("MaxSim float32, torch, gathered before", case, "-", alone, n)
        yield measured("MaxSim float32, numpy", case, "-", numpy_alone, n)


def centroid_costs(given: Inputs, index: CentroidIndex) -> Iterator[Cost]:
    """The table of a query, and a scan of all documents."""
    for path in ("auto", *_native.available_paths()):

        def make(turn: int, path: str = path) -> Any:
            return index.centroids.table(given.query, path=path)

        table = make(0)

        def scan(turn: int, path: str = path, table: Any = table) -> Any:
            return index.scan(table, 500, path=path)

        yield measured("centroid table", "one query", path, make, 1)
        yield measured("centroid scan", "all", path, scan, given.n_docs)


def fde_costs(given: Inputs) -> Iterator[Cost]:
    """10,240 coordinates, projected to 256: lexmax, and the paper's by numpy."""
    documents = given.batch(_FDE_DOCS)
    query = TokenBatch(np.array([0, QUERY_TOKENS]), given.query)
    for cells in ("simhash", "kmeans"):
        parameters = FdeParameters(dim=DIM, pooled_weight=0.0, cells=cells)
        encoder = FdeEncoder.fitted(parameters, documents)
        encodings = encoder.documents(documents)
        projection = Projection.fit(encodings, _PROJECTED, seed=0)

        def both(turn: int, encoder: Any = encoder, projection: Any = projection) -> Any:
            return projection.apply_queries(encoder.queries(query))

        def alone(turn: int, encoder: Any = encoder) -> Any:
            return encoder.documents(documents)

        suffix = "" if cells == "simhash" else ", k-means cells"
        yield measured(f"query FDE and projection{suffix}", "one query", "auto", both, 1)
        yield measured(f"document FDE{suffix}", "one thread", "auto", alone, _FDE_DOCS)
    yield from _numpy_fde_costs(given, documents)


def _numpy_fde_costs(given: Inputs, documents: TokenBatch) -> Iterator[Cost]:
    encoder = muvera.Encoder(DIM)
    some = Tokens(documents.offsets, documents.vectors).first(16)
    axes = np.random.default_rng(0).standard_normal((10_240, _PROJECTED), dtype=np.float32)

    def both(turn: int) -> Any:
        return encoder.query(given.query) @ axes

    yield measured("query FDE and projection, numpy", "one query", "-", both, 1)
    yield measured(
        "document FDE, numpy", "one thread", "-", lambda turn: encoder.documents(some), 16
    )


def report(costs: list[Cost], bounds: dict[str, float]) -> list[str]:
    """A line a kernel, then what the machine allows."""
    torch_us = {cost.case: cost.us for cost in costs if cost.kernel == "MaxSim float32, torch"}
    cells = []
    for cost in costs:
        is_maxsim = cost.kernel.startswith("MaxSim")
        rate = _OPERATIONS / cost.us / 1e3 if is_maxsim else None
        beside = torch_us[cost.case] / cost.us if is_maxsim and torch_us else None
        cells.append(
            [
                cost.kernel,
                f"{cost.case}, {cost.path}",
                f"{cost.us:.3f}",
                f"{cost.least_us:.3f}",
                "-" if rate is None else f"{rate:.0f}",
                "-" if beside is None else f"{beside:.1f}",
                "-" if cost.wanted is None else f"{cost.wanted:g}",
                "" if cost.wanted is None else "reached" if cost.us <= cost.wanted else "MISSED",
            ]
        )
    header = ("kernel", "case, path", "us p50", "us least", "Gop/s", "torch/it", "wanted", "")
    return [*lines(header, cells), "", *_limit_lines(bounds)]


def _limit_lines(bounds: dict[str, float]) -> list[str]:
    n_bytes = DOC_TOKENS * DIM
    return [
        f"float32 products (numpy, 2048 x 2048): {bounds['float32_gops']} Gop/s",
        f"int8 products (oneDNN, 2048 x 2048): {bounds['int8_gops']} Gop/s, "
        f"MaxSim of a document at that speed: {_OPERATIONS / bounds['int8_gops'] / 1e3:.2f} us",
        f"reading ({METHOD}, 2 GiB): {bounds['read_gb_s']} GB/s, a document of {n_bytes:,} bytes "
        f"at that speed: {n_bytes / bounds['read_gb_s'] / 1e3:.2f} us",
    ]


def _store(
    codec: Any, batch: TokenBatch, whole: TokenStore, index: CentroidIndex, folder: Path
) -> TokenStore:
    if codec == "int8":
        return whole
    if not codec.startswith("residual"):
        return TokenStore.from_batch(batch, codec=codec)
    centroids = index.centroids.vectors.astype(np.float32)
    return TokenStore.recoded(folder, whole, codec=codec, centroids=centroids, assigned=index.codes)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--docs", type=int, default=100_000, help="for the cold case")
    parser.add_argument("--codecs", default=",".join(_CODECS))
    parser.add_argument("--work", type=Path, default=_WORK)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    given = inputs(asked.docs)
    bounds = limits(asked.work)
    batch = given.batch(given.n_docs)
    store = TokenStore.from_batch(batch)
    index = CentroidIndex.build(store, seed=0)
    costs = list(other_maxsim_costs(given))
    for codec in asked.codecs.split(","):
        with tempfile.TemporaryDirectory(dir=asked.work) as folder:
            costs += maxsim_costs(given, codec, _store(codec, batch, store, index, Path(folder)))
    costs += centroid_costs(given, index)
    costs += fde_costs(given)
    n_centroids = len(index.centroids)
    print("\n".join([*report(costs, bounds), f"centroids: {n_centroids}", *busy({"run": load})]))
    if asked.json:
        whole = {
            "machine": describe(),
            "load_before": load,
            "settings": {"docs": asked.docs, "centroids": n_centroids},
            "limits": bounds,
            "costs": [asdict(cost) for cost in costs],
        }
        asked.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
