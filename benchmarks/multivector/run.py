"""How fast and how exact is the multi-vector index beside its peers, on the same vectors?

python benchmarks/multivector/run.py --data scifact|dl-pool|synth [...] [--docs N [N ...]]
    [--dim 384 128] --peers fast-plaid,warp,faiss --beir FOLDER --json FILE [--plot FILE.svg]

Prints tables of latency, overlap with exact MaxSim, nDCG@10, build and bytes, and the figures that
must be reached. benchmarks/README.md says what the numbers mean.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import outcomes
import report
from collection import HERE, REAL, Collection
from machine import describe
from processes import busy, interpreter
from systems import ENVIRONMENT, MODULES, Asked, Outcome, run_ours, run_peer

# The knobs of the engines, cheapest first.
ENGINES = (
    "exact",
    *(f"fde?candidates={n}" for n in (30, 50, 100, 200, 500, 1000, 2000)),
    *(f"centroids?candidates={n}" for n in (20, 30, 50, 100, 200, 500, 1000, 2000)),
    *(f"warp?probes={n}" for n in (4, 8, 16, 32, 64)),
    *(f"centroids?candidates={n}&probes=16" for n in (200, 500)),
    *(f"plaid?cells={n}" for n in (1, 2, 4)),
    "auto",
)
_SYNTH_DOCS = [100_000]
_WORK = HERE.parent / "out" / "multivector"


def main() -> None:
    """Measure everything that is asked for, one after the other."""
    asked = _arguments()
    outcome = Outcome()
    asked.work.mkdir(parents=True, exist_ok=True)
    name = "train" if asked.train else "test"
    for collection in _collections(asked):
        own = asked.own_truth
        collection.make(beir=asked.beir, name=name, queries=asked.queries, own_truth=own)
        _measure(collection, asked, outcome)
    print("\n".join(_report(outcome)))
    if asked.json:
        _write(asked, outcome)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", choices=[*REAL, "synth"], required=True)
    parser.add_argument("--docs", type=int, nargs="+", default=_SYNTH_DOCS, help="synth alone")
    parser.add_argument("--dim", type=int, nargs="+", default=[], help="384 128; synth: 128")
    parser.add_argument("--k", default="10,100")
    parser.add_argument("--peers", default="", help=f"any of {','.join(MODULES)}")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="needs --json")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--train", action="store_true", help="tune: the train queries")
    parser.add_argument("--beir", type=Path, help="folder that holds the BEIR folders")
    parser.add_argument("--work", type=Path, default=_WORK, help="keeps vectors and indexes")
    parser.add_argument("--engines", default=",".join(ENGINES), help="engine specs of lexmax")
    parser.add_argument("--codecs", default="int8", help="of lexmax's token store")
    parser.add_argument("--threads", type=int, default=1, help="of lexmax's build")
    parser.add_argument("--rebuild", default="", help="peers to build anew")
    parser.add_argument("--keep-ours", action="store_true", help="do not build lexmax anew")
    parser.add_argument("--build-only", action="store_true", help="no searches")
    parser.add_argument(
        "--own-truth", action="store_true", help="truth by our int8 `exact`, where float32 is slow"
    )
    parser.add_argument("--no-ours", action="store_true", help="peers alone")
    asked = parser.parse_args()
    asked.peers = [peer for peer in asked.peers.split(",") if peer]
    if unknown := set(asked.peers) - set(MODULES):
        parser.error(f"unknown peers {sorted(unknown)}; expected any of {sorted(MODULES)}")
    if asked.plot and not asked.json:
        parser.error("--plot draws what --json wrote; give both")
    return asked


def _collections(asked: argparse.Namespace) -> list[Collection]:
    work, found = asked.work.resolve(), []
    for data in asked.data:
        if data == "synth":
            sizes = [(dim, docs) for docs in asked.docs for dim in asked.dim or [128]]
        else:
            sizes = [(dim, 0) for dim in asked.dim or [384, 128]]
        found += [Collection(work, data, dim, docs) for dim, docs in sizes]
    return found


def _measure(collection: Collection, asked: argparse.Namespace, outcome: Outcome) -> None:
    wanted = Asked(
        tuple(int(k) for k in asked.k.split(",")),
        asked.queries,
        "train" if asked.train else "test",
        asked.engines,
        tuple(asked.codecs.split(",")),
        asked.threads,
        frozenset(asked.rebuild.split(",")),
        asked.keep_ours,
        asked.build_only,
    )
    if asked.own_truth:
        run_ours(collection, replace(wanted, build_only=True), outcome)
        collection.make_own_truth(wanted.name, wanted.queries)
        wanted = replace(wanted, keep_ours=True)
        outcome.notes.append(f"{collection.folder.name}: the truth is lexmax's own int8 `exact`")
    if not asked.no_ours:
        run_ours(collection, wanted, outcome)
    for peer in asked.peers:
        run_peer(peer, collection, wanted, outcome)


def _report(outcome: Outcome) -> list[str]:
    rows = outcome.rows
    out = [*report.latencies(rows), *report.filtered(outcome.filtered)]
    out += [*report.sizes(outcome.sizes), *report.everything(rows)]
    found = outcomes.latency_checks(rows)
    found += outcomes.quality_checks(rows, outcome.filtered)
    found += outcomes.size_checks(outcome.sizes)
    out += [*report.targets(rows), *report.checks(found)]
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
        "sizes": outcome.sizes,
        "filtered": outcome.filtered,
        "load_before": outcome.loads,
        "notes": outcome.notes,
    }
    asked.json.write_text(json.dumps(whole, indent=1) + "\n")
    if asked.plot:
        command = [interpreter(ENVIRONMENT), "plot.py"]
        paths = [str(asked.json.resolve()), str(asked.plot.resolve())]
        subprocess.run([*command, *paths], cwd=HERE, check=True)


if __name__ == "__main__":
    main()
