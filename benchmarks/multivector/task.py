"""What is a system of the multi-vector benchmark asked for?"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from token_files import Tokens, map_tokens


@dataclass(frozen=True, slots=True)
class Task:
    """What a system is asked for.

    Attributes:
        data: folder of a collection, as `token_files.py` says.
        indexes: folder to keep indexes in.
        found: folder for the ordinals found.
        name: `test`, or `train` for tuning.
        queries: how many of the queries.
        ks: values of k.
        build_only: leave after the build.
        rebuild: do not use an index that is there.
        modes: settings to search with; empty for the system's own list.
        codec: lexmax only, of the token store.
        threads: lexmax only, threads of the build.
    """

    data: Path
    indexes: Path
    found: Path
    name: str
    queries: int
    ks: tuple[int, ...]
    build_only: bool
    rebuild: bool
    modes: tuple[str, ...]
    codec: str
    threads: int

    def query_tokens(self) -> Tokens:
        """The queries."""
        return map_tokens(self.data, self.name).first(self.queries)


def read_task() -> Task:
    """The task that the arguments ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--indexes", type=Path, required=True)
    parser.add_argument("--found", type=Path, required=True)
    parser.add_argument("--name", default="test")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--k", default="10,100")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--rebuild", action="store_true")
    parser.add_argument("--modes", default="")
    parser.add_argument("--codec", default="int8")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    return Task(
        asked.data.resolve(),
        asked.indexes.resolve(),
        asked.found.resolve(),
        asked.name,
        asked.queries,
        tuple(int(k) for k in asked.k.split(",")),
        asked.build_only,
        asked.rebuild,
        tuple(mode for mode in asked.modes.split(",") if mode),
        asked.codec,
        asked.threads,
    )
