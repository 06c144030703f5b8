import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

import pytest

from lexmax.service.workers import Workers

PATIENCE_S = 30


class Work:
    """Pieces of work that wait until they may end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = threading.Event()
        self.changed = threading.Condition()

    def named(self, name: str) -> Callable[[], str]:
        def run() -> str:
            with self.changed:
                self.begun.append(name)
                self.changed.notify_all()
            assert self.go.wait(PATIENCE_S)
            return name

        return run

    def wait_for(self, n: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.begun) >= n, PATIENCE_S)


@pytest.fixture
def work() -> Work:
    return Work()


def submitted(workers: Workers, work: Callable[[], str], most_waiting: int = 100) -> Future[str]:
    job = workers.submit(work, most_waiting=most_waiting)
    assert job is not None
    return job


def test_results_and_failures_come_back() -> None:
    workers = Workers("test", 2)
    assert submitted(workers, lambda: "a").result(PATIENCE_S) == "a"
    failing = workers.submit(lambda: 1 / 0, most_waiting=0)
    assert failing is not None
    with pytest.raises(ZeroDivisionError):
        failing.result(PATIENCE_S)
    workers.close()


def test_who_is_told_finds_room_at_once() -> None:
    workers = Workers("test", 1)
    for i in range(200):
        assert submitted(workers, lambda i=i: str(i), 0).result(PATIENCE_S) == str(i)
    workers.close()


def test_work_is_begun_in_order_and_no_more_than_threads(work: Work) -> None:
    workers = Workers("test", 2)
    jobs = [submitted(workers, work.named(name), 3) for name in "abcde"]
    work.wait_for(2)
    assert (workers.n_running, workers.n_waiting) == (2, 3)
    assert workers.submit(work.named("f"), most_waiting=3) is None
    assert workers.is_full(3)
    assert not workers.is_full(4)
    work.go.set()
    assert [job.result(PATIENCE_S) for job in jobs] == list("abcde")
    assert sorted(work.begun[2:]) == ["c", "d", "e"]
    workers.close()


def test_one_thread_keeps_the_order(work: Work) -> None:
    workers = Workers("test", 1)
    work.go.set()
    jobs = [submitted(workers, work.named(str(i))) for i in range(50)]
    workers.close()
    assert all(job.done() for job in jobs)
    assert work.begun == [str(i) for i in range(50)]


def test_what_waits_can_be_taken_back(work: Work) -> None:
    workers = Workers("test", 1)
    jobs = [submitted(workers, work.named(name)) for name in "abc"]
    work.wait_for(1)
    assert workers.take_back(jobs[1])
    assert not workers.take_back(jobs[1])
    assert not workers.take_back(jobs[0])  # it runs
    assert workers.n_waiting == 1
    work.go.set()
    workers.close()
    assert [jobs[0].result(), jobs[2].result()] == ["a", "c"]
    with pytest.raises(CancelledError):
        jobs[1].result()
    assert work.begun == ["a", "c"]


def test_work_that_was_cancelled_elsewhere_is_passed_over(work: Work) -> None:
    workers = Workers("test", 1)
    jobs = [submitted(workers, work.named(name)) for name in "abc"]
    work.wait_for(1)
    assert jobs[1].cancel()
    work.go.set()
    workers.close()
    assert work.begun == ["a", "c"]


def test_fewer_work_where_the_pace_says_so(work: Work) -> None:
    workers = Workers("test", 3)
    workers.pace.allowed = 1
    jobs = [submitted(workers, work.named(name)) for name in "abc"]
    work.wait_for(1)
    assert (workers.n_running, workers.n_waiting) == (1, 2)
    workers.pace.allowed = 3
    jobs.append(submitted(workers, work.named("d")))
    work.wait_for(2)
    work.go.set()
    assert [job.result(PATIENCE_S) for job in jobs] == list("abcd")
    workers.close()


def test_the_end_is_the_end(work: Work) -> None:
    workers = Workers("test", 2)
    workers.close()
    with pytest.raises(RuntimeError, match="after the end"):
        workers.submit(work.named("a"), most_waiting=1)
    Workers("test", 2).close()
