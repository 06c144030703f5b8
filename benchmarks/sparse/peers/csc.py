"""Exact: the design of bm25s, a float32 accumulator for every document over CSC postings."""

from pathlib import Path
from typing import Any

import numpy as np
from measuring import built, note, report, timed
from numba import njit
from task import Task, read_task
from truth import transposed

_FILES = ("starts", "rows", "weights")


@njit(cache=True)
def _accumulate(starts, rows, values, term_ids, weights, scores):  # noqa: ANN001, ANN202
    scores[:] = 0.0
    for i in range(len(term_ids)):
        weight = weights[i]
        for j in range(starts[term_ids[i]], starts[term_ids[i] + 1]):
            scores[rows[j]] += weight * values[j]


@njit(cache=True)
def _heap_top(scores, k):  # noqa: ANN001, ANN202
    """The k best by a binary heap whose root is the least, best first."""
    heap, held = np.empty(k, np.float32), np.empty(k, np.int32)
    size = 0
    for row in range(len(scores)):
        score = scores[row]
        if size < k:
            place = size
            size += 1
            while place > 0 and heap[(place - 1) >> 1] > score:
                heap[place], held[place] = heap[(place - 1) >> 1], held[(place - 1) >> 1]
                place = (place - 1) >> 1
        elif score > heap[0]:
            place = 0
            while True:
                child = 2 * place + 1
                if child >= k:
                    break
                if child + 1 < k and heap[child + 1] < heap[child]:
                    child += 1
                if heap[child] >= score:
                    break
                heap[place], held[place] = heap[child], held[child]
                place = child
        else:
            continue
        heap[place], held[place] = score, row
    return held[np.argsort(-heap)]


def _partition_top(scores: Any, k: int) -> Any:
    best = np.argpartition(scores, len(scores) - k)[len(scores) - k :]
    return best[np.argsort(-scores[best])]


def main() -> None:
    """Build CSC, search it with both ways of finding the best."""
    task = read_task()
    documents = task.documents()

    def build(folder: Path) -> None:
        parts = (documents.indptr, documents.term_ids, documents.weights)
        columns = transposed(*(np.asarray(part) for part in parts))
        for name, array in zip(_FILES, columns, strict=True):
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    _compile(transposed)
    folder, figures = built(task, "csc", build)
    if task.build_only:
        return
    columns = [np.load(folder / f"{name}.npy", allow_pickle=False) for name in _FILES]
    _search(task, columns, len(documents), figures)


def _compile(function: Any) -> None:
    """Ahead of the clock: mapped arrays are read-only, which is another type to numba."""
    parts = (np.zeros(1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32))
    for part in parts:
        part.flags.writeable = False
    function(*parts)


def _search(task: Task, columns: list[Any], n_docs: int, figures: Any) -> None:
    rows = task.query_rows()
    scores = np.zeros(n_docs, np.float32)
    for mode, top in (("heap", _heap_top), ("partition", _partition_top)):
        for k in task.ks:
            if k > n_docs:
                note(f"csc: k = {k} is above {n_docs} documents")
                continue

            def search(i: int, top: Any = top, k: int = k) -> Any:
                _accumulate(*columns, *rows[i], scores)
                return top(scores, k)

            timing = timed(search, len(rows))
            report(
                task,
                system="csc",
                mode=mode,
                k=k,
                timing=timing,
                ordinals=timing.returned,
                build=figures,
                settings="float32 accumulators in numba",
            )


if __name__ == "__main__":
    main()
