"""lexmax: every engine, one query at a time, by its own API."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lexmax_index import Index, is_fixed, is_of_tokens, open_index, write_index
from measuring import Figures, built, note, report, say, timed
from numpy.typing import NDArray
from task import Task, read_task
from token_files import Tokens, batches, is_drawn

from lexmax.errors import LexmaxError
from lexmax.types import TokenBatch

_DOCS_A_BATCH = 2_000
_FILTERED_ENGINE, _SELECTIVITY, _SEED = "auto", 0.01, 0


def main() -> None:
    """Build, open, then every engine at every k, then the default engine under filters."""
    task = read_task()
    reading = Reading(task.data, task.threads)

    def build(folder: Path) -> float:
        write_index(folder, reading.documents(), codec=task.codec, threads=task.threads)
        return reading.seconds

    folder, figures = built(task, f"lexmax-{task.codec}", build)
    if task.build_only:
        return
    began = time.perf_counter()
    index = open_index(folder)
    settings = f"{task.codec}, opened in {(time.perf_counter() - began) * 1e3:.1f} ms"
    _size(task, folder, figures, index)
    found = task.query_tokens()
    queries = TokenBatch(found.offsets, np.array(found.vectors, dtype=np.float32))
    for text in task.modes:
        _one_by_one(task, index, queries, text, figures, settings)
    _filtered(task, index, queries)


class Reading:
    """Documents in batches, and the seconds that drawing them took."""

    def __init__(self, data: Path, processes: int) -> None:
        self.seconds = 0.0
        self._data, self._processes = data, processes
        self._drawn = is_drawn(data)

    def documents(self) -> Iterator[TokenBatch]:
        """All documents in order."""
        source = batches(self._data, _DOCS_A_BATCH, processes=self._processes)
        while (batch := self._next(source)) is not None:
            yield TokenBatch(batch.offsets, np.asarray(batch.vectors, dtype=np.float32))

    def _next(self, source: Iterator[Tokens]) -> Tokens | None:
        began = time.perf_counter()
        batch = next(source, None)
        if self._drawn:
            self.seconds += time.perf_counter() - began
        return batch


def _one_by_one(
    task: Task, index: Index, queries: TokenBatch, text: str, figures: Figures, settings: str
) -> None:
    single = [queries.slice(i, i + 1) for i in range(len(queries))]
    mode = text if task.codec == "int8" else f"{text} {task.codec}"
    for k in task.ks:
        if _candidates(text) < k:
            continue
        try:
            search = index.searcher(text)
            timing = timed(
                lambda i, k=k, search=search: search(single[i], k, None),
                len(single),
                cpu_clock=time.process_time_ns,
            )
        except LexmaxError as error:
            note(f"lexmax {text}: {error}")
            return
        ordinals = [hits.ordinals[0] for hits in timing.returned]
        report(
            task,
            system="lexmax",
            mode=mode,
            k=k,
            timing=timing,
            ordinals=ordinals,
            build=figures,
            settings=settings,
        )


def _candidates(text: str) -> float:
    """How many documents an engine scores, where its name says so."""
    _, found, rest = text.partition("candidates=")
    return int(rest.split("&")[0]) if found else float("inf")


def _filtered(task: Task, index: Index, queries: TokenBatch) -> None:
    """The default engine and exact, where a hundredth of the documents may be found.

    The judged documents of a query are among them, so that there is something to find.
    """
    qrels_path = task.data / f"{task.name}.qrels.json"
    if _FILTERED_ENGINE not in task.modes or not qrels_path.exists():
        return
    filters = list(_filters(task, len(queries), index.n_docs))
    tables, p50 = [], []
    for text in (_FILTERED_ENGINE, "exact"):
        search = index.searcher(text)
        timing = timed(
            lambda i, search=search: search(queries.slice(i, i + 1), 10, filters[i]),
            len(queries),
            cpu_clock=time.process_time_ns,
        )
        rows = np.full((len(queries), 10), -1, np.int64)
        for row, hits in zip(rows, timing.returned, strict=True):
            row[: hits.ordinals.shape[1]] = hits.ordinals[0]
        path = task.found / f"filtered-{task.codec}-{text}.npy"
        np.save(path, rows, allow_pickle=False)
        tables.append(str(path))
        p50.append(round(float(np.median(timing.cpu_ms)), 4))
    alive = float(np.mean([mask.mean() for mask in filters]))
    figures = {"mode": f"{_FILTERED_ENGINE} {task.codec}", "alive": round(alive, 4)}
    figures |= {"found": tables[0], "exact": tables[1]}
    say("filtered", figures | {"cpu_p50_ms": p50[0], "exact_cpu_p50_ms": p50[1]})


def _filters(task: Task, n_queries: int, n_docs: int) -> Iterator[NDArray[np.bool_]]:
    """(n_docs,) a query."""
    qrels = json.loads((task.data / f"{task.name}.qrels.json").read_text())
    query_ids = json.loads((task.data / f"{task.name}.ids.json").read_text())
    doc_ids = json.loads((task.data / "documents.ids.json").read_text())
    ordinal_of = {doc_id: ordinal for ordinal, doc_id in enumerate(doc_ids)}
    random = np.random.default_rng(_SEED)
    for query in query_ids[:n_queries]:
        alive = random.random(n_docs) < _SELECTIVITY
        relevant = [d for d, grade in qrels[query].items() if grade > 0 and d in ordinal_of]
        alive[[ordinal_of[d] for d in relevant]] = True
        yield alive


def _size(task: Task, folder: Path, figures: Figures, index: Index) -> None:
    """What the index is made of: bytes of every file."""
    files = {p.name: p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}
    of_tokens = sum(n for name, n in files.items() if is_of_tokens(name))
    fixed = sum(n for name, n in files.items() if is_fixed(name))
    of_documents = sum(files.values()) - of_tokens - fixed
    say(
        "size",
        {
            "codec": task.codec,
            "docs": index.n_docs,
            "tokens": index.n_tokens,
            "files": files,
            "bytes_a_token": round(of_tokens / index.n_tokens, 2),
            "candidate_bytes_a_document": round(of_documents / index.n_docs, 1),
            "fixed_bytes": fixed,
            "build_s": figures["build_s"],
            "threads": task.threads,
            "docs_a_second": round(index.n_docs / float(figures["build_s"] or 1e-9), 1),
        },
    )


if __name__ == "__main__":
    main()
