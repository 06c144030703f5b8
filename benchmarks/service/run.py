"""What does the service cost beside the pipeline in process, and what becomes of it under load?

python benchmarks/service/run.py [--docs N] [--peers lexmax,qdrant,lucene] [--json FILE]
    [--seconds S] [--rounds R] [--parts overhead,peak,overload,upserts,peers]

A load generator in a second process asks the service, then every peer behind the same least HTTP
service, for the same queries. Prints tables, ratios and what must be reached;
benchmarks/README.md says what the numbers mean.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import printed
from load import Generator, generator
from machine import describe
from measurements import (
    Asking,
    found_ids,
    overhead,
    overlap,
    overload,
    peak,
    upserts,
)
from servers import ENVIRONMENTS, Server, lexmax_service, minimal_app
from workload import Workload

PARTS = ("overhead", "peak", "overload", "upserts", "peers")
_WORK = Path(__file__).parents[1] / "out" / "sparse"
# Nobody is turned away where as many clients as wait for their answers fit.
_ROOMY = {"search_queue": 128}
_SHARE_OF_PEAK = 0.3
# Two processes over one folder, as docs/operations.md has them.
_GIVES_WAY = {"nice": 10}
_SEARCHES_ONLY = {"read_only": "true", "max_behind_ms": 100}
_CHECKED = 50


@dataclass(slots=True)
class Outcome:
    """What came of a run; loads are the machine's load average before each part."""

    figures: dict[str, Any] = field(default_factory=dict)
    peers: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    loads: dict[str, float] = field(default_factory=dict)

    def begin(self, part: str) -> None:
        """Remember what else the machine does."""
        self.loads[part] = round(os.getloadavg()[0], 2)
        print(f"{part}, load {self.loads[part]} ...", file=sys.stderr, flush=True)


def main() -> None:
    """Measure everything that is asked for, one after the other."""
    asked = _arguments()
    workload = Workload(asked.work.resolve(), asked.docs)
    workload.work.mkdir(parents=True, exist_ok=True)
    workload.make()
    outcome = Outcome()
    with generator() as program, tempfile.TemporaryDirectory() as folder:
        _measure(workload, asked, outcome, program, Path(folder) / "servers.log")
    whole = {
        "machine": describe(),
        "settings": {name: str(value) for name, value in vars(asked).items()},
        "figures": outcome.figures,
        "peers": outcome.peers,
        "notes": outcome.notes,
        "loads": outcome.loads,
    }
    print("\n".join(printed.report(whole)))
    if asked.json:
        asked.json.write_text(json.dumps(whole, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--docs", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--terms", type=int, default=8, help="of a query; 0 for all of them")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=100, help="documents of one upsert")
    parser.add_argument(
        "--into", default=None, help="collection to write to; else the one searched"
    )
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--peers", default="lexmax,qdrant,lucene")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the peers")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--work", type=Path, default=_WORK, help="vectors and indexes are kept here"
    )
    asked = parser.parse_args()
    asked.parts = [part for part in asked.parts.split(",") if part]
    asked.peers = [peer for peer in asked.peers.split(",") if peer]
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"unknown parts {sorted(unknown)}; expected any of {PARTS}")
    if unknown := set(asked.peers) - {"lexmax", *ENVIRONMENTS}:
        parser.error(f"unknown peers {sorted(unknown)}; expected any of lexmax,qdrant,lucene")
    return asked


def _measure(
    workload: Workload,
    asked: argparse.Namespace,
    outcome: Outcome,
    program: Generator,
    log: Path,
) -> None:
    texts = workload.queries(asked.queries, asked.terms)
    asking = Asking(program, texts, asked.k, asked.seconds, asked.rounds)
    found: list[list[str]] = []
    if set(asked.parts) - {"peers"}:
        found = _alone(workload, asked, outcome, asking, log)
        _loaded(workload, asked, outcome, asking, log)
    if "peers" in asked.parts:
        for name in asked.peers:
            _peer(name, workload, asked, asking, found, outcome, log)


def _alone(
    workload: Workload, asked: argparse.Namespace, outcome: Outcome, asking: Asking, log: Path
) -> list[list[str]]:
    """Overhead and peak, and what the first queries find."""
    with lexmax_service(workload, _ROOMY, log) as server:
        if "overhead" in asked.parts:
            outcome.begin("overhead")
            outcome.figures["overhead"] = overhead(server, workload.collection, asking)
        outcome.begin("peak")
        outcome.figures["peak"] = peak(server, asking)
        return found_ids(server, asking.texts[:_CHECKED], asked.k)


def _loaded(
    workload: Workload, asked: argparse.Namespace, outcome: Outcome, asking: Asking, log: Path
) -> None:
    """More than can be answered, and writes beside searches, with the settings of every day."""
    most = outcome.figures["peak"]["peak"]
    if "overload" in asked.parts:
        with lexmax_service(workload, {}, log) as server:
            asking.closed(server, 4)
            outcome.begin("overload")
            outcome.figures["overload"] = overload(server, most, asking)
    if "upserts" in asked.parts:
        with lexmax_service(workload, {}, log) as server:
            outcome.begin("upserts")
            outcome.figures["upserts"] = _written(server, server, workload, asked, asking, most)
        with (
            lexmax_service(workload, _GIVES_WAY, log) as writer,
            lexmax_service(workload, _SEARCHES_ONLY, log) as server,
        ):
            outcome.begin("upserts, apart")
            outcome.figures["upserts_apart"] = _written(
                server, writer, workload, asked, asking, most
            )


def _written(
    server: Server,
    writer: Server,
    workload: Workload,
    asked: argparse.Namespace,
    asking: Asking,
    most: float,
) -> dict[str, Any]:
    """Upserts into the collection that is searched, or into another of its service."""
    asking.closed(server, 4)
    into = asked.into or workload.collection.name
    if asked.into:
        writer.ask(f"/v1/collections/{into}", {"sparse": "impacts", "multivector": None}, "PUT")
    found = upserts(server, writer, _SHARE_OF_PEAK * most, asking, batch=asked.batch, into=into)
    if asked.into:
        writer.ask(f"/v1/collections/{into}", None, "DELETE")
    return found


def _peer(
    name: str,
    workload: Workload,
    asked: argparse.Namespace,
    asking: Asking,
    found: list[list[str]],
    outcome: Outcome,
    log: Path,
) -> None:
    """One system behind the least service; one that cannot run becomes a note."""
    try:
        if name in ENVIRONMENTS:
            workload.make_peer(name)
        with minimal_app(name, workload, threads=asked.threads, log=log) as server:
            outcome.begin(name)
            asking.closed(server, 1)
            one = asking.closed(server, 1)
            outcome.peers[name] = {
                "one_client_ms": printed.percentiles_of(one),
                "overlap": overlap(found, found_ids(server, asking.texts[: len(found)], asked.k)),
                **peak(server, asking),
            }
    except (RuntimeError, OSError) as error:
        outcome.notes.append(f"{name}: {error}")


if __name__ == "__main__":
    main()
