"""How much should the mean of the tokens weigh in a fixed-dimensional encoding?

python benchmarks/multivector/pooled_weight.py DATASET_DIR --queries sentences --cache vectors
python benchmarks/multivector/pooled_weight.py DATASET_DIR --queries train --cache vectors

An encoding of 10,240 coordinates (MUVERA) is there to find candidates for MaxSim. For each weight
of the mean (`FdeParameters.pooled_weight`): the share of the exact ten best by MaxSim among the
first 20, 50, 100 and 200 documents by the encoding, as it is and projected to 256 coordinates as
the index keeps it; and the smallest number of candidates that holds 95 % of them. Means over seeds.

Choices are not made on queries that are reported: --queries is a split of other queries, or
`sentences` of documents, which stand in for queries; of --leave-out N queries of the split, evenly
spread as `lexmax compression-study --queries N` measures them, none is asked.

--cache holds float32 vectors of documents as `lexmax compression-study --cache` leaves them; they
are encoded if they are not there. Prints a table in Markdown.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.corpus import read_documents
from lexmax.encoders import Encoders
from lexmax.eval.collections import load_dataset
from lexmax.eval.compression import StudyEncoders
from lexmax.eval.compression.states import encoded_documents, encoded_queries
from lexmax.eval.compression.training_queries import from_documents, from_queries
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.projection import Projection
from lexmax.types import Document, TokenBatch, ranges

WEIGHTS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)
CANDIDATES = (20, 50, 100, 200)
SHARE = 0.95
_BEST = 10
_PROJECTED, _SAMPLE_DOCS = 256, 4096
_BLOCK = 128
_DRAWN_BY = 7

Floats = NDArray[np.float32]
Figures = Mapping[str, float]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("--queries", default="sentences", help="a split, or sentences")
    parser.add_argument("--leave-out", type=int, default=0, help="queries that are reported")
    parser.add_argument("--most", type=int, default=100, help="queries asked")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43])
    given = parser.parse_args()
    known = Encoders()
    encoders = StudyEncoders(known.multivector("lexmax-colbert"), known.dense("minilm-pooled"))
    documents = list(read_documents([given.dataset], on_reject=print))
    tokens = encoded_documents(documents, encoders, cache=given.cache).tokens
    texts = _texts(given, documents)
    asked = encoded_queries(texts, StudyEncoders(encoders.multivector, None)).tokens
    assert tokens is not None
    assert asked is not None
    best = np.argsort(-_maxsim(asked, tokens), axis=1, kind="stable")[:, :_BEST]
    every = [figures for seed in given.seeds for figures in _measured(asked, tokens, best, seed)]
    print(f"{given.dataset.name}: {len(texts)} queries ({given.queries}), seeds {given.seeds}\n")
    print("\n".join(_table(every)))


def _texts(given: argparse.Namespace, documents: Sequence[Document]) -> list[str]:
    if given.queries == "sentences":
        texts = from_documents(documents, seed=42).texts
    else:
        queries = load_dataset(given.dataset, split=given.queries).queries
        ids, step = list(queries), len(queries) / max(1, given.leave_out)
        reported = {ids[int(i * step)]: queries[ids[int(i * step)]] for i in range(given.leave_out)}
        texts = from_queries(queries, reported, about="", seed=42).texts
        texts = tuple(queries.values()) if not given.leave_out else texts
    rng = np.random.default_rng(_DRAWN_BY)
    chosen = np.sort(rng.choice(len(texts), min(given.most, len(texts)), replace=False))
    return [texts[i] for i in chosen]


def _maxsim(queries: TokenBatch, documents: TokenBatch) -> Floats:
    scores = np.full((len(queries), len(documents)), -np.inf, np.float32)
    for start, stop in ranges(len(documents), _BLOCK):
        part = documents.slice(start, stop)
        filled = np.flatnonzero(np.diff(part.offsets))
        if len(filled) == 0:
            continue
        for i in range(len(queries)):
            products = queries.row(i) @ np.asarray(part.vectors).T
            greatest = np.maximum.reduceat(products, part.offsets[filled], axis=1)
            scores[i, start + filled] = greatest.sum(axis=0)
    return scores


def _measured(
    queries: TokenBatch, documents: TokenBatch, best: NDArray[np.int64], seed: int
) -> Iterator[tuple[float, str, Figures]]:
    """(weight, "whole" or "projected", figures); the mean's coordinates are the last ones."""
    parameters = FdeParameters(documents.dim, 20, 5, 16, seed=seed, pooled_weight=1.0)
    encoder = FdeEncoder(parameters)
    rows = np.zeros((len(documents), parameters.encoding_dim), np.float32)
    for start, stop in ranges(len(documents), _BLOCK):
        rows[start:stop] = encoder.documents(documents.slice(start, stop))
    asked, mean = encoder.queries(queries), slice(parameters.bucket_dim, None)
    means = rows[:, mean].copy(), asked[:, mean].copy()
    rng, n = np.random.default_rng(seed), min(_SAMPLE_DOCS, len(rows))
    sample = np.sort(rng.choice(len(rows), n, replace=False))
    for weight in WEIGHTS:
        rows[:, mean], asked[:, mean] = (np.sqrt(np.float32(weight)) * part for part in means)
        yield weight, "whole", _figures(asked @ rows.T, best)
        projection = Projection.fit(rows[sample], min(_PROJECTED, n), seed=seed)
        short = projection.apply_queries(asked) @ projection.apply(rows).T
        yield weight, "projected", _figures(short, best)


def _figures(scores: Floats, best: NDArray[np.int64]) -> Figures:
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    of_best = np.sort(np.take_along_axis(ranks, best, axis=1), axis=None)
    shares = {str(n): float((of_best < n).mean()) for n in CANDIDATES}
    return shares | {"needed": float(of_best[int(np.ceil(SHARE * len(of_best))) - 1] + 1)}


def _table(every: Sequence[tuple[float, str, Figures]]) -> Iterator[str]:
    names = [*map(str, CANDIDATES), "needed"]
    head = [*(f"in {n}" for n in CANDIDATES), f"for {SHARE:.0%}"]
    yield f"| weight | {' | '.join([*head, *(f'{one}, projected' for one in head)])} |"
    yield f"|---|{'---:|' * 2 * len(head)}"
    for weight in WEIGHTS:
        cells: list[str] = []
        for kind in ("whole", "projected"):
            found = [figures for w, k, figures in every if (w, k) == (weight, kind)]
            means = [float(np.mean([figures[name] for figures in found])) for name in names]
            cells += [*(f"{value:.3f}" for value in means[:-1]), f"{means[-1]:.0f}"]
        yield f"| {weight:g} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
