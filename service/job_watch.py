"""How far is a job, and is it to stop? Written by the thread that runs it, read by those who ask.

A job stores a batch, builds a segment of it, stores the next: what it brings is searchable bit by
bit, and no stop takes long. Batches grow as long as they take little time.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lexmax.corpus import Reject
from lexmax.index.document_rows import UpsertCount
from lexmax.service.calibration_schemas import CalibrationMade
from lexmax.service.jobs import MOST_REJECTS_SHOWN, Job, RejectedEntry
from lexmax.types import Document

_FEWEST_DOCS, _MOST_DOCS = 1024, 16_384
_MOST_CHARS = 32_000_000
_SHORT_S, _LONG_S = 5.0, 20.0
_MOST_REASON_CHARS = 300


@dataclass(slots=True)
class BatchSize:
    """How many documents are stored and built together, by how long the last ones took."""

    docs: int = _FEWEST_DOCS

    def took(self, n_docs: int, seconds: float) -> None:
        """Go on with more where a full batch was quick, with fewer where one was slow."""
        if seconds > _LONG_S:
            self.docs = max(self.docs // 2, _FEWEST_DOCS)
        elif seconds < _SHORT_S and n_docs >= self.docs:
            self.docs = min(self.docs * 2, _MOST_DOCS)

    def batches(self, documents: Iterator[Document]) -> Iterator[list[Document]]:
        """The documents in their order; `took` is asked anew for each batch."""
        batch: list[Document] = []
        n_chars = 0
        for document in documents:
            batch.append(document)
            n_chars += len(document.text)
            if len(batch) >= self.docs or n_chars >= _MOST_CHARS:
                yield batch
                batch, n_chars = [], 0
        if batch:
            yield batch


class JobWatch:
    """One run of a job: a watcher for those who build, and the newest `job` for those who ask."""

    def __init__(
        self,
        job: Job,
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Counts go on after those of earlier runs; `is_stopping` is of the service."""
        self.job = job
        self.cancelled = self._at_once = False
        self._is_stopping, self._clock = is_stopping, clock
        self._began = clock()
        self._before = job.counts
        self._read_before = job.counts.read
        self._encoded, self._in_build, self._build_is_new = job.counts.encoded, 0, True
        self._bytes_seen = self._bytes_before = job.counts.bytes_read
        self._batch_bytes = (self._bytes_before, self._bytes_before)
        self._rejects: list[RejectedEntry] = []
        self._rejected = 0

    def cancel(self) -> None:
        """Read no more, and build what is stored; told twice, stop after the part at hand."""
        self._at_once = self.cancelled
        self.cancelled = True
        self._change()

    def stopped(self) -> bool:
        """Whether a build is to stop after the part at hand."""
        return self._at_once or self._is_stopping()

    def require_going_on(self) -> None:
        """Read no further where nobody wants it.

        Raises:
            KeyboardInterrupt: then.
        """
        if self.cancelled or self.stopped():
            raise KeyboardInterrupt

    def advance(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` texts of a segment have passed `stage`."""
        if stage != "encode":
            return
        # A build begins with what was encoded before it was interrupted.
        if not self._build_is_new:
            self._encoded += done - self._in_build
        self._in_build, self._build_is_new = done, done >= total
        start, end = self._batch_bytes
        share = done / total if total else 1.0
        self._tell(bytes_read=round(start + (end - start) * share))

    def read(self, n_bytes: int) -> None:
        """So many bytes of the source have been read."""
        self.require_going_on()
        self._bytes_seen = n_bytes

    def found(self, n_docs: int) -> None:
        """So many of its documents are stored already: the rest is what this run does."""
        self._read_before = n_docs
        if n_docs == 0:  # others have written since: it is read from its beginning
            self._bytes_before, self._batch_bytes = 0, (0, 0)
        self._tell(read=n_docs, bytes_read=self._bytes_before)

    def stored(self, n_docs: int, count: UpsertCount) -> None:
        """So many documents are stored now, the last of which became `count`."""
        before = self.job.counts
        self._batch_bytes = (self._batch_bytes[1], self._bytes_seen)
        self._tell(
            read=n_docs,
            added=before.added + count.added,
            replaced=before.replaced + count.replaced,
            unchanged=before.unchanged + count.unchanged,
        )

    def reject(self, entry: Reject) -> None:
        """A line gave no document."""
        self._rejected += 1
        if len(self._rejects) < MOST_REJECTS_SHOWN:
            reason = entry.reason[:_MOST_REASON_CHARS]
            self._rejects.append(RejectedEntry(line_number=entry.line_number, reason=reason))

    def went(self, share: float) -> None:
        """So much of the work is done, from 0 to 1: that share of the source counts as read."""
        self._tell(bytes_read=round(share * self.job.source.bytes))

    def calibrated(self, made: CalibrationMade) -> None:
        """What searches can use now."""
        self._change(calibration=made)

    def ended(self, *, whole: bool) -> None:
        """Nothing more is done; `whole` where everything was read."""
        if whole:
            self._tell(bytes_read=self.job.source.bytes)
        else:
            self._tell()

    def _tell(self, **counts: int) -> None:
        seconds = self._clock() - self._began
        told = self.job.counts.model_copy(
            update={
                **counts,
                "encoded": self._encoded,
                "rejected": self._rejected,
                "seconds": round(self._before.seconds + seconds, 3),
            }
        )
        n_docs = told.read - self._read_before
        rate = round(n_docs / seconds, 1) if seconds > 0 and n_docs > 0 else None
        self._change(
            counts=told,
            documents_per_second=rate,
            eta_seconds=self._eta(told.bytes_read, seconds),
            rejects=tuple(self._rejects),
        )

    def _eta(self, bytes_read: int, seconds: float) -> float | None:
        done, left = bytes_read - self._bytes_before, self.job.source.bytes - bytes_read
        return round(seconds * left / done, 1) if done > 0 and left >= 0 else None

    def _change(self, **values: object) -> None:
        # One reference, replaced in one step: those who ask see the old value or the new one.
        self.job = self.job.model_copy(
            update={**values, "cancelling": self.cancelled, "version": self.job.version + 1}
        )
