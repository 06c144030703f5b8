"""What is the truth where float32 products of all tokens would take half an hour? Ours, by int8.

Writes what oracle.py would write from lexmax's own `exact` engine over an index that was built, 100
documents a query. A report on such a truth says so.
"""

import argparse
from pathlib import Path

import numpy as np
from lexmax_index import open_index
from oracle import truth_path
from token_files import map_tokens

from lexmax.types import TokenBatch

_DEPTH = 100


def main() -> None:
    """Write the truth of some queries."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="test")
    parser.add_argument("--queries", type=int, default=100)
    asked = parser.parse_args()
    found = map_tokens(asked.folder, asked.name).first(asked.queries)
    queries = TokenBatch(found.offsets, np.array(found.vectors, dtype=np.float32))
    index = open_index(asked.folder / "indexes" / "lexmax-int8")
    hits = index.searcher("exact")(queries, _DEPTH, None)
    for part, values in (("ordinals", hits.ordinals), ("scores", hits.scores)):
        np.save(truth_path(asked.folder, asked.name, part), values, allow_pickle=False)


if __name__ == "__main__":
    main()
