"""Which systems are there, and what came of each on a collection?"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from processes import interpreter, run_system
from results import Row, as_row
from vectors import recall, true_ordinals

HERE = Path(__file__).parent
# Peers by the name that --peers takes; lexmax runs in the environment of this program.
MODULES = {
    "csc": ("peers.csc", "peers"),
    "scipy": ("peers.scipy_csr", "peers"),
    "seismic": ("peers.seismic", "peers"),
    "bmp": ("peers.bmp", "peers"),
    "qdrant": ("peers.qdrant", "peers"),
    "lucene": ("peers.lucene", "lucene"),
}


@dataclass(frozen=True, slots=True)
class Collection:
    """A synthetic collection in the work folder."""

    work: Path
    profile: str
    docs: int

    @property
    def folder(self) -> Path:
        """Where its vectors lie."""
        return self.work / f"{self.profile}-{self.docs}"

    def make(self) -> None:
        """Generate vectors and truth where they are not there yet."""
        python = interpreter("peers")
        if not self.folder.exists():
            where = [str(self.folder), "--profile", self.profile, "--docs", str(self.docs)]
            subprocess.run([python, "generate.py", *where], cwd=HERE, check=True, stdout=sys.stderr)
        if not (self.folder / "truth.test.ordinals.npy").exists():
            command = [python, "truth.py", str(self.folder)]
            subprocess.run(command, cwd=HERE, check=True, stdout=sys.stderr)


@dataclass(frozen=True, slots=True)
class Asked:
    """What every system is asked for."""

    ks: tuple[int, ...]
    queries: int
    name: str
    engines: str
    threads: str
    rebuild: frozenset[str]
    keep_ours: bool


@dataclass(slots=True)
class Outcome:
    """What came of a run; loads are the machine's load average before each system."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    throughput: list[dict[str, Any]] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)
    loads: dict[str, float] = field(default_factory=dict)

    def add(self, collection: Collection, asked: Asked, said: dict[str, Any]) -> None:
        """Take in one line that a system printed."""
        place = {"profile": collection.profile, "docs": collection.docs}
        if "row" in said:
            figures = said["row"]
            truth = true_ordinals(collection.folder, asked.name)
            found = recall(np.load(figures["found"]), truth, figures["k"])
            self.rows.append(as_row(figures, **place, recall=found))
        elif "note" in said:
            self.notes.append(f"{collection.profile} {collection.docs:,}: {said['note']}")
        elif "throughput" in said:
            self.throughput.append(place | said["throughput"])
        elif "reading" in said:
            self.readings.append(place | said["reading"])


def run_ours(collection: Collection, asked: Asked, outcome: Outcome) -> None:
    """Build and search lexmax; it is built anew unless asked otherwise."""
    options = ["--engines", asked.engines, "--threads", asked.threads]
    options += [] if asked.keep_ours else ["--rebuild"]
    _run("lexmax", [sys.executable, "-m", "ours", *options], collection, asked, outcome)


def run_peer(name: str, collection: Collection, asked: Asked, outcome: Outcome) -> None:
    """Build and search a peer; without its environment there is a note and no row."""
    module, environment = MODULES[name]
    command = [interpreter(environment), "-m", module]
    if not Path(command[0]).exists():
        outcome.notes.append(f"{name}: no environment; run benchmarks/sparse/environments.sh")
        return
    options = ["--rebuild"] if name in asked.rebuild else []
    _run(name, [*command, *options], collection, asked, outcome)


def _run(
    name: str, command: list[str], collection: Collection, asked: Asked, outcome: Outcome
) -> None:
    folder = collection.folder
    places = ["--data", folder, "--indexes", folder / "indexes", "--found", folder / "found"]
    ks = ",".join(map(str, asked.ks))
    wanted = ["--k", ks, "--queries", asked.queries, "--name", asked.name]
    load = os.getloadavg()[0]
    place = f"{collection.profile} {collection.docs:,}"
    print(f"{place}: {name}, load {load:.1f} ...", file=sys.stderr, flush=True)
    outcome.loads[f"{place}: {name}"] = round(load, 2)
    said = run_system([*command, *map(str, [*places, *wanted])], folder=HERE)
    for line in said.lines:
        outcome.add(collection, asked, line)
    if said.failure:
        outcome.notes.append(f"{place}: {name} failed: {said.failure}")
