"""How does a service learn what is relevant? As `lexmax calibrate` does, in a job."""

from pathlib import Path

from lexmax.calibration import calibrate
from lexmax.collection import Collection
from lexmax.service.calibration_schemas import CalibrationMade, CalibrationOrder
from lexmax.service.job_watch import JobWatch
from lexmax.stages import named

# Of its time, roughly, searching takes this share; the rest is training.
_SEARCHING = 0.5


def run_calibration(collection: Collection, order: Path, watch: JobWatch) -> None:
    """Calibrate by the order that was sent; interrupted, nothing was written, and it begins anew.

    Raises:
        CalibrationError: if too few queries are judged, or the target cannot be reached.
        PipelineError: if the collection cannot run the pipeline.
        KeyboardInterrupt: if it was stopped.
    """
    asked = CalibrationOrder.model_validate_json(order.read_bytes())
    report = calibrate(
        collection,
        asked.queries,
        asked.qrels,
        pipeline=None if asked.pipeline is None else named(asked.pipeline),
        rules=asked.rules,
        name=asked.name,
        watcher=_Watching(watch),
    )
    watch.calibrated(CalibrationMade.of(report))


class _Watching:
    """Tells the job how far its calibration is."""

    def __init__(self, watch: JobWatch) -> None:
        self._watch = watch

    def advance(self, stage: str, done: int, total: int) -> None:
        share = done / total if total else 1.0
        if stage == "search":
            self._watch.went(_SEARCHING * share)
        else:
            self._watch.went(_SEARCHING + (1 - _SEARCHING) * share)

    def stopped(self) -> bool:
        return self._watch.cancelled or self._watch.stopped()
