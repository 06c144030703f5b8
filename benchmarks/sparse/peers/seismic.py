"""Approximate: Seismic (pyseismic-lsr), pruned lists of clustered blocks with summaries."""

from pathlib import Path
from typing import Any

import numpy as np
import seismic
from measuring import built, report, timed
from task import Task, read_task
from vectors import Vectors

# Lists must grow with the collection; on concentrated ones shorter lists reach the same recall.
_LISTS_AT_100K = {"hard": 400, "concentrated": 200}
_BUILD = {
    "centroid_fraction": 0.1,
    "summary_energy": 0.4,
    "max_fraction": 6.0,
    "min_cluster_size": 2,
}
# (query_cut, heap_factor), cheapest first.
_FEW = ((3, 0.9), (4, 0.9), (5, 0.9), (6, 0.9), (8, 0.8), (10, 0.8), (10, 0.7), (16, 0.6))
_MANY = ((6, 0.8), (8, 0.8), (10, 0.8), (12, 0.7), (16, 0.6), (30, 0.5))
_FEW_K = 20
_CHUNK = 100_000


def n_postings(profile: str, n_docs: int) -> int:
    """Postings a term on average: 400 at 100k documents and 1,000 at 1M, `hard`."""
    return round(_LISTS_AT_100K[profile] * (n_docs / 100_000) ** 0.4)


def write_inner_format(documents: Vectors, path: Path) -> None:
    """u32 n, then per document u32 length, u32 term ids, f32 weights."""
    with path.open("wb") as file:
        np.array([len(documents)], np.uint32).tofile(file)
        for start in range(0, len(documents), _CHUNK):
            indptr = documents.indptr[start : start + _CHUNK + 1]
            terms = documents.term_ids[indptr[0] : indptr[-1]]
            weights = documents.weights[indptr[0] : indptr[-1]]
            _interleaved(indptr - indptr[0], terms, weights).tofile(file)


def _interleaved(indptr: Any, terms: Any, weights: Any) -> Any:
    lengths = np.diff(indptr)
    n = len(lengths)
    out = np.empty(n + 2 * len(terms), np.uint32)
    starts = np.arange(n) + 2 * indptr[:-1]
    out[starts] = lengths
    places = np.arange(len(terms)) + np.repeat(starts + 1 - indptr[:-1], lengths)
    out[places] = terms
    out[places + np.repeat(lengths, lengths)] = weights.view(np.uint32)
    return out


def main() -> None:
    """Build once, sweep the knobs."""
    task = read_task()
    profile, _, n_docs = task.data.name.rpartition("-")
    lists = n_postings(profile, int(n_docs))
    raw = task.indexes / "seismic.bin"

    def build(folder: Path) -> None:
        index = seismic.SeismicIndexRaw.build(str(raw), n_postings=lists, **_BUILD)
        index.save(str(folder / "index"))

    name = f"seismic-{lists}"
    if task.rebuild or not (task.indexes / f"{name}.build.json").exists():
        task.indexes.mkdir(parents=True, exist_ok=True)
        write_inner_format(task.documents(), raw)
    folder, figures = built(task, name, build)
    raw.unlink(missing_ok=True)
    if not task.build_only:
        path = next(p for p in folder.iterdir() if p.is_file())
        _sweep(task, seismic.SeismicIndexRaw.load(str(path)), lists, figures)


def _sweep(task: Task, index: Any, lists: int, figures: Any) -> None:
    rows = [(terms.astype(np.int32), weights) for terms, weights in task.query_rows()]
    for k in task.ks:
        for cut, heap in _FEW if k <= _FEW_K else _MANY:

            def search(i: int, k: int = k, cut: int = cut, heap: float = heap) -> Any:
                return index.search(*rows[i], k, cut, heap, 0, True)

            timing = timed(search, len(rows))
            report(
                task,
                system="seismic",
                mode=f"cut={cut} heap={heap}",
                k=k,
                timing=timing,
                ordinals=[[doc for _, doc in hits] for hits in timing.returned],
                build=figures,
                settings=f"n_postings={lists} {_BUILD}",
            )


if __name__ == "__main__":
    main()
