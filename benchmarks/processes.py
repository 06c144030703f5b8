"""How is a system run in its own environment, and what did it print?"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SHARED = Path(__file__).parent
_ENVIRONMENTS = _SHARED / ".environments"
_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA", "RAYON")
}
# The load average lags: the system before may still be in it.
_LOAD_OF_ONE_THREAD = 1.2
_LAST_LINES = 3


def interpreter(environment: str) -> str:
    """The Python of a bench environment."""
    return str(_ENVIRONMENTS / environment / "bin" / "python")


@dataclass(frozen=True, slots=True)
class Said:
    """What a system printed, a mapping a line, and its last words if it failed."""

    lines: list[dict[str, Any]]
    failure: str | None


def run_system(command: Sequence[str], *, folder: Path) -> Said:
    """Run a system of a benchmark's folder on one thread."""
    process = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | _ONE_THREAD | {"PYTHONPATH": str(_SHARED)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]
    failure = " / ".join(process.stderr.strip().splitlines()[-_LAST_LINES:])
    return Said(found, failure if process.returncode else None)


def busy(loads: Mapping[str, float]) -> list[str]:
    """A warning if other work may have run: our own load, one thread, is at most 1."""
    busiest = max(loads.values(), default=0.0)
    if busiest <= _LOAD_OF_ONE_THREAD:
        return []
    return [f"WARNING: load average up to {busiest}: other work ran; do not publish these times"]
