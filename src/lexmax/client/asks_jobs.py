"""What is sent to start, follow and stop jobs?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lexmax.client import replies
from lexmax.client.asks import Ask, PipelineOrName, path_of, quoted
from lexmax.client.job_values import JobStatus, job
from lexmax.errors import InputError

FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "tsv", "tsv.gz", "tsv.zst")
"""What a file may be that is sent."""


def start(collection: str, path: str, *, max_rejects: int) -> Ask[JobStatus]:
    """Index a file of the service; asked twice, two jobs run."""
    body = {"path": path, "max_rejects": max_rejects}
    return Ask("POST", jobs_path(collection), job, body, repeatable=False)


def calibrate(collection: str, order: Mapping[str, Any]) -> Ask[JobStatus]:
    """Learn what is relevant; asked twice, two jobs run, of which the later one counts."""
    return Ask("POST", f"{path_of(collection)}/calibrate", job, dict(order), repeatable=False)


def calibration_order(
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    name: str,
    pipeline: PipelineOrName | None,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Its body."""
    grades = {query_id: dict(of_one) for query_id, of_one in qrels.items()}
    order = {"queries": dict(queries), "qrels": grades, "name": name, **more}
    return order if pipeline is None else {**order, "pipeline": pipeline}


def jobs(collection: str) -> Ask[list[JobStatus]]:
    """All that are remembered."""
    return Ask("GET", jobs_path(collection), lambda said: [job(one) for one in said["jobs"]])


def status(collection: str, job_id: str) -> Ask[JobStatus]:
    """One of them."""
    return Ask("GET", job_path(collection, job_id), job)


def change(collection: str, job_id: str, what: Literal["cancel", "resume"]) -> Ask[JobStatus]:
    """Stop it or let it go on; asked twice, a cancelled one stops more abruptly."""
    return Ask("POST", f"{job_path(collection, job_id)}/{what}", job, repeatable=False)


def remove(collection: str, job_id: str) -> Ask[None]:
    """Forget it; asked twice, the second finds none."""
    return Ask("DELETE", job_path(collection, job_id), replies.nothing, repeatable=False)


def jobs_path(collection: str) -> str:
    """Where its jobs are found."""
    return f"{path_of(collection)}/jobs"


def job_path(collection: str, job_id: str) -> str:
    """Where one of them is found."""
    return f"{jobs_path(collection)}/{quoted(job_id)}"


def format_of(file: Path, said: str | None) -> str:
    """What is in a file, by what is said or by its name.

    Raises:
        InputError: if neither tells.
    """
    name = file.name.lower().replace(".ndjson", ".jsonl")
    found = said or next((one for one in FORMATS if name.endswith(f".{one}")), None)
    if found not in FORMATS:
        raise InputError(
            f"{file.name}: found no format in its name; expected one of {', '.join(FORMATS)}; "
            "say it as format"
        )
    return found
