"""WARP: xtr-warp-rs on one thread of the processor, its default index."""

import os

# Read by libtorch and rayon when they are loaded.
os.environ |= {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import built, note, report, timed
from task import Task, read_task
from token_files import is_drawn, map_tokens
from xtr_warp.search import XTRWarp

# `default` lets it choose by the index's density and k; numbers are nprobe.
_MODES = ("default", "4", "8", "16", "32", "64")


def main() -> None:
    """Build once, search with every setting."""
    task = read_task()
    torch.set_num_threads(1)
    if is_drawn(task.data):
        note("xtr-warp-rs takes all vectors in memory; not built")
        return

    def build(folder: Path) -> None:
        documents = map_tokens(task.data, "documents")
        vectors = torch.from_numpy(np.asarray(documents.vectors, dtype=np.float32))
        parts = list(torch.split(vectors, np.diff(documents.offsets).tolist()))
        index = XTRWarp(str(folder))
        index.create(embeddings_source=parts, device="cpu", show_progress=False)

    folder, figures = built(task, "warp", build)
    if not task.build_only:
        index = XTRWarp(str(folder))
        index.load("cpu")
        _sweep(task, index, figures)


def _sweep(task: Task, index: Any, figures: Any) -> None:
    queries = task.query_tokens()
    rows = [torch.from_numpy(np.array(queries.row(i)))[None] for i in range(len(queries))]
    for k in task.ks:
        for mode in task.modes or _MODES:
            probes = None if mode == "default" else int(mode)

            def search(i: int, k: int = k, probes: int | None = probes) -> Any:
                return index.search(
                    rows[i], top_k=k, num_threads=1, nprobe=probes, show_progress=False
                )[0]

            timing = timed(search, len(rows), warm=5, cpu_clock=time.process_time_ns)
            report(
                task,
                system="warp",
                mode=mode if probes is None else f"nprobe={probes}",
                k=k,
                timing=timing,
                ordinals=[[hit[0] for hit in hits] for hits in timing.returned],
                build=figures,
                settings="scores with imputation; CPU of the process",
            )


if __name__ == "__main__":
    main()
