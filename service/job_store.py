"""Which jobs has a collection had? One JSON file a job, replaced whole, in the collection's folder.

How far a corpus has come stands in the catalog, in one transaction with its documents; what stands
here is what people are told, and may be one batch behind after a power cut.
"""

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lexmax.index.durable import sync_folder, write_atomically
from lexmax.index.failures import storage_errors
from lexmax.service.jobs import JOB_ID_RULE, Job

_FOLDER = "jobs"
_ID = re.compile(JOB_ID_RULE)
_MOST_KEPT = 100


def new_job_id() -> str:
    """An id that nobody guesses; later ones come later in the order of texts."""
    return f"j-{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"


@dataclass(frozen=True, slots=True)
class JobStore:
    """The jobs of one collection; `collection` is its folder."""

    collection: Path

    @property
    def folder(self) -> Path:
        """Where they lie; it is there once there is a job."""
        return self.collection / _FOLDER

    def jobs(self) -> list[Job]:
        """All that are kept, the newest first."""
        with storage_errors(self.folder):
            found = sorted(self.folder.glob("j-*.json"), reverse=True)
        read = (self.job(path.stem) for path in found)
        return [job for job in read if job is not None]

    def job(self, job_id: str) -> Job | None:
        """One of them; None where there is none, or none that can be read."""
        if not _ID.fullmatch(job_id):
            return None
        try:
            with storage_errors(self.folder):
                return Job.model_validate_json(self._record(job_id).read_bytes())
        except ValidationError:
            return None
        except Exception:
            if self._record(job_id).exists():
                raise
            return None

    def save(self, job: Job) -> None:
        """Remember it as it is now; durable when this returns.

        Raises:
            DiskFullError: if there is no room; what was remembered before stays.
        """
        with storage_errors(self.folder):
            if not self.folder.is_dir():
                self.folder.mkdir(exist_ok=True)
                sync_folder(self.collection)
            write_atomically(self._record(job.job_id), job.model_dump_json(indent=2).encode())

    def keep(self, uploaded: Path, job: Job) -> None:
        """Give a whole file that was sent its place; durable when this returns."""
        with storage_errors(self.folder):
            self.folder.mkdir(exist_ok=True)
            uploaded.rename(self.upload(job))
            sync_folder(self.folder)
            sync_folder(self.collection)

    def keep_sent(self, content: bytes, job: Job) -> None:
        """Write what was sent with a request to its place; durable when this returns."""
        with storage_errors(self.folder):
            self.folder.mkdir(exist_ok=True)
            write_atomically(self.upload(job), content)
            sync_folder(self.collection)

    def upload(self, job: Job) -> Path:
        """Where the file that was sent for the job lies."""
        return self.folder / f"{job.job_id}.{job.source.format or job.source.kind}"

    def rejects(self, job: Job) -> Path:
        """Where the lines are written that gave no document."""
        return self.folder / f"{job.job_id}.rejects"

    def drop_upload(self, job: Job) -> None:
        """Forget the file that was sent for it."""
        if job.source.is_sent:
            with storage_errors(self.folder):
                self.upload(job).unlink(missing_ok=True)

    def remove(self, job_id: str) -> None:
        """Forget a job and all that belongs to it."""
        with storage_errors(self.folder):
            for path in self.folder.glob(f"{job_id}.*"):
                path.unlink(missing_ok=True)

    def prune(self) -> None:
        """Forget the oldest ended jobs, but a hundred."""
        ended = (job for job in self.jobs() if not job.state.is_live)
        for job in _after(ended, _MOST_KEPT):
            self.remove(job.job_id)

    def _record(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.json"


def _after(jobs: Iterator[Job], n: int) -> list[Job]:
    return list(jobs)[n:]
