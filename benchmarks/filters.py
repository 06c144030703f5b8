"""How long does a filter take, and what does a filtered search find?

python benchmarks/filters.py COLLECTION --queries DATASET_DIR [--docs N] [--k K] [--json FILE]

Without COLLECTION only the first part: filters over columns of N synthetic documents. Then, for
random filters of each selectivity, the share of the exact best k that the engine `auto` finds by
token vectors, and milliseconds of it and of `exact`; query encoding is left out. One thread;
nothing else should use the cores meanwhile.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from machine import describe

if TYPE_CHECKING:
    from lexmax.index.attributes import Attributes
    from lexmax.index.snapshot import Snapshot
    from lexmax.types import TokenBatch

SELECTIVITIES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
_REPEATS = 15
_DRAWS = 3
_SEED = 7
_FILTERS = (
    "year >= 2000",
    "year >= 2000 and year < 2010",
    "price > 20 and price <= 30",
    "lang = l00",
    "tag in (t0, t7, t40, t9000)",
    "year >= 2000 and lang = l00 and tag in (t1, t7) and price < 40",
    "when >= 1990-01-01 and lang in (l00, l01) and not tag = t0 and price > 10",
    "(lang = l00 or tag = t3) and not (year < 1980 or price > 100)",
)


def main() -> None:
    """Print one mapping."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collection", type=Path, nargs="?", help="one with token vectors")
    parser.add_argument("--queries", type=Path, help="BEIR folder whose queries are asked")
    parser.add_argument("--split", default="test")
    parser.add_argument("--most-queries", type=int, default=50)
    parser.add_argument("--docs", type=int, default=1_000_000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    figures: dict[str, object] = {"machine": describe(), "n_docs": asked.docs}
    figures["evaluation_ms"] = evaluation(asked.docs)
    if asked.collection is not None:
        figures["search"] = from_collection(asked)
    print(json.dumps(figures, indent=2))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


def evaluation(n_docs: int) -> dict[str, dict[str, float]]:
    """Milliseconds and selectivity of each filter; parsing is not counted."""
    from lexmax.conditions import parse_conditions

    columns = synthetic(n_docs)
    found: dict[str, dict[str, float]] = {}
    for text in _FILTERS:
        predicate = parse_conditions(text, columns.fields)
        spent = [milliseconds(lambda: columns.matching(predicate)) for _ in range(_REPEATS)]  # noqa: B023
        found[text] = {
            "p50": round(float(np.median(spent)), 3),
            "max": round(max(spent), 3),
            "selectivity": round(float(columns.matching(predicate).mean()), 5),
        }
    return found


def synthetic(n_docs: int) -> "Attributes":
    """Five fields: few and many languages and tags, years, prices and times that all differ."""
    from lexmax.index.attributes import Attributes

    rng = np.random.default_rng(_SEED)
    shares = 1 / np.arange(1, 31)
    langs = rng.choice(30, n_docs, p=shares / shares.sum())
    tags = np.minimum(rng.zipf(1.3, (n_docs, 3)), 100_000) - 1
    years = rng.integers(1950, 2025, n_docs)
    prices = rng.lognormal(3, 1, n_docs)
    times = np.datetime64("1970-01-01T00:00:00") + rng.integers(0, 1_700_000_000, n_docs)

    def documents() -> Iterator[dict[str, object]]:
        for i in range(n_docs):
            yield {
                "lang": f"l{langs[i]:02}",
                "tag": [f"t{tag}" for tag in tags[i]],
                "year": int(years[i]),
                "price": float(prices[i]),
                "when": f"{times[i]}Z",
            }

    return Attributes.build(
        documents(),  # type: ignore[arg-type]
        {
            "lang": "keyword",
            "tag": "keyword",
            "year": "integer",
            "price": "float",
            "when": "datetime",
        },
    )


def milliseconds(work: Callable[[], object]) -> float:
    """Of one call."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def from_collection(asked: argparse.Namespace) -> dict[str, object]:
    """Recall and milliseconds over a collection, with the queries of a dataset."""
    from lexmax.collection import Collection
    from lexmax.eval import load_dataset

    with Collection.open(asked.collection, merge_in_background=False) as collection:
        encoder = collection.encoders.multivector
        if encoder is None:
            raise SystemExit(f"{asked.collection}: has no token vectors")
        texts = list(load_dataset(asked.queries, split=asked.split).queries.values())
        queries = encoder.encode_queries(texts[: asked.most_queries])
        return searches(collection.snapshot(), queries, asked.k)


def searches(snapshot: "Snapshot", queries: "TokenBatch", k: int) -> dict[str, object]:
    """What `auto` finds of the exact best k at each selectivity."""
    rows = [
        {"selectivity": share, **filtered(snapshot, queries, k, share)} for share in SELECTIVITIES
    ]
    return {"n_docs": snapshot.n_docs, "n_queries": len(queries), "k": k, "filters": rows}


def filtered(snapshot: "Snapshot", queries: "TokenBatch", k: int, share: float) -> dict[str, float]:
    """Recall and median milliseconds over random filters of one selectivity."""
    from lexmax.index.filters import Filter
    from lexmax.index.multivector_engines import AUTO_MAXSIM, EXACT_MAXSIM

    rng = np.random.default_rng(_SEED)
    n_docs, n_found, n_best = snapshot.n_docs, 0, 0
    spent: dict[str, list[float]] = {"auto": [], "exact": []}
    for _ in range(_DRAWS if share < 1 else 1):
        chosen = np.sort(rng.choice(n_docs, max(1, int(share * n_docs)), replace=False))
        restricted = snapshot.restricted(Filter.of_ordinals(chosen, n_docs))
        for i in range(len(queries)):
            sets: list[set[int]] = []
            for engine in (AUTO_MAXSIM, EXACT_MAXSIM):
                began = time.perf_counter()
                hits = restricted.search_multivector(queries.slice(i, i + 1), k, engine=engine)
                spent[engine.spec].append((time.perf_counter() - began) * 1e3)
                sets.append(set(hits.row(0)[0].tolist()))
            n_found, n_best = n_found + len(sets[0] & sets[1]), n_best + len(sets[1])
    medians = {f"{name}_ms": round(float(np.median(ms)), 2) for name, ms in spent.items()}
    return {"recall": round(n_found / max(1, n_best), 4), **medians}


if __name__ == "__main__":
    main()
