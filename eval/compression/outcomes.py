"""What did each way of storing vectors cost, and what did it keep?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.significance import Comparison
from lexmax.types import Json

MEASURES = ("nDCG@10", "recall@10", "recall@100", "10 in 100")
"""nDCG@10 by the judgements; the others by the exact answer over float32 vectors: the share of its
first 10 (100) that is among the first 10 (100), and of its first 10 among the first 100."""

QUALITY = MEASURES[0]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to store the vectors of a collection.

    Attributes:
        name: what tables call it.
        family: ways of one family are a line in a picture.
        served: how `lexmax index` is asked for it; empty for what is only studied.
        scanned_by: whose loops read the codes; times of two of these do not compare.
        document_bytes: bytes stored for a document, on average.
        vector_bytes: bytes stored for a vector.
        fixed_bytes: bytes stored once: codebooks, matrices, centroids.
        build_s: processor seconds to fit and code all documents.
        query_ms: processor milliseconds of one query on one thread, its first 100.
        figures: by measure and query_id; the mean over seeds where there are several.
        spread: by measure, the least and the greatest mean of a seed; None for one seed.
    """

    name: str
    family: str
    served: str
    scanned_by: str
    document_bytes: float
    vector_bytes: float
    fixed_bytes: int
    build_s: float
    query_ms: float
    figures: Mapping[str, Mapping[str, float]]
    spread: Mapping[str, tuple[float, float]] | None = None

    def mean(self, measure: str) -> float:
        """Of a measure, over the queries that it says something about."""
        values = [value for value in self.figures[measure].values() if not np.isnan(value)]
        return float(np.mean(values)) if values else float("nan")

    def as_json(self) -> dict[str, Json]:
        """All of it but the figures of single queries."""
        return {
            "name": self.name,
            "family": self.family,
            "served": self.served or None,
            "scanned_by": self.scanned_by,
            "document_bytes": self.document_bytes,
            "vector_bytes": self.vector_bytes,
            "fixed_bytes": self.fixed_bytes,
            "build_s": self.build_s,
            "query_ms": self.query_ms,
            **{measure: self.mean(measure) for measure in self.figures},
            "spread": None if self.spread is None else {k: list(v) for k, v in self.spread.items()},
        }


@dataclass(frozen=True, slots=True)
class Ladder:
    """All ways of one kind of vectors.

    Attributes:
        kind: "pooled", "tokens" or "encodings".
        about: what the vectors are, in a line.
        baseline: the row that others are compared with; None where it is not there.
        rows: in the order of the ladder.
        comparison: of nDCG@10 with that row; None where there is nothing to compare.
        n_queries: that were measured.
    """

    kind: str
    about: str
    baseline: str | None
    rows: tuple[Row, ...]
    comparison: Comparison | None
    n_queries: int

    def change(self, row: Row) -> tuple[float, float, bool] | None:
        """How nDCG@10 differs from the baseline's: the mean, p corrected, whether significant."""
        if self.comparison is None or row.name == self.baseline:
            return None
        for one in self.comparison.differences:
            if row.name in (one.first, one.second):
                sign = 1 if one.first == row.name else -1
                return sign * one.mean, one.p_corrected, one.is_significant
        return None

    def as_json(self) -> dict[str, Json]:
        """All of it, as plain values."""
        rows = [{**row.as_json(), "beside_baseline": self._beside(row)} for row in self.rows]
        return {
            "kind": self.kind,
            "about": self.about,
            "baseline": self.baseline,
            "queries": self.n_queries,
            "rows": rows,
            "comparison": self.comparison.as_json() if self.comparison else None,
        }

    def _beside(self, row: Row) -> dict[str, Json] | None:
        changed = self.change(row)
        if changed is None:
            return None
        difference, p, is_significant = changed
        return {"difference": difference, "p": p, "significant": is_significant}


@dataclass(frozen=True, slots=True)
class CompressionStudy:
    """The ladders of one collection.

    Attributes:
        name: of the collection.
        about: what was studied, as plain values.
        ladders: one for each kind of vectors.
        warnings: what the figures do not cover, in sentences.
    """

    name: str
    about: Mapping[str, Json]
    ladders: tuple[Ladder, ...]
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """All of it, as plain values."""
        return {
            "name": self.name,
            **self.about,
            "ladders": [ladder.as_json() for ladder in self.ladders],
            "warnings": list(self.warnings),
        }


def recall_of(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """Share of the exact ordinals that were found; NaN where there are none. -1 is no ordinal."""
    wanted = exact[exact >= 0]
    if len(wanted) == 0:
        return float("nan")
    return float(np.isin(wanted, found).mean())
