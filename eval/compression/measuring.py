"""How good, how large and how fast is one way of storing vectors?"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.compression.codecs.codec import Floats, n_bytes
from lexmax.eval.compression.outcomes import MEASURES, QUALITY, Row, recall_of
from lexmax.eval.compression.scan import NUMPY, Scan, Way
from lexmax.eval.measures import Evaluator
from lexmax.eval.qrels import Qrels
from lexmax.index.threads import one_thread
from lexmax.types import Hits, TokenBatch

DEPTH = 100
"""Documents that each search is asked for."""

# Queries that are timed one by one; each takes long where numpy decodes all documents for it.
_TIMED, _TIMED_IN_NUMPY = 30, 2

V = TypeVar("V")
Q = TypeVar("Q", Floats, TokenBatch)
Figures = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One way, built with one seed.

    Attributes:
        scanned_by: as of `Scan`.
        stored_bytes: of all documents.
        fixed_bytes: of what is stored once.
        build_s: processor seconds.
        query_ms: processor milliseconds.
        figures: by measure and query_id.
    """

    scanned_by: str
    stored_bytes: int
    fixed_bytes: int
    build_s: float
    query_ms: float
    figures: Figures


class Judge(Generic[Q]):
    """Measures ways over the same queries, by judgements and by the exact answer."""

    def __init__(
        self,
        queries: Q,
        exact: Hits,
        *,
        query_ids: Sequence[str],
        doc_ids: Sequence[str],
        qrels: Qrels,
    ) -> None:
        """`exact` are the first 100 of each query, over vectors that nothing has rounded."""
        self._queries: Q = queries
        self._exact = exact
        self._query_ids, self._doc_ids = query_ids, doc_ids
        judged = {query_id: qrels.get(query_id, {}) for query_id in query_ids}
        self._evaluator = Evaluator(judged, (QUALITY,))

    def measure(self, way: Way[V, Q], vectors: V, seed: int) -> Measured:
        """Build, search all queries, and time some of them on one thread."""
        start = time.process_time()
        with one_thread():
            scan = way.build(vectors, seed)
        build_s = time.process_time() - start
        hits = searched(scan, self._queries)
        return Measured(
            scan.scanned_by,
            n_bytes(scan.stored),
            n_bytes(scan.fixed),
            build_s,
            self._query_ms(scan),
            self.figures(hits),
        )

    def figures(self, hits: Hits) -> dict[str, dict[str, float]]:
        """By measure and query_id, of the first 100 of each query."""
        rankings = {
            query_id: self._named(hits.row(i)[0]) for i, query_id in enumerate(self._query_ids)
        }
        by_query = self._evaluator.evaluate(rankings).by_query[QUALITY]
        shares: list[dict[str, float]] = [
            self._shares(hits, *cutoffs) for cutoffs in ((10, 10), (100, 100), (100, 10))
        ]
        return dict(zip(MEASURES, [dict(by_query), *shares], strict=True))

    def _named(self, ordinals: NDArray[np.int64]) -> list[str]:
        places: list[int] = ordinals.tolist()
        return [self._doc_ids[place] for place in places]

    def _shares(self, hits: Hits, found: int, wanted: int) -> dict[str, float]:
        ours, exact = hits.ordinals[:, :found], self._exact.ordinals[:, :wanted]
        return {
            query_id: recall_of(ours[i], exact[i]) for i, query_id in enumerate(self._query_ids)
        }

    def _query_ms(self, scan: Scan[Q]) -> float:
        in_numpy = scan.scanned_by == NUMPY
        n = min(len(self._queries), _TIMED_IN_NUMPY if in_numpy else _TIMED)
        stride = max(1, len(self._queries) // max(1, n))
        some = [one_query(self._queries, i * stride) for i in range(n)]
        with one_thread():
            if not in_numpy:
                # Kernels choose their instructions, and stores make their indexes, when first used.
                scan.search(some[0], DEPTH)
            start = time.process_time()
            for query in some:
                scan.search(query, DEPTH)
            return (time.process_time() - start) * 1000 / len(some)


def searched(scan: Scan[Q], queries: Q) -> Hits:
    """The first 100 documents of each query."""
    with one_thread():
        return scan.search(queries, DEPTH)


def one_query(queries: Any, i: int) -> Any:
    """Query `i` alone, of the same type."""
    if isinstance(queries, TokenBatch):
        return queries.slice(i, i + 1)
    return queries[i : i + 1]


def row_of(way: Way[Any, Any], runs: Sequence[Measured], *, n_docs: int, n_vectors: int) -> Row:
    """The row of a way that was measured with one seed or more."""

    def mean(of: Callable[[Measured], float]) -> float:
        return float(np.mean([of(run) for run in runs]))

    stored = mean(lambda run: run.stored_bytes)
    return Row(
        way.name,
        way.family,
        way.served,
        runs[0].scanned_by,
        stored / n_docs,
        stored / max(1, n_vectors),
        round(mean(lambda run: run.fixed_bytes)),
        mean(lambda run: run.build_s),
        mean(lambda run: run.query_ms),
        _averaged([run.figures for run in runs]),
        _spread([run.figures for run in runs]),
    )


def _averaged(figures: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """The mean over seeds, query by query."""
    return {
        measure: {q: float(np.mean([one[measure][q] for one in figures])) for q in by_query}
        for measure, by_query in figures[0].items()
    }


def _spread(figures: Sequence[Figures]) -> dict[str, tuple[float, float]] | None:
    if len(figures) < 2:
        return None
    found: dict[str, tuple[float, float]] = {}
    for measure in figures[0]:
        means = [float(np.nanmean(list(one[measure].values()))) for one in figures]
        found[measure] = min(means), max(means)
    return found
