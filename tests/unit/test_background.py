import logging
import subprocess
import sys
import threading
import time

import pytest

from lexmax import background
from lexmax.background import Background
from lexmax.building import Watcher
from lexmax.errors import DiskFullError


def wait_for(condition: threading.Event) -> None:
    assert condition.wait(10)


def test_a_job_runs_once_more_if_it_is_woken_while_it_runs() -> None:
    runs: list[str] = []
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def job(watcher: Watcher) -> None:
        runs.append(threading.current_thread().name)
        started.set()
        wait_for(go_on)
        if len(runs) == 2:
            ended.set()

    worker = Background(job)
    worker.wake()
    wait_for(started)
    worker.wake()
    worker.wake()
    go_on.set()
    wait_for(ended)
    worker.stop()
    assert runs == ["lexmax-merge"] * 2


def test_a_job_that_has_ended_is_run_again_when_woken() -> None:
    ran = threading.Semaphore(0)
    worker = Background(lambda watcher: ran.release())
    for _ in range(3):
        worker.wake()
        assert ran.acquire(timeout=10)
        while worker._thread is not None:
            time.sleep(0.001)
    worker.stop()


def test_stopping_asks_the_job_waits_for_it_and_is_final() -> None:
    started = threading.Event()
    left: list[str] = []

    def job(watcher: Watcher) -> None:
        started.set()
        while not watcher.stopped():
            watcher.advance("merge", 1, 2)
            time.sleep(0.001)
        left.append("stopped")
        raise KeyboardInterrupt

    worker = Background(job)
    worker.wake()
    wait_for(started)
    worker.stop()
    assert left == ["stopped"]
    worker.wake()
    worker.stop()
    assert left == ["stopped"]


@pytest.mark.parametrize("kind", [DiskFullError, MemoryError])
def test_a_failure_is_logged_and_the_job_left_alone_for_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    ran = threading.Semaphore(0)

    def job(watcher: Watcher) -> None:
        ran.release()
        raise kind("/ix: the disk is full")

    def settled() -> None:
        while worker._thread is not None:
            time.sleep(0.001)

    worker = Background(job)
    with caplog.at_level(logging.ERROR, logger="lexmax.background"):
        worker.wake()
        assert ran.acquire(timeout=10)
        settled()
        worker.wake()
        settled()
    assert not ran.acquire(blocking=False)
    (record,) = caplog.records
    assert record.getMessage() == "merging in the background failed: /ix: the disk is full"
    assert bool(record.exc_info) == (kind is MemoryError)
    monkeypatch.setattr(background.time, "monotonic", lambda: 1e12)
    worker.wake()
    assert ran.acquire(timeout=10)
    worker.stop()


def test_the_end_of_the_interpreter_stops_the_job() -> None:
    program = """
import threading, time
from lexmax.background import Background
started = threading.Event()
def job(watcher):
    started.set()
    while not watcher.stopped():
        time.sleep(0.001)
    print("stopped")
worker = Background(job)
worker.wake()
started.wait(10)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr


def test_a_job_that_was_woken_while_it_failed_is_left_alone_too() -> None:
    runs: list[int] = []

    def job(watcher: Watcher) -> None:
        runs.append(1)
        if len(runs) < 3:
            worker.wake()
        raise DiskFullError("/ix: the disk is full")

    worker = Background(job)
    worker.wake()
    while worker._thread is not None:
        time.sleep(0.001)
    worker.stop()
    assert len(runs) == 1


def test_a_machine_without_another_thread_merges_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    worker = Background(lambda watcher: None)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(threading.Thread, "start", refuse)
        worker.wake()
    worker.stop()
    assert "no thread to merge in: can't start new thread" in caplog.text
