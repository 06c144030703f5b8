"""What is a job? The indexing of one corpus into one collection, as it is told and remembered.

Or a calibration: what else is done to a collection and takes longer than a request may.
"""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lexmax.service.calibration_schemas import CalibrationMade

JOB_ID_RULE = "^j-[0-9a-f]{24}$"

UploadFormat = Literal["jsonl", "jsonl.gz", "jsonl.zst", "tsv", "tsv.gz", "tsv.zst"]
"""What an uploaded file is: lines of JSON, or of columns; plain, gzip or zstd."""

MOST_REJECTS_SHOWN = 20


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_live(self) -> bool:
        """Whether it goes on by itself."""
        return self in (JobState.QUEUED, JobState.RUNNING)

    @property
    def is_resumable(self) -> bool:
        """Whether it goes on when it is told to."""
        return not self.is_live and self is not JobState.DONE


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobSource(_Value):
    """Where the documents, or judged queries, come from."""

    kind: Literal["import", "upload", "calibration"] = Field(
        description="A file of the service's import folder, or one that was sent to it; or the "
        "judged queries of a calibration"
    )
    path: str | None = Field(default=None, description="In the import folder")
    format: UploadFormat | None = Field(default=None, description="Of what was sent")
    bytes: int = Field(description="As they lie on disk, compressed or not")

    @property
    def is_sent(self) -> bool:
        """Whether what it reads was sent with it, and is kept until it is done."""
        return self.kind != "import"


class JobFailure(_Value):
    """Why a job has failed."""

    code: str
    detail: str


class RejectedEntry(_Value):
    """A line that gave no document."""

    line_number: int
    reason: str


class JobCounts(_Value):
    """What a job has done, all its runs together."""

    read: int = Field(default=0, description="Documents of the corpus that are stored")
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    rejected: int = Field(default=0, description="Lines that gave no document")
    encoded: int = Field(
        default=0, description="Documents, or passages, that were encoded; others' among them"
    )
    bytes_read: int = Field(default=0, description="Of the source, as they lie on disk")
    seconds: float = Field(default=0.0, description="In which it ran")


class Job(_Value):
    """One job."""

    job_id: str
    source: JobSource
    max_rejects: int
    state: JobState
    created_at: str = Field(description="RFC 3339, as the other times")
    started_at: str | None = Field(default=None, description="When it last began to run")
    ended_at: str | None = None
    counts: JobCounts = JobCounts()
    cancelling: bool = Field(
        default=False, description="Told to stop; what it has stored is made searchable first"
    )
    documents_per_second: float | None = Field(
        default=None, description="Of the present run, encoding included"
    )
    eta_seconds: float | None = None
    error: JobFailure | None = None
    rejects: tuple[RejectedEntry, ...] = Field(default=(), description="The first of them")
    calibration: CalibrationMade | None = Field(
        default=None, description="What a calibration has made"
    )
    version: int = Field(default=0, description="Grows with every change")


class JobList(_Value):
    """All jobs of a collection that are remembered, the newest first."""

    jobs: list[Job]


class JobOrder(BaseModel):
    """A corpus of the service's import folder that is to be indexed."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    path: str = Field(
        min_length=1,
        max_length=1024,
        description="Of a file, or a folder with a corpus as BEIR or MS MARCO have it, in the "
        "import folder",
        examples=["scifact/corpus.jsonl.gz"],
    )
    max_rejects: int = Field(
        default=1000, ge=0, le=1_000_000, description="Lines that may give no document"
    )
