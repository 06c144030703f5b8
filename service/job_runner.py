"""Which jobs run now? So many at one time, of each collection one, each on a thread of its own.

Whatever else the service does goes on meanwhile: a job takes the right to write only while it
commits a batch. A job that ran when the process ended, however it did, is interrupted: it goes on
when it is resumed.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lexmax.errors import CorpusError, LexmaxError
from lexmax.service.collections import OpenCollections
from lexmax.service.job_calibration import run_calibration
from lexmax.service.job_sources import import_files
from lexmax.service.job_store import JobStore, new_job_id
from lexmax.service.job_watch import JobWatch
from lexmax.service.job_work import run_job, shown
from lexmax.service.jobs import Job, JobFailure, JobSource, JobState
from lexmax.service.lanes import RETRY_AFTER
from lexmax.service.logs import Log
from lexmax.service.problems import (
    CORPUS_UNREADABLE,
    JOB_ENDED,
    JOB_NOT_FOUND,
    JOB_NOT_RESUMABLE,
    JOB_RUNNING,
    JOBS_FULL,
    Refusal,
    problem_of,
)


@dataclass(eq=False, slots=True)
class _Task:
    collection: str
    store: JobStore
    watch: JobWatch
    thread: threading.Thread | None = None


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How many jobs run at one time, and how many wait behind them."""

    running: int = 1
    waiting: int = 16


@dataclass(eq=False, slots=True)
class JobRunner:
    """Starts, runs and remembers jobs; every method may be called from any thread.

    `import_dir` is the folder that files may be read from; None for none.
    """

    collections: OpenCollections
    log: Log
    import_dir: Path | None = None
    read_only: bool = False
    limits: JobLimits = field(default_factory=JobLimits)
    stopping: bool = False
    _tasks: dict[str, _Task] = field(default_factory=dict[str, _Task])
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def n_running(self) -> int:
        """Jobs that run."""
        return sum(task.thread is not None for task in list(self._tasks.values()))

    @property
    def n_waiting(self) -> int:
        """Those behind them."""
        return len(self._tasks) - self.n_running

    def jobs(self, collection: str) -> list[Job]:
        """Those of a collection, the newest first.

        Raises:
            NotACollectionError: if there is none of this name.
        """
        store = self._store(collection)
        return [self._seen(self.live(collection, job.job_id) or job, store) for job in store.jobs()]

    def job(self, collection: str, job_id: str) -> Job:
        """One of them.

        Raises:
            Refusal: 404 if there is none.
            NotACollectionError: if there is no such collection.
        """
        if (job := self.live(collection, job_id)) is not None:
            return job
        store = self._store(collection)
        job = store.job(job_id)
        if job is None:
            raise Refusal(
                JOB_NOT_FOUND,
                "the collection has no job of this id; expected one that its list of jobs has; "
                "correct the id",
            )
        return self._seen(job, store)

    def live(self, collection: str, job_id: str) -> Job | None:
        """A job that runs or waits; asks no disk."""
        task = self._tasks.get(job_id)
        return None if task is None or task.collection != collection else task.watch.job

    def start(
        self, collection: str, job: Job, *, uploaded: Path | None = None, sent: bytes | None = None
    ) -> Job:
        """Let a new job wait for its turn; it is remembered when this returns.

        What it works on is a file that was uploaded for it, or what was sent with a request.

        Raises:
            Refusal: 503 if too many wait.
        """
        self.require_room()
        store = self._store(collection)
        store.prune()
        try:
            if uploaded is not None:
                store.keep(uploaded, job)
            if sent is not None:
                store.keep_sent(sent, job)
            store.save(job)
            return self._enqueue(collection, store, job)
        except BaseException:
            store.remove(job.job_id)
            raise

    def resume(self, collection: str, job_id: str) -> Job:
        """Let a job go on that has ended before it was done.

        Raises:
            Refusal: 404 if there is none, 409 if it is live or done, 503 if too many wait.
        """
        job = self.job(collection, job_id)
        if not job.state.is_resumable:
            raise Refusal(
                JOB_NOT_RESUMABLE,
                f"the job is {job.state}; expected one that was cancelled or interrupted, or has "
                "failed; start another, or wait for this one",
            )
        self.require_room()
        store = self._store(collection)
        waiting = _changed(job, state=JobState.QUEUED, error=None, cancelling=False, ended_at=None)
        store.save(waiting)
        return self._enqueue(collection, store, waiting)

    def cancel(self, collection: str, job_id: str) -> Job:
        """Tell a job to stop; one that waits is cancelled at once.

        Raises:
            Refusal: 404 if there is none, 409 if it has ended.
        """
        with self._changed:
            task = self._tasks.get(job_id)
            if task is not None and self.live(collection, job_id) is not None:
                task.watch.cancel()
                if task.thread is None:
                    return self._ended(task, JobState.CANCELLED)
                return task.watch.job
        job = self.job(collection, job_id)
        if job.state is JobState.CANCELLED:
            return job
        raise Refusal(
            JOB_ENDED, f"the job is {job.state}; expected one that runs or waits; nothing to do"
        )

    def remove(self, collection: str, job_id: str) -> None:
        """Forget a job that has ended, and the file that was sent for it.

        Raises:
            Refusal: 404 if there is none, 409 if it is live.
        """
        if self.job(collection, job_id).state.is_live:
            raise _running()
        self._store(collection).remove(job_id)

    def require_idle(self, collection: str) -> None:
        """Refuse what cannot be done while a job of the collection runs or waits.

        Raises:
            Refusal: 409.
        """
        with self._changed:
            if any(task.collection == collection for task in self._tasks.values()):
                raise _running()

    def require_room(self) -> None:
        """Refuse a job for which there is no place to wait.

        Raises:
            Refusal: 503.
        """
        with self._changed:
            if self.stopping or self.n_waiting >= self.limits.waiting:
                raise Refusal(
                    JOBS_FULL,
                    f"{self.n_running} jobs run and {self.n_waiting} wait; expected fewer; try "
                    "again when one has ended",
                    headers=RETRY_AFTER,
                )

    def close(self) -> None:
        """Interrupt what runs after the part at hand, and wait for that."""
        self.stopping = True
        with self._changed:
            waiting = [task for task in self._tasks.values() if task.thread is None]
            threads = [task.thread for task in self._tasks.values() if task.thread is not None]
        for task in waiting:
            self._ended(task, JobState.INTERRUPTED)
        for thread in threads:
            thread.join()

    def _store(self, collection: str) -> JobStore:
        with self.collections.using(collection) as opened:
            return JobStore(opened.path)

    def _seen(self, job: Job, store: JobStore) -> Job:
        """What is remembered as live, and is not of this process, has been interrupted."""
        if not job.state.is_live or job.job_id in self._tasks or self.read_only:
            return job
        again = store.job(job.job_id) or job  # it may have ended just now
        if not again.state.is_live:
            return again
        return _changed(again, state=JobState.INTERRUPTED, eta_seconds=None, cancelling=False)

    def _enqueue(self, collection: str, store: JobStore, job: Job) -> Job:
        with self._changed:
            if job.job_id in self._tasks:
                raise _running()
            self._tasks[job.job_id] = _Task(
                collection, store, JobWatch(job, is_stopping=lambda: self.stopping)
            )
            self._begin_next()
            return job if (task := self._tasks.get(job.job_id)) is None else task.watch.job

    def _begin_next(self) -> None:
        """Start whatever may run now; called with the lock held."""
        for task in list(self._tasks.values()):
            busy = {one.collection for one in self._tasks.values() if one.thread is not None}
            if self.stopping or len(busy) >= self.limits.running:
                return
            if task.thread is None and task.collection not in busy:
                self._begin(task)

    def _begin(self, task: _Task) -> None:
        job = _changed(task.watch.job, state=JobState.RUNNING, started_at=now())
        task.watch = JobWatch(job, is_stopping=lambda: self.stopping)
        thread = threading.Thread(target=self._run, args=(task,), name="lexmax-job", daemon=True)
        task.thread = thread
        try:
            thread.start()
        except RuntimeError as error:  # no more threads: it goes on when it is resumed
            self._ended(task, JobState.FAILED, error=_failure(error, [], job))

    def _run(self, task: _Task) -> None:
        job = task.watch.job
        self.log.info("job_started", job=job.job_id, kind=job.source.kind)
        ended = self._work(task)
        counts = ended.counts
        self.log.info(
            "job_ended",
            job=job.job_id,
            state=str(ended.state),
            code=None if ended.error is None else ended.error.code,
            read=counts.read,
            rejected=counts.rejected,
            seconds=counts.seconds,
        )

    def _work(self, task: _Task) -> Job:
        watch, store = task.watch, task.store
        sources: list[Path] = []
        try:
            with self.collections.using(task.collection) as collection:
                sources = self._sources(store, watch.job)
                store.save(watch.job)
                if watch.job.source.kind == "calibration":
                    run_calibration(collection, sources[0], watch)
                else:
                    aside = store.rejects(watch.job)
                    run_job(collection, sources, watch, aside=aside, save=store.save)
            watch.ended(whole=True)
            return self._ended(task, JobState.DONE)
        except KeyboardInterrupt:
            watch.ended(whole=False)
            state = JobState.CANCELLED if watch.cancelled else JobState.INTERRUPTED
            return self._ended(task, state)
        except Exception as error:  # whatever it is, it is the job's, and is told with it
            watch.ended(whole=False)
            failure = _failure(error, sources, watch.job)
            self._log_failure(watch.job, failure, error)
            return self._ended(task, JobState.FAILED, error=failure)

    def _log_failure(self, job: Job, failure: JobFailure, error: Exception) -> None:
        if problem_of(error).status >= 500 and not isinstance(error, Refusal):
            # Only our own messages are known to repeat no text.
            found = str(error) if isinstance(error, LexmaxError) else ""
            name = type(error).__name__
            self.log.error(
                "job_failure", job=job.job_id, code=failure.code, error=name, found=found
            )

    def _sources(self, store: JobStore, job: Job) -> list[Path]:
        if job.source.is_sent:
            return [store.upload(job)]
        return import_files(self.import_dir, job.source.path or "")

    def _ended(self, task: _Task, state: JobState, *, error: JobFailure | None = None) -> Job:
        job = _changed(
            task.watch.job,
            state=state,
            error=error,
            cancelling=False,
            ended_at=now(),
            eta_seconds=None,
        )
        try:
            task.store.save(job)
            if state is JobState.DONE:
                task.store.drop_upload(job)
        except Exception as failed:  # a full disk: it will be seen as interrupted, and goes on
            self.log.error("job_not_remembered", job=job.job_id, error=type(failed).__name__)
        # Whoever is told that it has ended finds the way free.
        with self._changed:
            del self._tasks[job.job_id]
            self._begin_next()
        return job


def now() -> str:
    """The time, RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _changed(job: Job, **values: object) -> Job:
    return job.model_copy(update={**values, "version": job.version + 1})


def _failure(error: Exception, sources: Sequence[Path], job: Job) -> JobFailure:
    if isinstance(error, Refusal):
        return JobFailure(code=error.problem.code, detail=error.detail)
    if isinstance(error, CorpusError):
        name = job.source.path or f"the {job.source.format} file"
        return JobFailure(code=CORPUS_UNREADABLE.code, detail=shown(error, sources, name))
    problem = problem_of(error)
    return JobFailure(code=problem.code, detail=problem.detail or str(error))


def _running() -> Refusal:
    return Refusal(
        JOB_RUNNING,
        "a job of this collection runs or waits; expected none; cancel it, or wait until it ends",
    )


def new_job(source: JobSource, max_rejects: int) -> Job:
    """A job that waits."""
    return Job(
        job_id=new_job_id(),
        source=source,
        max_rejects=max_rejects,
        state=JobState.QUEUED,
        created_at=now(),
    )
