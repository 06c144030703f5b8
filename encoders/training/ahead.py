"""Which batch will be wanted next? It is made in a thread while the device computes."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol

from lexmax.encoders.training.batch import TrainingBatch


class BatchSource(Protocol):
    """Gives batches by number; may be asked from any thread."""

    def at(self, number: int, *, step: int) -> TrainingBatch:
        """Batch `number`, as it is at an optimiser step."""
        ...


class Ahead:
    """Batches of a source, in the order of training."""

    def __init__(self, source: BatchSource, *, accumulation: int) -> None:
        """Starts a thread; `accumulation` batches make an optimiser step."""
        self._source, self._accumulation = source, accumulation
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._made: tuple[int, Future[TrainingBatch]] | None = None

    def at(self, number: int) -> TrainingBatch:
        """Batch `number`, at the optimiser step that it is part of."""
        found = self._made
        batch = found[1].result() if found and found[0] == number else self._batch(number)
        self._made = (number + 1, self._pool.submit(self._batch, number + 1))
        return batch

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _batch(self, number: int) -> TrainingBatch:
        return self._source.at(number, step=number // self._accumulation)
