"""What a user puts together: FDEs by numpy in FAISS, and MaxSim by padded products in torch.

Faithful MUVERA encodings (20 repetitions, 5 SimHash bits, 16 coordinates, empty cells filled: the
paper's 10,240 coordinates) in 4-bit product-quantized fast-scan codes; the best are scored as
PyLate does. `brute` scores every document by torch, padded in parts ahead of the clock.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from measuring import built, note, report, timed
from peers.muvera import Encoder
from task import Task, read_task
from token_files import Tokens, batches, is_drawn, map_tokens

_CANDIDATES = (100, 200, 500, 1000, 2000)
_COORDINATES_A_CODE = 8
_TRAIN_DOCS, _DOCS_A_BATCH = 20_000, 500
_BRUTE_QUERIES, _DOCS_A_PART = 20, 500
_MAX_PADDED_BYTES = 6 << 30
_FILE = "index.faiss"


def main() -> None:
    """Build once; search with every number of candidates, then score everything."""
    task = read_task()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    if is_drawn(task.data):
        note("faiss: encodings by numpy take milliseconds a document; not built")
        return

    def build(folder: Path) -> None:
        index = _built_index(task.data)
        faiss.write_index(index, str(folder / _FILE))

    folder, figures = built(task, "faiss", build)
    if task.build_only:
        return
    documents, queries = map_tokens(task.data, "documents"), task.query_tokens()
    _search(task, faiss.read_index(str(folder / _FILE)), documents, queries, figures)
    _brute(task, documents, queries)


def _built_index(data: Path) -> Any:
    encoder: Encoder | None = None
    parts, index, held = [], None, 0
    for batch in batches(data, _DOCS_A_BATCH):
        encoder = encoder or Encoder(batch.dim)
        parts.append(encoder.documents(batch))
        held += len(batch)
        if index is None and held >= _TRAIN_DOCS:
            index = _trained(np.concatenate(parts))
        if index is not None:
            for part in parts:
                index.add(part)
            parts = []
    if index is None:
        index = _trained(np.concatenate(parts))
        for part in parts:
            index.add(part)
    return index


def _trained(encodings: Any) -> Any:
    width = encodings.shape[1]
    index = faiss.IndexPQFastScan(
        width, width // _COORDINATES_A_CODE, 4, faiss.METRIC_INNER_PRODUCT
    )
    index.train(encodings)
    return index


def _search(task: Task, index: Any, documents: Tokens, queries: Tokens, figures: Any) -> None:
    encoder = Encoder(documents.dim)
    rows = [np.array(queries.row(i)) for i in range(len(queries))]
    vectors_bytes = documents.vectors.nbytes + documents.offsets.nbytes
    figures = figures | {"bytes": figures["bytes"] + vectors_bytes}
    for k in task.ks:
        for n in task.modes or _CANDIDATES:
            n = int(n)
            if n < k:
                continue

            def search(i: int, n: int = n, k: int = k) -> Any:
                _, found = index.search(encoder.query(rows[i])[None], min(n, len(documents)))
                chosen = np.sort(found[0][found[0] >= 0])
                padded, mask = _padded(documents, chosen)
                scores = _maxsim(torch.from_numpy(rows[i]), padded, mask)
                return chosen[torch.topk(scores, min(k, len(chosen))).indices.numpy()]

            timing = timed(search, len(rows), warm=3, cpu_clock=time.process_time_ns)
            report(
                task,
                system="faiss",
                mode=f"candidates={n}",
                k=k,
                timing=timing,
                ordinals=timing.returned,
                build=figures,
                settings="FDE 10,240, IndexPQFastScan, padded products over float16 vectors",
            )


def _padded(documents: Tokens, chosen: Any) -> tuple[Any, Any]:
    """Vectors (n, longest, dim) and whether there is a token (n, longest), in torch."""
    rows = [torch.from_numpy(np.array(documents.row(int(i)), dtype=np.float32)) for i in chosen]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return padded, torch.arange(padded.shape[1])[None] < lengths[:, None]


def _maxsim(query: Any, padded: Any, mask: Any) -> Any:
    products = torch.einsum("qd,ntd->nqt", query, padded)
    return products.masked_fill(~mask[:, None], -torch.inf).amax(2).sum(1)


def _brute(task: Task, documents: Tokens, queries: Tokens) -> None:
    longest = int(np.diff(documents.offsets).max())
    n_bytes = len(documents) * longest * documents.dim * 4
    if n_bytes > _MAX_PADDED_BYTES:
        note(f"torch: {n_bytes / 1e9:.0f} GB of padded vectors; not measured")
        return
    # Order by length keeps the padding small.
    order = np.argsort(np.diff(documents.offsets), kind="stable")
    cuts = range(0, len(order), _DOCS_A_PART)
    parts = [_padded(documents, order[a : a + _DOCS_A_PART]) for a in cuts]
    rows = [torch.from_numpy(np.array(queries.row(i))) for i in range(len(queries))]
    for k in task.ks:

        def search(i: int, k: int = k) -> Any:
            scores = torch.cat([_maxsim(rows[i], *part) for part in parts])
            return order[torch.topk(scores, k).indices.numpy()]

        n = min(_BRUTE_QUERIES, len(rows))
        timing = timed(search, n, warm=1, cpu_clock=time.process_time_ns)
        report(
            task,
            system="torch",
            mode="brute",
            k=k,
            timing=timing,
            ordinals=timing.returned,
            build={"bytes": n_bytes},
            settings=f"float32, padded ahead of the clock, {n} queries",
        )


if __name__ == "__main__":
    main()
