"""What is a system of the sparse benchmark asked for?"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vectors import Vectors, map_vectors


@dataclass(frozen=True, slots=True)
class Task:
    """What a system is asked for.

    Attributes:
        data: folder of a collection, as `vectors.py` says.
        indexes: folder to keep indexes in.
        found: folder for the ordinals found.
        name: `test`, or `train` for tuning.
        queries: how many of the queries.
        ks: values of k.
        build_only: leave after the build.
        rebuild: do not use an index that is there.
        engines: lexmax only, engine specs.
        threads: lexmax only, threads of a search over all queries.
    """

    data: Path
    indexes: Path
    found: Path
    name: str
    queries: int
    ks: tuple[int, ...]
    build_only: bool
    rebuild: bool
    engines: tuple[str, ...]
    threads: tuple[int, ...]

    def documents(self) -> Vectors:
        """The collection, mapped."""
        return map_vectors(self.data, "documents")

    def query_rows(self) -> list[tuple[NDArray[np.uint32], NDArray[np.float32]]]:
        """The queries, in memory."""
        queries = map_vectors(self.data, self.name)
        rows = [queries.row(i) for i in range(min(self.queries, len(queries)))]
        return [(np.array(terms), np.array(weights)) for terms, weights in rows]


def read_task() -> Task:
    """The task that the arguments ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--indexes", type=Path, required=True)
    parser.add_argument("--found", type=Path, required=True)
    parser.add_argument("--name", default="test")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--k", default="10")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--rebuild", action="store_true")
    parser.add_argument("--engines", default="exact")
    parser.add_argument("--threads", default="1")
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
        tuple(asked.engines.split(",")),
        tuple(int(n) for n in asked.threads.split(",")),
    )
