"""How does a program send a corpus, and hear how far it is?"""

import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from lexmax.client import asks_jobs, ingestion
from lexmax.client.asks import path_of
from lexmax.client.failures import failure_without_reply, unreadable
from lexmax.client.job_values import JobStatus, Streamed, job
from lexmax.client.replies import UNREADABLE
from lexmax.client.retries import Retries
from lexmax.errors import ClientError
from lexmax.types import Document


def upload(
    http: httpx.Client, collection: str, file: Path, *, format: str | None, max_rejects: int
) -> JobStatus:
    """Send a file, and start a job that indexes it."""
    params: dict[str, str | int] = {"max_rejects": max_rejects}
    params["format"] = asks_jobs.format_of(file, format)
    try:
        response = http.post(
            f"{asks_jobs.jobs_path(collection)}/upload",
            params=params,
            content=ingestion.pieces(file),
            headers=ingestion.FILE_TYPE,
            timeout=ingestion.times(http.timeout),
        )
    except httpx.HTTPError as error:
        raise failure_without_reply(error, str(http.base_url)) from error
    ingestion.require_success(response)
    try:
        return job(response.json())
    except UNREADABLE as error:
        raise unreadable(response, str(http.base_url)) from error


def stream(
    http: httpx.Client, collection: str, documents: Iterable[Document], *, on_error: str, wait: bool
) -> Streamed:
    """Send documents, a line each."""
    address = str(http.base_url)
    try:
        with http.stream(
            "POST",
            f"{path_of(collection)}/documents",
            params={"on_error": on_error, "wait": str(wait).lower()},
            content=ingestion.document_lines(documents),
            headers=ingestion.LINES_TYPE,
            timeout=ingestion.times(http.timeout),
        ) as response:
            if not response.is_success:
                response.read()
            ingestion.require_success(response)
            return ingestion.read_stream(response.iter_lines(), response, address)
    except httpx.HTTPError as error:
        raise failure_without_reply(error, address) from error


def follow(
    http: httpx.Client, collection: str, job_id: str, retries: Retries
) -> Iterator[JobStatus]:
    """A job as it goes on, until it has ended; asks again where the connection breaks."""
    events, n_failed = ingestion.Events(), 0
    while not events.ended:
        try:
            for status in _heard(http, collection, job_id, events):
                n_failed = 0
                yield status
            if not events.ended:
                raise ingestion.broken()
        except ClientError as failure:
            n_failed += 1
            time.sleep(ingestion.wait_s(failure, n_failed, retries, chance=random.random()))


def _heard(
    http: httpx.Client, collection: str, job_id: str, events: ingestion.Events
) -> Iterator[JobStatus]:
    path = f"{asks_jobs.job_path(collection, job_id)}/events"
    try:
        with http.stream(
            "GET", path, headers=events.begin(), timeout=ingestion.listening_times(http.timeout)
        ) as response:
            if not response.is_success:
                response.read()
            ingestion.require_success(response)
            events.ended = response.status_code == ingestion.NOTHING_NEW
            for line in response.iter_lines():
                if (status := events.line(line)) is not None:
                    yield status
    except httpx.HTTPError as error:
        raise failure_without_reply(error, str(http.base_url)) from error
