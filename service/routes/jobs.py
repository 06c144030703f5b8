"""How is a whole corpus indexed? Jobs: started, followed, cancelled, resumed."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response, status
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lexmax.service import job_events
from lexmax.service.job_runner import new_job
from lexmax.service.job_sources import import_files
from lexmax.service.job_uploads import MEDIA_TYPES, uploaded
from lexmax.service.jobs import JOB_ID_RULE, Job, JobList, JobOrder, JobSource, UploadFormat
from lexmax.service.parts import Parts
from lexmax.service.places import Places
from lexmax.service.schemas import CollectionName
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["jobs"], route_class=StrictRoute)

JobId = Annotated[str, Path(pattern=JOB_ID_RULE)]
Format = Annotated[UploadFormat, Query(description="What the file is")]
MostRejects = Annotated[
    int, Query(ge=0, le=1_000_000, description="Lines that may give no document")
]
_JOBS = "/v1/collections/{name}/jobs"
_AS_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES
        },
    }
}
_AS_EVENTS: dict[int | str, dict[str, Any]] = {
    # No schema: OpenAPI 3.1 has none for events, and tools hold one against each of them.
    200: {"content": {job_events.MEDIA_TYPE: {}}},
    204: {"description": "The job has ended, and its end was told"},
}


@router.post(_JOBS, status_code=status.HTTP_202_ACCEPTED)
async def start_job(name: CollectionName, body: JobOrder, service: Parts) -> Job:
    """Index a file of the service's import folder; the job survives a restart of the service."""

    def start() -> Job:
        files = import_files(service.settings.import_dir, body.path)
        n_bytes = sum(file.stat().st_size for file in files)
        source = JobSource(kind="import", path=body.path, bytes=n_bytes)
        return service.jobs.start(name, new_job(source, body.max_rejects))

    return await service.writing.run(start, service.call)


@router.post(f"{_JOBS}/upload", status_code=status.HTTP_202_ACCEPTED, openapi_extra=_AS_FILE)
async def upload_job(
    name: CollectionName,
    request: Request,
    service: Parts,
    format: Format = "jsonl",
    max_rejects: MostRejects = 1000,
) -> Job:
    """Index a file that is sent; when the reply comes it is on the disk, and the job waits."""
    await service.read(name, lambda collection: None)  # there is such a collection
    service.jobs.require_room()
    settings = service.settings
    with service.document_streams.taken_by_one():
        async with uploaded(
            request, settings.data, most=settings.max_upload_bytes, idle_s=settings.body_seconds
        ) as file:

            def start() -> Job:
                source = JobSource(kind="upload", format=format, bytes=file.stat().st_size)
                return service.jobs.start(name, new_job(source, max_rejects), uploaded=file)

            return await service.writing.run(start, service.call)


@router.get(_JOBS)
async def list_jobs(name: CollectionName, service: Parts) -> JobList:
    """The last hundred jobs of the collection, the newest first."""
    jobs = await service.searching.run(lambda: service.jobs.jobs(name), service.call)
    return JobList(jobs=jobs)


@router.get(f"{_JOBS}/{{job_id}}")
async def read_job(name: CollectionName, job_id: JobId, service: Parts) -> Job:
    """Where a job stands, and what it has done."""
    return await service.searching.run(lambda: service.jobs.job(name, job_id), service.call)


@router.get(f"{_JOBS}/{{job_id}}/events", response_class=Response, responses=_AS_EVENTS)
async def follow_job(
    name: CollectionName,
    job_id: JobId,
    service: Parts,
    last_event_id: Annotated[str | None, Header(max_length=32)] = None,
) -> Response:
    """A job's progress as server-sent events, until it has ended."""
    job = await service.searching.run(lambda: service.jobs.job(name, job_id), service.call)
    if not job.state.is_live and str(job.version) == last_event_id:
        return Response(status_code=status.HTTP_204_NO_CONTENT)  # browsers stop asking
    told = job_events.events(service, name, job_id, last_id=last_event_id)
    return _Followed(told, service.job_listeners)


@router.post(f"{_JOBS}/{{job_id}}/cancel")
async def cancel_job(name: CollectionName, job_id: JobId, service: Parts) -> Job:
    """Stop a job; what it has stored stays, and is made searchable first. Twice, at once."""
    return await service.writing.run(lambda: service.jobs.cancel(name, job_id), service.call)


@router.post(f"{_JOBS}/{{job_id}}/resume", status_code=status.HTTP_202_ACCEPTED)
async def resume_job(name: CollectionName, job_id: JobId, service: Parts) -> Job:
    """Let a job go on that was cancelled, failed, or was interrupted by the end of the service."""
    return await service.writing.run(lambda: service.jobs.resume(name, job_id), service.call)


@router.delete(f"{_JOBS}/{{job_id}}", status_code=status.HTTP_204_NO_CONTENT)
async def remove_job(name: CollectionName, job_id: JobId, service: Parts) -> Response:
    """Forget a job that has ended, and the file that was sent for it."""
    await service.writing.run(lambda: service.jobs.remove(name, job_id), service.call)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


class _Followed(StreamingResponse):
    """Events, for as long as the client listens, in one of few places."""

    def __init__(self, events: AsyncIterator[bytes], places: Places) -> None:
        super().__init__(events, media_type=job_events.MEDIA_TYPE)
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.taken_by_one():
            await super().__call__(scope, receive, send)
