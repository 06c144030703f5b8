"""Which systems are there, and what came of each on a collection?"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from collection import HERE, Collection, say
from judging import ndcg_of
from oracle import overlap, true_ordinals
from outcomes import Row, as_row
from processes import interpreter, run_system

ENVIRONMENT = "multivector"
# Peers by the name that --peers takes; lexmax runs in the environment of this program.
MODULES = {
    "fast-plaid": "peers.fast_plaid_cpu",
    "warp": "peers.warp",
    "faiss": "peers.faiss_fde",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What every system is asked for."""

    ks: tuple[int, ...]
    queries: int
    name: str
    engines: str
    codecs: tuple[str, ...]
    threads: int
    rebuild: frozenset[str]
    keep_ours: bool
    build_only: bool


@dataclass(slots=True)
class Outcome:
    """What came of a run; loads are the machine's load average before each system."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sizes: list[dict[str, Any]] = field(default_factory=list)
    filtered: list[dict[str, Any]] = field(default_factory=list)
    loads: dict[str, float] = field(default_factory=dict)

    def add(self, collection: Collection, asked: Asked, said: dict[str, Any]) -> None:
        """Take in one line that a system printed."""
        place = collection.place
        if "row" in said:
            figures = said["row"]
            found = np.load(figures["found"], allow_pickle=False)
            truth = true_ordinals(collection.folder, asked.name)
            share = overlap(found, truth, figures["k"])
            quality = ndcg_of(collection.folder, asked.name, found)
            self.rows.append(as_row(figures, **place, overlap=share, ndcg=quality))
        elif "note" in said:
            self.notes.append(f"{collection.folder.name}: {said['note']}")
        elif "size" in said:
            self.sizes.append(place | said["size"])
        elif "filtered" in said:
            self._add_filtered(collection, asked, said["filtered"])

    def _add_filtered(self, collection: Collection, asked: Asked, figures: dict[str, Any]) -> None:
        tables = [np.load(figures[name], allow_pickle=False) for name in ("found", "exact")]
        values = [ndcg_of(collection.folder, asked.name, table) for table in tables]
        self.filtered.append(
            collection.place
            | {name: figures[name] for name in ("mode", "cpu_p50_ms", "exact_cpu_p50_ms", "alive")}
            | {"overlap": round(overlap(*tables, 10), 4)}
            | {"ndcg": values[0], "exact_ndcg": values[1]}
        )


def run_ours(collection: Collection, asked: Asked, outcome: Outcome) -> None:
    """Build and search lexmax; it is built anew unless asked otherwise."""
    for codec in asked.codecs:
        options = ["--modes", asked.engines, "--codec", codec, "--threads", str(asked.threads)]
        options += [] if asked.keep_ours else ["--rebuild"]
        _run("lexmax", [sys.executable, "-m", "ours", *options], collection, asked, outcome)


def run_peer(name: str, collection: Collection, asked: Asked, outcome: Outcome) -> None:
    """Build and search a peer; without its environment there is a note and no row."""
    command = [interpreter(ENVIRONMENT), "-m", MODULES[name]]
    if not Path(command[0]).exists():
        outcome.notes.append(f"{name}: no environment; run {HERE.name}/environments.sh")
        return
    options = ["--rebuild"] if name in asked.rebuild else []
    _run(name, [*command, *options], collection, asked, outcome)


def _run(
    name: str, command: list[str], collection: Collection, asked: Asked, outcome: Outcome
) -> None:
    folder = collection.folder
    places = ["--data", folder, "--indexes", folder / "indexes", "--found", folder / "found"]
    n_queries = asked.queries
    if not asked.build_only:
        n_queries = min(n_queries, len(true_ordinals(folder, asked.name)))
    ks = ",".join(map(str, asked.ks))
    wanted = ["--k", ks, "--queries", n_queries, "--name", asked.name]
    wanted += ["--build-only"] if asked.build_only else []
    load = os.getloadavg()[0]
    say(f"{folder.name}: {name}, load {load:.1f} ...")
    outcome.loads[f"{folder.name}: {name} {len(outcome.loads)}"] = round(load, 2)
    said = run_system([*command, *map(str, [*places, *wanted])], folder=HERE)
    for line in said.lines:
        outcome.add(collection, asked, line)
    if said.failure:
        outcome.notes.append(f"{folder.name}: {name} failed: {said.failure}")
