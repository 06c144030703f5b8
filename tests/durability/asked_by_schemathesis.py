"""Does any request that the description allows, or does not, make the service fail?

schemathesis makes the requests, half of the time against collections that are there, which are made
again whenever it has deleted them. Any failed check, or a 5xx of a failure of ours, is told.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from served import CUT_OFF, Asking, Served

PHASES = "examples,coverage,fuzzing,stateful"
_CONFIG = Path(__file__).with_name("schemathesis.toml")
_HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
_KNOWN = """
[parameters]
"path.name" = "pets"
"path.doc_id" = "cat"
"path.model" = "minilm"
"""
_SPECS = {
    "pets": {"multivector": None, "fields": {"year": "integer", "lang": "keyword"}},
    "cars": {"sparse": "bm25", "multivector": "minilm"},
}
_DOCUMENTS = {
    "documents": [
        {"doc_id": "cat", "text": "a cat on a mat", "metadata": {"year": 2020, "lang": "en"}},
        {"doc_id": "dog", "text": "a dog in a bog", "title": "dogs"},
    ]
}


class Keeper:
    """Makes the collections again that the requests have deleted."""

    def __init__(self, served: Served) -> None:
        self._served, self._over = served, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                with self._served.asking() as ask:
                    keep(ask)
            except CUT_OFF:
                pass
            self._over.wait(2)


def keep(ask: Asking) -> None:
    """The collections, their documents and an alias are there."""
    for name, spec in _SPECS.items():
        path = f"/v1/collections/{name}"
        if ask("GET", f"{path}/documents/cat").status != 200:
            ask("PUT", path, spec)
            ask("POST", f"{path}/documents", _DOCUMENTS)
    ask("PUT", "/v1/aliases/animals", {"collection": "pets"})


def asked(tool: Path, served: Served, config: Path, seconds: int, seed: int) -> int:
    """Run schemathesis for so long; its exit code."""
    command = [
        *(str(tool.resolve()), "--config-file", str(config), "run"),
        f"http://127.0.0.1:{served.port}/openapi.json",
        *("--phases", PHASES, "--max-time", str(seconds)),
        *("--seed", str(seed), "--request-timeout", "60", "--continue-on-failure"),
        *("--suppress-health-check", "all", "--warnings", "off", "--max-response-time", "60"),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": _HOOKS.stem,
        "PYTHONPATH": str(_HOOKS.parent),
    }
    return subprocess.run(command, check=False, cwd=config.parent, env=environment).returncode


def failures(served: Served) -> Counter[str]:
    """5xx that are its own fault, by route and code, and what else its log calls an error."""
    found: Counter[str] = Counter()
    for entry in served.entries():
        if entry["event"] == "request" and entry["status"] in (500, 501, 502, 507):
            found[f"{entry['method']} {entry['route']} {entry['status']} {entry.get('code')}"] += 1
        elif entry["level"] == "error":
            found[
                str({name: entry[name] for name in entry.keys() - {"request_id", "timestamp"}})
            ] += 1
    return found


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="where the service's log is kept")
    given = parser.parse_args()
    worst = 0
    with tempfile.TemporaryDirectory(prefix="lexmax-schemathesis-") as made:
        folder = Path(made)
        log = given.log or folder / "log.jsonl"
        (folder / "open").mkdir()
        (folder / "known").mkdir()
        (folder / "open" / "schemathesis.toml").write_text(_CONFIG.read_text())
        (folder / "known" / "schemathesis.toml").write_text(_KNOWN + _CONFIG.read_text())
        with Served(folder / "data", log) as served:
            served.ready()
            keeper = Keeper(served)
            try:
                for name in ("known", "open"):
                    config, seconds = folder / name / "schemathesis.toml", int(30 * given.minutes)
                    worst = max(worst, asked(given.tool, served, config, seconds, given.seed))
            finally:
                keeper.stop()
            found, code = failures(served), served.stop()
    for said, n in found.most_common():
        print(f"{n} x {said}")
    print(f"schemathesis: {worst}; failures of the service: {found.total()}; exit code {code}")
    return 1 if worst or found or code else 0


if __name__ == "__main__":
    sys.exit(_main())
