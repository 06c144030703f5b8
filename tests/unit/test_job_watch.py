import pytest

from lexmax.corpus import Reject
from lexmax.index.document_rows import UpsertCount
from lexmax.service.job_runner import new_job
from lexmax.service.job_watch import BatchSize, JobWatch
from lexmax.service.jobs import JobCounts, JobSource
from lexmax.types import Document

SOURCE = JobSource(kind="import", path="corpus.jsonl", bytes=1000)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watch(clock: Clock, counts: JobCounts | None = None) -> JobWatch:
    job = new_job(SOURCE, 10).model_copy(update={"counts": counts or JobCounts()})
    return JobWatch(job, clock=clock)


def test_a_run_is_told_in_documents_bytes_and_seconds() -> None:
    clock = Clock()
    one = watch(clock)
    one.found(0)
    one.read(400)
    clock.now = 1.0
    one.stored(40, UpsertCount(30, 6, 4))
    one.advance("encode", 0, 40)
    clock.now = 2.0
    one.advance("encode", 20, 40)
    counts = one.job.counts
    assert (counts.read, counts.added, counts.replaced, counts.unchanged) == (40, 30, 6, 4)
    assert (counts.encoded, counts.bytes_read, counts.seconds) == (20, 200, 2.0)
    assert (one.job.documents_per_second, one.job.eta_seconds) == (20.0, 8.0)
    one.advance("encode", 40, 40)
    one.advance("centroids", 40, 40)
    one.read(1000)
    one.stored(100, UpsertCount(60))
    one.advance("encode", 0, 60)
    one.advance("encode", 60, 60)
    one.ended(whole=True)
    counts = one.job.counts
    assert (counts.read, counts.added, counts.encoded, counts.bytes_read) == (100, 90, 100, 1000)
    assert one.job.eta_seconds == 0.0


def test_a_resumed_run_adds_to_those_before_it() -> None:
    clock = Clock()
    before = JobCounts(read=50, added=50, encoded=45, bytes_read=500, seconds=10.0)
    one = watch(clock, before)
    one.advance("encode", 45, 50)  # a build that was interrupted goes on
    one.advance("encode", 50, 50)
    one.found(50)
    clock.now = 2.0
    one.read(750)
    one.stored(75, UpsertCount(25))
    one.advance("encode", 0, 25)
    one.advance("encode", 25, 25)
    counts = one.job.counts
    assert (counts.read, counts.added, counts.encoded, counts.seconds) == (75, 75, 75, 12.0)
    assert (one.job.documents_per_second, one.job.eta_seconds) == (12.5, 2.0)


def test_a_run_that_begins_again_counts_bytes_from_the_beginning() -> None:
    one = watch(Clock(), JobCounts(read=50, bytes_read=500))
    one.found(0)
    assert (one.job.counts.read, one.job.counts.bytes_read) == (0, 0)


def test_told_to_stop_it_builds_what_is_stored_and_told_again_it_does_not() -> None:
    one = watch(Clock())
    one.require_going_on()
    one.cancel()
    assert (one.stopped(), one.job.cancelling) == (False, True)
    with pytest.raises(KeyboardInterrupt):
        one.read(10)
    one.cancel()
    assert one.stopped()


def test_a_service_that_stops_stops_builds() -> None:
    stopping = False
    one = JobWatch(new_job(SOURCE, 10), is_stopping=lambda: stopping)
    assert not one.stopped()
    stopping = True
    assert one.stopped()
    with pytest.raises(KeyboardInterrupt):
        one.require_going_on()


def test_of_rejects_the_first_are_told_and_all_are_counted() -> None:
    one = watch(Clock())
    for i in range(30):
        one.reject(Reject("corpus.jsonl", i + 1, "no id" + "!" * 1000, "line"))
    one.ended(whole=False)
    assert one.job.counts.rejected == 30
    assert [entry.line_number for entry in one.job.rejects] == list(range(1, 21))
    assert len(one.job.rejects[0].reason) == 300


def test_batches_grow_while_they_are_quick_and_shrink_where_they_are_slow() -> None:
    size = BatchSize()
    size.took(1024, 1.0)
    assert size.docs == 2048
    size.took(100, 0.1)  # the last batch of a corpus says nothing
    size.took(2048, 10.0)
    assert size.docs == 2048
    for _ in range(10):
        size.took(size.docs, 30.0)
    assert size.docs == 1024
    for _ in range(10):
        size.took(size.docs, 1.0)
    assert size.docs == 16_384


def test_batches_are_bounded_in_documents_and_characters() -> None:
    size = BatchSize(docs=3)
    small = [Document(str(i), "a") for i in range(7)]
    assert [len(batch) for batch in size.batches(iter(small))] == [3, 3, 1]
    large = [Document(str(i), "a" * 20_000_000) for i in range(3)]
    assert [len(batch) for batch in size.batches(iter(large))] == [2, 1]
    assert list(size.batches(iter([]))) == []
