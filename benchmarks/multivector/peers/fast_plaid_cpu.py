"""PLAID: fast-plaid on one thread of the processor, its default index.

A search is timed for the greatest k; its first hits answer the smaller ones, because what it
scores depends on its two settings alone.
"""

import os

# Read by libtorch and rayon when they are loaded.
os.environ |= {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fast_plaid import search as fast_plaid
from measuring import built, note, report, timed
from task import Task, read_task
from token_files import is_drawn, map_tokens

# (n_ivf_probe, n_full_scores), cheapest first; 8 and 4096 are its defaults.
_MODES = ("2/512", "4/1024", "8/4096", "32/8192")


def main() -> None:
    """Build once, search with every setting."""
    task = read_task()
    torch.set_num_threads(1)
    if is_drawn(task.data):
        note("fast-plaid takes all vectors in memory; not built")
        return

    def build(folder: Path) -> None:
        documents = map_tokens(task.data, "documents")
        vectors = torch.from_numpy(np.array(documents.vectors))
        parts = list(torch.split(vectors, np.diff(documents.offsets).tolist()))
        with fast_plaid.FastPlaid(index=str(folder), device="cpu") as index:
            index.create(documents_embeddings=parts)

    folder, figures = built(task, "fast-plaid", build)
    if not task.build_only:
        index = fast_plaid.FastPlaid(index=str(folder), device="cpu")
        _sweep(task, index, figures)


def _sweep(task: Task, index: Any, figures: Any) -> None:
    queries = task.query_tokens()
    rows = [torch.from_numpy(np.array(queries.row(i)))[None] for i in range(len(queries))]
    depth = max(task.ks)
    for mode in task.modes or _MODES:
        probes, scored = map(int, mode.split("/"))

        def search(i: int, probes: int = probes, scored: int = scored) -> Any:
            return index.search(
                rows[i],
                top_k=depth,
                n_ivf_probe=probes,
                n_full_scores=scored,
                show_progress=False,
            )[0]

        timing = timed(search, len(rows), warm=3, cpu_clock=time.process_time_ns)
        for k in task.ks:
            report(
                task,
                system="fast-plaid",
                mode=mode,
                k=k,
                timing=timing,
                ordinals=[[ordinal for ordinal, _ in hits[:k]] for hits in timing.returned],
                build=figures,
                settings=f"probes/full scores; CPU of the process; timed for k = {depth}",
            )


if __name__ == "__main__":
    main()
