"""How many candidates does each fixed-dimensional encoding need? The shape of MUVERA's table.

For each encoding, the smallest N so that the best N documents by the estimate hold 80, 85, 90 and
95 % of the exact ten best by MaxSim (Dhulipala et al. 2024, section 3.1). Nothing is quantised.
Choices are made on the queries of --train; those of --test are only reported. LeanVec's matrices
are fitted on the training queries with even numbers, and all are judged on those with odd ones.

The folder holds tokens.npy (n_tokens, dim), offsets.npy (n_docs + 1,), queries.npy and
query_offsets.npy alike, and query_ids.json, a list of ids. exact.npy (n_queries, n_docs), scores,
is used if it is there and --token-dim does not change the vectors. --train and --test are qrels.

    python fde_study.py FOLDER --train train.tsv --test test.tsv --out study
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from fde_study_report import Row, markdown
from numpy.typing import NDArray

from lexmax.index.centroid_training import train_centroids
from lexmax.index.centroids import Centroids, QuantisedRows
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.projection import Projection
from lexmax.types import TokenBatch, ranges

SHARES = (0.80, 0.85, 0.90, 0.95)
_BEST = 10
# (repetitions, k_sim, d_proj) of the paper: 1280, 2560, 5120 and 10240 coordinates.
_SIZES = ((20, 3, 8), (20, 4, 8), (20, 5, 8), (20, 5, 16))
_VARIANTS: dict[str, dict[str, Any]] = {
    "SimHash": {},
    "SimHash, filled": {"fill_empty": True},
    "SimHash, inner count-sketch": {"inner": "count-sketch"},
    "k-means cells": {"cells": "kmeans"},
}
# The others are compared at the last size only.
_ALL_SIZES = ("SimHash", "SimHash, filled", "k-means cells")
_PROJECTED = (512, 256, 128)
_SKETCHED = (2048, 1024)
_SAMPLE_DOCS = 4096
_CELL_DOCS = 512
_N_CENTROIDS = 4096
_CENTROID_DOCS = 2048
_BLOCK = 128
_TOKENS_A_BLOCK = 8192

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Study:
    """Documents as they lie in the files, queries, the exact best documents, and who is judged.

    `best` int64 (n_queries, 10) is filled where `sets`, rows by name, or `fit` need it.
    """

    tokens: NDArray[Any]
    offsets: NDArray[np.int64]
    queries: TokenBatch
    best: NDArray[np.int64]
    fit: NDArray[np.int64]
    sets: dict[str, NDArray[np.int64]]

    @property
    def n_docs(self) -> int:
        """Documents."""
        return len(self.offsets) - 1

    def documents(self, start: int, stop: int) -> TokenBatch:
        """Documents `start` to `stop` in float32."""
        first, last = self.offsets[start], self.offsets[stop]
        vectors = np.asarray(self.tokens[first:last], dtype=np.float32)
        return TokenBatch(self.offsets[start : stop + 1] - first, vectors)

    def sample(self, n: int, seed: int) -> TokenBatch:
        """At most n documents, chosen by `seed`."""
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(self.n_docs, min(n, self.n_docs), replace=False))
        parts = [self.documents(int(i), int(i) + 1) for i in chosen]
        return TokenBatch.concatenate(parts, self.queries.dim)


def main() -> None:
    """Read, measure, write `--out`.json and `--out`.md."""
    arguments = _arguments()
    study = read_study(arguments)
    rows: list[Row] = []
    start = time.perf_counter()
    for seed in arguments.seeds:
        for row in measure(study, seed, centroids=arguments.centroids):
            rows.append(row)
            print(f"{time.perf_counter() - start:6.0f} s", *asdict(row).values(), flush=True)
    numbers = {name: len(chosen) for name, chosen in study.sets.items()}
    head = {"folder": arguments.folder.name, "dim": study.queries.dim, "docs": study.n_docs}
    found = {**head, "queries": numbers, "rows": [asdict(row) for row in rows]}
    arguments.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    text = markdown(rows, numbers, dim=study.queries.dim)
    arguments.out.with_suffix(".md").write_text(text)
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=Path, required=True, help="qrels of queries to choose by")
    parser.add_argument("--test", type=Path, help="qrels of queries that are only reported")
    parser.add_argument("--out", type=Path, required=True, help="result files, without suffix")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--token-dim", type=int, help="PCA of the tokens, which are normalised")
    parser.add_argument("--queries", type=int, default=300, help="judged, at most, in each set")
    parser.add_argument("--centroids", type=int, default=_N_CENTROIDS, help="0 leaves them out")
    return parser.parse_args()


def read_study(arguments: argparse.Namespace) -> Study:
    """The folder's vectors, turned if asked for, and the exact best documents."""
    folder: Path = arguments.folder
    tokens = np.load(folder / "tokens.npy", mmap_mode="r")
    offsets = np.load(folder / "offsets.npy").astype(np.int64)
    vectors = np.load(folder / "queries.npy").astype(np.float32)
    queries = TokenBatch(np.load(folder / "query_offsets.npy").astype(np.int64), vectors)
    ids: list[str] = json.loads((folder / "query_ids.json").read_text())
    train = _rows_of(ids, arguments.train)
    sets = {"train": train[1::2][: arguments.queries]}
    if arguments.test:
        sets["test"] = _rows_of(ids, arguments.test)[: arguments.queries]
    none = np.zeros((len(ids), _BEST), np.int64)
    study = Study(tokens, offsets, queries, none, train[::2], sets)
    exact = folder / "exact.npy"
    if arguments.token_dim:
        study = _turned(study, arguments.token_dim)
    elif exact.exists():
        return replace(study, best=_first(np.load(exact, mmap_mode="r")))
    return replace(study, best=exact_best(study))


def _rows_of(ids: list[str], qrels: Path) -> NDArray[np.int64]:
    judged = {line.split("\t")[0] for line in qrels.read_text().splitlines()[1:]}
    return np.array([i for i, name in enumerate(ids) if name in judged], dtype=np.int64)


def _first(scores: NDArray[Any]) -> NDArray[np.int64]:
    return np.argsort(-np.asarray(scores, np.float32), axis=1, kind="stable")[:, :_BEST]


def _turned(study: Study, dim: int) -> Study:
    """Vectors in their `dim` strongest uncentred directions, of unit length."""
    step = max(1, len(study.tokens) // 50_000)
    sample = np.asarray(study.tokens[::step], dtype=np.float32)
    basis = np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :dim]
    turned = np.empty((len(study.tokens), dim), dtype=np.float16)
    for start, stop in ranges(len(turned), 1 << 16):
        turned[start:stop] = _unit(np.asarray(study.tokens[start:stop], np.float32) @ basis)
    queries = TokenBatch(study.queries.offsets, _unit(study.queries.vectors @ basis))
    return replace(study, tokens=turned, queries=queries)


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(norms, 1e-12)
    return unit


def exact_best(study: Study) -> NDArray[np.int64]:
    """The ten best documents of the judged queries by MaxSim; others' rows hold no answer."""
    judged = np.unique(np.concatenate(list(study.sets.values())))
    some = TokenBatch.from_rows([study.queries.row(int(i)) for i in judged], study.queries.dim)
    scores = np.empty((len(judged), study.n_docs), dtype=np.float32)
    for start, stop in _document_blocks(study):
        batch = study.documents(start, stop)
        products = some.vectors @ batch.vectors.T
        best = np.maximum.reduceat(products, batch.offsets[:-1], axis=1)
        scores[:, start:stop] = np.add.reduceat(best, some.offsets[:-1], axis=0)
    found = study.best.copy()
    found[judged] = _first(scores)
    return found


def _document_blocks(study: Study) -> Iterator[tuple[int, int]]:
    """Documents of about 8,192 tokens together. Every text must have tokens."""
    start = 0
    while start < study.n_docs:
        end = study.offsets[start] + _TOKENS_A_BLOCK
        stop = max(start + 1, int(np.searchsorted(study.offsets, end, "right")) - 1)
        yield start, min(stop, study.n_docs)
        start = stop


def needed(study: Study, queries: Floats, documents: Floats) -> dict[str, dict[str, int]]:
    """By set and share: candidates that hold this share of the exact best.

    Ties count against the encoding.
    """
    found = {}
    for name, chosen in study.sets.items():
        scores = queries[chosen] @ documents.T
        found[name] = _needed(scores, study.best[chosen])
    return found


def _needed(scores: Floats, best: NDArray[np.int64]) -> dict[str, int]:
    descending = -np.sort(-scores, axis=1)
    ranks = np.concatenate(
        [
            np.searchsorted(-row, -scores[i, best[i]], side="right")
            for i, row in enumerate(descending)
        ]
    )
    ranks.sort()
    return {f"{share:.0%}": int(ranks[int(np.ceil(share * len(ranks))) - 1]) for share in SHARES}


def measure(study: Study, seed: int, *, centroids: int) -> Iterator[Row]:
    """A row for every encoding."""
    for variant, extra in _VARIANTS.items():
        for size in _SIZES if variant in _ALL_SIZES else _SIZES[-1:]:
            encoder = _encoder(study, FdeParameters(study.queries.dim, *size, seed=seed, **extra))
            queries, documents = encoder.queries(study.queries), encode(study, encoder)
            cut = encoder.parameters.bucket_dim
            for name, part in ((variant, slice(0, cut)), (f"{variant} + pooled", slice(None))):
                counts = needed(study, queries[:, part], documents[:, part])
                yield Row(name, cut, documents[:, part].shape[1], seed, counts)
            if variant == "SimHash" and size == _SIZES[-1]:
                counts = needed(study, queries[:, cut:], documents[:, cut:])
                yield Row("pooled vector", study.queries.dim, study.queries.dim, seed, counts)
            if size == _SIZES[-1] and variant in ("SimHash", "k-means cells"):
                yield from _projected(study, variant, queries, documents, seed)
    if centroids:
        counts = _centroid_scan(study, centroids, seed)
        yield Row("centroid scan", centroids, centroids, seed, counts)


def _encoder(study: Study, parameters: FdeParameters) -> FdeEncoder:
    n = _CELL_DOCS if parameters.cells == "kmeans" else 0
    return FdeEncoder.fitted(parameters, study.sample(n, parameters.seed))


def encode(study: Study, encoder: FdeEncoder) -> Floats:
    """Encodings of all documents."""
    shape = (study.n_docs, encoder.parameters.encoding_dim)
    encodings = np.empty(shape, dtype=np.float32)
    for start, stop in ranges(study.n_docs, _BLOCK):
        encodings[start:stop] = encoder.documents(study.documents(start, stop))
    return encodings


def _projected(
    study: Study, variant: str, queries: Floats, documents: Floats, seed: int
) -> Iterable[Row]:
    rng = np.random.default_rng(seed)
    n = min(_SAMPLE_DOCS, len(documents))
    sample = documents[np.sort(rng.choice(len(documents), n, replace=False))]
    full, length = f"{variant} + pooled", documents.shape[1]

    dims = [dim for dim in _PROJECTED if dim <= n]

    def row(name: str, dim: int, projection: Projection) -> Row:
        sides = projection.apply_queries(queries), projection.apply(documents)
        return Row(f"{full}, {name}", length, dim, seed, needed(study, *sides))

    for dim in dims:
        yield row("PCA", dim, Projection.fit(sample, dim, seed=seed))
    if variant != "SimHash":
        return
    for dim in dims:
        lean = Projection.fit(sample, dim, seed=seed, queries=queries[study.fit])
        yield row("LeanVec", dim, lean)
    for dim in _SKETCHED:
        yield row("count-sketch", dim, Projection.sketch(length, dim, seed=seed))


def _centroid_scan(study: Study, n_centroids: int, seed: int) -> dict[str, dict[str, int]]:
    """MaxSim in which every document token is its centroid, of all documents."""
    sample = QuantisedRows.of(study.sample(_CENTROID_DOCS, seed).vectors)
    centroids = train_centroids(sample, n_centroids, seed=seed)
    codes = np.concatenate(
        [
            _assigned(centroids, study.documents(start, stop))
            for start, stop in _document_blocks(study)
        ]
    )
    found = {}
    for name, chosen in study.sets.items():
        scores = np.stack(
            [
                np.maximum.reduceat(
                    centroids.similarities(study.queries.row(int(i))).T.copy()[:, codes],
                    study.offsets[:-1],
                    axis=1,
                ).sum(axis=0)
                for i in chosen
            ]
        )
        found[name] = _needed(scores, study.best[chosen])
    return found


def _assigned(centroids: Centroids, batch: TokenBatch) -> NDArray[np.uint16]:
    return centroids.assign(QuantisedRows.of(batch.vectors))


if __name__ == "__main__":
    main()
