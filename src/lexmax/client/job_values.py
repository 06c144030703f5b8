"""What does a service say of jobs, and of documents that were streamed to it?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lexmax.client.values import Stored

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that gave no document; `line` counts from 1."""

    line: int
    reason: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """Where a job stands.

    Attributes:
        job_id: Of the job.
        state: What it does now, or how it has ended.
        read: Documents of the corpus that are stored.
        stored: What became of them.
        rejected: Lines that gave no document.
        encoded: Documents, or passages, that were encoded.
        seconds: In which it ran.
        documents_per_second: Of the present run; None before there is one.
        eta_seconds: Until its end; None where that is not known.
        error_code: Why it has failed, a stable name; empty where it has not.
        error: The same for people.
        rejects: The first lines that gave no document.
        more: All that the service said.
    """

    job_id: str
    state: JobState
    read: int
    stored: Stored
    rejected: int
    encoded: int
    seconds: float
    documents_per_second: float | None
    eta_seconds: float | None
    error_code: str
    error: str
    rejects: Sequence[RejectedLine]
    more: Mapping[str, Any]

    @property
    def is_live(self) -> bool:
        """Whether it goes on by itself."""
        return self.state in ("queued", "running")


@dataclass(frozen=True, slots=True)
class Streamed:
    """What became of a stream of documents: what is stored, and lines that gave no document."""

    stored: Stored
    rejected: Sequence[RejectedLine]


def job(said: Any) -> JobStatus:
    """One job, of the JSON that says it."""
    counts = said["counts"]
    error: Mapping[str, Any] = said["error"] or {}
    return JobStatus(
        job_id=said["job_id"],
        state=said["state"],
        read=counts["read"],
        stored=Stored(counts["added"], counts["replaced"], counts["unchanged"]),
        rejected=counts["rejected"],
        encoded=counts["encoded"],
        seconds=counts["seconds"],
        documents_per_second=said["documents_per_second"],
        eta_seconds=said["eta_seconds"],
        error_code=error.get("code", ""),
        error=error.get("detail", ""),
        rejects=tuple(RejectedLine(one["line_number"], one["reason"]) for one in said["rejects"]),
        more=dict(said),
    )
