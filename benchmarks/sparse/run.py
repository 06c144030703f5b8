"""How fast and how exact is the sparse index beside its peers, on the same vectors?

python benchmarks/sparse/run.py --docs N [N ...] --profile hard|concentrated [...] --k 10,100,1000
    --peers csc,scipy,seismic,lucene,bmp,qdrant --json FILE [--plot FILE.svg] [--growth]

Prints tables of latency, recall, build and bytes, the ratios that must be reached, throughput and
the limit that streaming reads set. benchmarks/README.md says what the numbers mean.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import tables
from machine import describe
from processes import busy, interpreter
from systems import HERE, MODULES, Asked, Collection, Outcome, run_ours, run_peer

# The knobs of the approximate engines, cheapest first.
ENGINES = (
    "exact",
    *(f"query-mass?share={share}" for share in (0.5, 0.6, 0.7, 0.8, 0.9, 0.93, 0.96, 0.98)),
    *(f"budget?postings={n}" for n in (20_000, 50_000, 100_000, 200_000, 400_000, 1_000_000)),
    "auto",
)
GROWTH_DOCS = (100_000, 1_000_000, 8_800_000)
GROWTH_ENGINES = (*ENGINES, "budget?postings=2000000", "budget?postings=4000000")
GROWTH_RECALLS = (0.9, 0.95, 0.985)
_PROFILES = ("hard", "concentrated")
_WORK = HERE.parent / "out" / "sparse"


def main() -> None:
    """Measure everything that is asked for, one after the other."""
    asked = _arguments()
    outcome = Outcome()
    asked.work.mkdir(parents=True, exist_ok=True)
    for profile in asked.profile:
        for docs in asked.docs or GROWTH_DOCS:
            collection = Collection(asked.work.resolve(), profile, docs)
            collection.make()
            _measure(collection, asked, outcome)
    text = "\n".join(_report(outcome, growth=asked.growth))
    print(text)
    if asked.json:
        _write(asked, outcome)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--docs", type=int, nargs="+", action="extend", default=[])
    parser.add_argument("--profile", nargs="+", choices=_PROFILES, default=["hard"])
    parser.add_argument("--k", default="10,100,1000")
    parser.add_argument("--peers", default="", help=f"any of {','.join(MODULES)}")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="needs --json")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--train", action="store_true", help="tune: the train queries")
    parser.add_argument(
        "--work", type=Path, default=_WORK, help="vectors and indexes are kept here"
    )
    parser.add_argument("--engines", default=None, help="engine specs of lexmax")
    parser.add_argument("--threads", default="1,2", help="of lexmax with all queries in one call")
    parser.add_argument("--rebuild", default="", help="peers to build anew")
    parser.add_argument("--keep-ours", action="store_true", help="do not build lexmax anew")
    parser.add_argument("--no-ours", action="store_true", help="peers alone")
    parser.add_argument(
        "--growth", action="store_true", help="lexmax alone, at every --docs (three sizes without)"
    )
    asked = parser.parse_args()
    asked.peers = [] if asked.growth else [peer for peer in asked.peers.split(",") if peer]
    if unknown := set(asked.peers) - set(MODULES):
        parser.error(f"unknown peers {sorted(unknown)}; expected any of {sorted(MODULES)}")
    if not asked.docs and not asked.growth:
        parser.error("--docs is missing; say how many documents")
    if asked.plot and not asked.json:
        parser.error("--plot draws what --json wrote; give both")
    return asked


def _measure(collection: Collection, asked: argparse.Namespace, outcome: Outcome) -> None:
    engines = GROWTH_ENGINES if asked.growth else ENGINES
    wanted = Asked(
        tuple(int(k) for k in asked.k.split(",")),
        asked.queries,
        "train" if asked.train else "test",
        asked.engines or ",".join(engines),
        asked.threads,
        frozenset(asked.rebuild.split(",")),
        asked.keep_ours,
    )
    if not asked.no_ours:
        run_ours(collection, wanted, outcome)
    for peer in asked.peers:
        run_peer(peer, collection, wanted, outcome)


def _report(outcome: Outcome, *, growth: bool) -> list[str]:
    rows = outcome.rows
    out = [*tables.latencies(rows), *tables.targets(rows), *tables.everything_else(rows)]
    out += tables.exact_tail(rows)
    if growth:
        out += tables.growth(rows, GROWTH_RECALLS)
    out += tables.throughput(outcome.throughput) + tables.limits(outcome.readings, rows)
    return [*out, *busy(outcome.loads), *(f"note: {text}" for text in outcome.notes)]


def _write(asked: argparse.Namespace, outcome: Outcome) -> None:
    settings: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(asked).items()
    }
    whole = {
        "machine": describe(),
        "settings": settings,
        "rows": [asdict(row) for row in outcome.rows],
        "throughput": outcome.throughput,
        "streaming": outcome.readings,
        "load_before": outcome.loads,
        "notes": outcome.notes,
    }
    asked.json.write_text(json.dumps(whole, indent=1) + "\n")
    if asked.plot:
        command = [interpreter("peers"), "plot.py"]
        paths = [str(asked.json.resolve()), str(asked.plot.resolve())]
        subprocess.run([*command, *paths], cwd=HERE, check=True)


if __name__ == "__main__":
    main()
