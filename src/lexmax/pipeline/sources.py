"""What may the stages of a pipeline read?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import PipelineError
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline.collection_encoders import CollectionEncoders
from lexmax.relevance import Calibration
from lexmax.reranking import Deadline, ScoreCache
from lexmax.reranking.deadline import NEVER
from lexmax.stages import Conditions


def _no_texts(_: NDArray[np.int64]) -> list[str]:
    raise PipelineError("the pipeline reads texts, and none are at hand; leave that stage out")


def _no_filter(_: Snapshot, conditions: Conditions) -> Snapshot:
    raise PipelineError(f"found the filter {conditions!r}, and no declared fields; leave it out")


def _no_calibration(name: str) -> Calibration:
    raise PipelineError(f"found no calibration {name!r}; run `lexmax calibrate`")


@dataclass(frozen=True, slots=True)
class Sources:
    """One state of a collection, and how its parts are read.

    Attributes:
        snapshot: The documents that may be found.
        encoders: Of the collection.
        texts: Gives the texts of documents by their ordinals.
        matching: Gives a snapshot in which only what meets the conditions is found.
        calibration: Gives the calibration of a name, if it is for this very pipeline and state.
        scores: What pairs of texts have scored before.
        deadline: When stages that may be left out are left out.
    """

    snapshot: Snapshot
    encoders: CollectionEncoders
    texts: Callable[[NDArray[np.int64]], Sequence[str]] = _no_texts
    matching: Callable[[Snapshot, Conditions], Snapshot] = _no_filter
    calibration: Callable[[str], Calibration] = _no_calibration
    scores: ScoreCache | None = None
    deadline: Deadline = NEVER

    @property
    def in_time(self) -> bool:
        """Whether there is time for another stage."""
        return self.deadline.left_s > 0
