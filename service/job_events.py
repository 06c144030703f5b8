"""How is a job's progress told as it happens? Server-sent events: its state, then its end.

Each event is the whole job, and its id the job's version: whoever comes back with `Last-Event-ID`
is told at once if anything is new. Looking costs no disk while the job is live.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from anyio import to_thread

from lexmax.errors import LexmaxError
from lexmax.service.jobs import Job
from lexmax.service.parts import Service
from lexmax.service.problems import Refusal

MEDIA_TYPE = "text/event-stream"

_LOOK_EVERY_S = 0.25
_KEEP_ALIVE_S = 15.0


async def events(
    service: Service,
    collection: str,
    job_id: str,
    *,
    last_id: str | None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[bytes]:
    """The job again and again, until it has ended; comments keep the connection alive.

    The caller has counted the listener.
    """
    said, said_at = last_id, clock()
    while True:
        try:
            job = await _newest(service, collection, job_id)
        except (Refusal, LexmaxError):  # removed meanwhile, and its collection maybe with it
            return
        if str(job.version) != said or not job.state.is_live:
            said, said_at = str(job.version), clock()
            yield _event(job)
        if not job.state.is_live:
            return
        if clock() - said_at >= _KEEP_ALIVE_S:
            said_at = clock()
            yield b": still here\n\n"
        await asyncio.sleep(_LOOK_EVERY_S)


async def _newest(service: Service, collection: str, job_id: str) -> Job:
    live = service.jobs.live(collection, job_id)
    if live is not None:
        return live
    return await to_thread.run_sync(service.jobs.job, collection, job_id)


def _event(job: Job) -> bytes:
    name = "progress" if job.state.is_live else "end"
    return f"event: {name}\nid: {job.version}\ndata: {job.model_dump_json()}\n\n".encode()
