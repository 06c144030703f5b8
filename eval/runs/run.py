"""What did a system answer to each query, in which order?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError

HIGHEST = np.float32(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Run:
    """The ranked documents of each query, best first, without the queries that found none.

    Attributes:
        name: of the system; the tag column of a TREC run.
        doc_ids: by query_id, no document twice in a query.
        scores: by query_id, float32, one for each doc_id; bigger is better.
        warnings: what of its file is not as it should be, in sentences.

    Raises:
        EvaluationError: if doc_ids and scores differ in their queries or lengths.
    """

    name: str
    doc_ids: Mapping[str, Sequence[str]]
    scores: Mapping[str, NDArray[np.float32]]
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lengths = {query_id: len(ids) for query_id, ids in self.doc_ids.items()}
        if lengths != {query_id: len(scores) for query_id, scores in self.scores.items()}:
            raise EvaluationError(
                f"run {self.name!r}: doc_ids and scores differ in queries or lengths; expected "
                "one score for each doc_id"
            )
