"""How good is what a system found, by the judgements of a collection?"""

import json
from collections.abc import Sequence
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import nDCG
from numpy.typing import NDArray
from token_files import read_ids

Qrels = dict[str, dict[str, int]]


def read_qrels(folder: Path, name: str) -> Qrels | None:
    """Grades by query and document; None where nothing is judged."""
    path = folder / f"{name}.qrels.json"
    return dict(json.loads(path.read_text())) if path.exists() else None


def ndcg(
    found: NDArray[np.int64], qrels: Qrels, query_ids: Sequence[str], doc_ids: Sequence[str]
) -> float:
    """nDCG@10 of the queries found, (n, k) ordinals best first, -1 for no hit."""
    run = {
        query: {doc_ids[ordinal]: -float(rank) for rank, ordinal in enumerate(row) if ordinal >= 0}
        for query, row in zip(query_ids, found.tolist(), strict=False)
    }
    judged = {query: qrels[query] for query in run if query in qrels}
    value: float = ir_measures.calc_aggregate([nDCG @ 10], judged, run)[nDCG @ 10]
    return value


def ndcg_of(folder: Path, name: str, found: NDArray[np.int64]) -> float | None:
    """nDCG@10 of what was found in a collection; None where nothing is judged."""
    qrels = read_qrels(folder, name)
    if qrels is None:
        return None
    return ndcg(found, qrels, read_ids(folder, name), read_ids(folder, "documents"))
