"""Safe and approximate: BMP (PyPI bmp), block maxima over documents in a clustered order.

Documents go in the order of the topics that made them, the best order that anyone could find.
Impacts have 8 bits; query weights are cut to 32 levels, and scores wrap above 65,535 without a
word, so impacts are scaled until the best true score of every query stays below 60,000.
"""

from pathlib import Path
from typing import Any

import numpy as np
from bmp import Indexer, Searcher
from measuring import built, note, report, timed
from task import Task, read_task
from vectors import Vectors, map_vectors, truth_path

_BLOCK_DOCS = 32
_QUERY_LEVELS = 32
_MAX_SCORE = 60_000
_MAX_IMPACT = 255
# (alpha, beta): how far bounds are trusted, and the share of query terms kept.
_KNOBS = ((1.0, 1.0), (0.85, 1.0), (0.7, 1.0), (0.7, 0.7))
_MAX_DOCS = 1_000_000


def main() -> None:
    """Build once, sweep the knobs."""
    task = read_task()
    documents = task.documents()
    if len(documents) > _MAX_DOCS:
        note(f"bmp: {len(documents)} documents pass through Python one by one; not built")
        return
    scale = _impact_scale(task.data, documents)
    order = np.argsort(np.load(task.data / "topics.npy"), kind="stable")

    def build(folder: Path) -> None:
        indexer = Indexer(str(folder / "index"), _BLOCK_DOCS, True)
        for i in order.tolist():
            terms, weights = documents.row(i)
            impacts = np.clip(np.rint(weights * scale), 1, _MAX_IMPACT).astype(int)
            words = map(str, terms.tolist())
            indexer.add_document(str(i), dict(zip(words, impacts.tolist(), strict=True)))
        indexer.finish()

    folder, figures = built(task, f"bmp-{_BLOCK_DOCS}", build)
    if not task.build_only:
        _sweep(task, Searcher(str(folder / "index")), figures, scale)


def _impact_scale(data: Path, documents: Vectors) -> float:
    """The same for every run over a collection: all its queries count."""
    starts = range(0, len(documents.weights), 1 << 24)
    largest = max(float(documents.weights[s : s + (1 << 24)].max()) for s in starts)
    worst = max(_worst_score(data, name) for name in ("test", "train"))
    return min(_MAX_IMPACT / largest, _MAX_SCORE / worst)


def _worst_score(data: Path, name: str) -> float:
    """The largest score in BMP's units a unit of impact scale, rounding allowed for."""
    queries, best = map_vectors(data, name), np.load(truth_path(data, name, "scores"))[:, 0]
    worst = 1.0
    for i, score in enumerate(best.tolist()):
        weights = queries.row(i)[1]
        levels = _QUERY_LEVELS / float(weights.max())
        worst = max(worst, score * 1.06 * levels + len(weights) * _QUERY_LEVELS)
    return worst


def _sweep(task: Task, searcher: Any, figures: Any, scale: float) -> None:
    rows = [
        dict(zip(map(str, terms.tolist()), weights.tolist(), strict=True))
        for terms, weights in task.query_rows()
    ]
    for k in task.ks:
        for alpha, beta in _KNOBS:

            def search(i: int, k: int = k, alpha: float = alpha, beta: float = beta) -> Any:
                return searcher.search(rows[i], k, alpha, beta)

            timing = timed(search, len(rows))
            report(
                task,
                system="bmp",
                mode=f"alpha={alpha} beta={beta}",
                k=k,
                timing=timing,
                ordinals=[[int(doc) for doc in docs] for docs, _ in timing.returned],
                build=figures,
                settings=f"blocks of {_BLOCK_DOCS}, impact scale {scale:.1f}, order of topics",
            )


if __name__ == "__main__":
    main()
