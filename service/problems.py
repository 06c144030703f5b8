"""What does a client get when something is wrong? RFC 9457 problem replies with stable codes.

Every failure has one row here. Replies say what was found, what was expected and the remedy; they
never repeat what the client sent, and never show the machine's paths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from lexmax import errors
from lexmax.service.head_requests import has_head
from lexmax.service.logs import Log
from lexmax.service.permissions import PERMISSIONS

MEDIA_TYPE = "application/problem+json"
_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of failure; `detail` replaces the error's own message where that shows paths."""

    status: int
    code: str
    title: str
    detail: str | None = None


class Refusal(Exception):
    """A request that the service itself refuses, before any collection sees it."""

    def __init__(
        self, problem: Problem, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.headers = dict(headers or {})


INVALID_REQUEST = Problem(422, "invalid_request", "The request does not have the expected shape")
OVER_LIMIT = Problem(422, "over_limit", "The request is larger than this service allows")
MALFORMED_JSON = Problem(400, "malformed_json", "The body is not JSON that can be trusted")
BODY_TOO_LARGE = Problem(413, "body_too_large", "The body is too large")
UNSUPPORTED_MEDIA_TYPE = Problem(415, "unsupported_media_type", "The body must be plain JSON")
UNAUTHENTICATED = Problem(401, "unauthenticated", "A valid key is needed")
FORBIDDEN = Problem(403, "forbidden", "The key may not do this")
READ_ONLY = Problem(403, "read_only", "This process does not write")
RATE_LIMITED = Problem(429, "rate_limited", "The key has asked too often")
OVERLOADED = Problem(503, "overloaded", "The service has too much to do")
DEADLINE_EXCEEDED = Problem(504, "deadline_exceeded", "The time for the answer was over")
BODY_TIMEOUT = Problem(408, "body_timeout", "The body took too long to arrive")
HOST_NOT_ALLOWED = Problem(421, "host_not_allowed", "The service is not called by this name")
DOCUMENT_NOT_FOUND = Problem(404, "document_not_found", "No such document")
ALIAS_NOT_FOUND = Problem(404, "alias_not_found", "No such alias")
COLLECTION_ALIASED = Problem(409, "collection_aliased", "An alias means the collection")
JOB_NOT_FOUND = Problem(404, "job_not_found", "No such job")
JOB_NOT_RESUMABLE = Problem(409, "job_not_resumable", "The job cannot go on")
JOB_ENDED = Problem(409, "job_ended", "The job has ended")
JOB_RUNNING = Problem(409, "job_running", "A job of the collection runs or waits")
JOBS_FULL = Problem(503, "jobs_full", "Too many jobs wait")
CORPUS_UNREADABLE = Problem(422, "corpus_unreadable", "The corpus cannot be read")
IMPORTS_DISABLED = Problem(403, "imports_disabled", "The service reads no files of its own")
IMPORT_REFUSED = Problem(422, "import_refused", "The file may not be read")
IMPORT_NOT_FOUND = Problem(404, "import_not_found", "No such file to import")
LINE_REJECTED = Problem(422, "line_rejected", "A line gives no document")
TOO_MANY_REJECTS = Problem(422, "too_many_rejects", "Too many lines give no document")
STOPPING = Problem(503, "stopping", "The service is stopping")
NOT_READY = Problem(503, "not_ready", "The service is not ready")
CLIENT_GONE = Problem(499, "client_gone", "The client left before its body had arrived")
INTERNAL = Problem(
    500,
    "internal_error",
    "The service failed",
    "the service failed to answer; expected no request to do this; "
    "report the request id, its entry in the log says where it failed",
)

_BY_STATUS: Mapping[int, Problem] = MappingProxyType(
    {
        404: Problem(
            404,
            "route_not_found",
            "No such route",
            "no route has this path; expected one that /docs and /openapi.json list, without a "
            "slash at its end; correct the path",
        ),
        405: Problem(
            405,
            "method_not_allowed",
            "The route does not take this method",
            "this path does not take this method; expected one that the Allow header names",
        ),
    }
)

_ON_THE_SERVER = "run `lexmax verify` on the server; the log has the path"

PROBLEMS: Mapping[type[Exception], Problem] = MappingProxyType(
    {
        errors.LexmaxError: INTERNAL,
        errors.InputError: Problem(422, "invalid_input", "The input cannot be used"),
        errors.QueryError: Problem(422, "query_invalid", "The query cannot be answered"),
        errors.FilterError: Problem(422, "filter_invalid", "The filter cannot be used"),
        errors.PipelineError: Problem(
            422, "pipeline_unavailable", "The collection cannot run this pipeline"
        ),
        errors.DocumentError: Problem(422, "document_invalid", "A document cannot be stored"),
        errors.EncoderError: Problem(422, "encoder_unavailable", "The encoder cannot be used here"),
        errors.SnapshotError: Problem(422, "snapshot_invalid", "The snapshot cannot be restored"),
        errors.StorageError: Problem(
            500,
            "storage_failed",
            "The disk refused",
            "the collection's folder cannot be read or written; expected a usable disk; "
            f"check its permissions and {_ON_THE_SERVER}",
        ),
        errors.NotACollectionError: Problem(
            404,
            "collection_not_found",
            "No such collection",
            "no collection has this name; expected one that GET /v1/collections lists; "
            "create it with PUT /v1/collections/{name}",
        ),
        errors.CollectionExistsError: Problem(
            409,
            "collection_exists",
            "The name is taken",
            "a collection or a folder of this name exists; expected a free name; "
            "choose another, or delete the collection first",
        ),
        errors.IndexFormatError: Problem(
            500,
            "index_format_unknown",
            "The collection was written by another version",
            "the collection has a format that this build does not read; expected one it reads; "
            "open it with the version that wrote it, or index its documents again",
        ),
        errors.CorruptionError: Problem(
            500,
            "collection_damaged",
            "The collection is damaged",
            "bytes on disk differ from what was written; expected matching checksums; "
            f"restore a backup, or {_ON_THE_SERVER}; `lexmax rebuild` makes segments anew",
        ),
        errors.LockedError: Problem(
            409,
            "collection_locked",
            "Another writer holds the collection",
            "another process or request holds the collection; expected one writer; "
            "try again when it has ended",
        ),
        errors.DiskFullError: Problem(
            507,
            "disk_full",
            "No room left on the server's disk",
            "the server's disk is full; nothing stored is lost; free some space and try again",
        ),
        errors.OpenFilesError: Problem(
            503,
            "too_many_open_files",
            "The server may open no more files",
            "the server has as many files and connections open as it may; expected fewer; try "
            "again later; who runs it can allow more with `ulimit -n`",
        ),
    }
)


def problem_of(error: Exception) -> Problem:
    """The row of the error's own class, or of the nearest class above it."""
    return next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), INTERNAL)


def problem_reply(
    scope: Scope,
    problem: Problem,
    detail: str,
    *,
    found: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A reply of type application/problem+json; notes its code for the log and the metrics."""
    state: dict[str, Any] = scope.setdefault("state", {})
    state["code"] = problem.code
    request_id = str(state.get("request_id", ""))
    body: dict[str, Any] = {
        "type": f"urn:lexmax:problem:{problem.code}",
        "code": problem.code,
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "instance": f"urn:lexmax:request:{request_id}",
        "request_id": request_id,
    }
    if found:
        body["errors"] = list(found)
    return Response(
        orjson.dumps(body),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def install(app: FastAPI, log: Log) -> None:
    """Answer every expected failure of `app` with a problem reply."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return problem_reply(request.scope, error.problem, error.detail, headers=error.headers)

    async def failed(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status >= 500:
            log.error(
                "failure",
                request_id=request.state.request_id,
                code=problem.code,
                error=type(error).__name__,
                found=str(error),
            )
        headers = {"retry-after": "1"} if problem.status == 503 else {}
        return problem_reply(request.scope, problem, problem.detail or str(error), headers=headers)

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(errors.LexmaxError, failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(ClientDisconnect, _client_gone)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [_entry(entry) for entry in error.errors()[:_MAX_SHOWN]]
    shown = "; ".join(f"{entry['at']}: {entry['message']}" for entry in found[:3])
    detail = f"{shown}; /docs shows what this route takes"
    return problem_reply(request.scope, INVALID_REQUEST, detail, found=found)


def _entry(entry: Mapping[str, Any]) -> dict[str, str]:
    # `input` and `ctx` repeat what was sent: long texts, keys, or numbers that JSON cannot hold.
    at = ".".join(str(part)[:64] for part in entry["loc"])
    return {"at": at, "message": str(entry["msg"]), "kind": str(entry["type"])}


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    other = Problem(error.status_code, "http_error", "The request failed", str(error.detail))
    problem = _BY_STATUS.get(error.status_code, other)
    headers = _allowing(request) if error.status_code == 405 else error.headers
    return problem_reply(request.scope, problem, problem.detail or "", headers=headers)


def _allowing(request: Request) -> Mapping[str, str]:
    """All methods of the path: each has a route of its own, and the router names those of one."""
    path = getattr(request.scope.get("route"), "path", None)
    methods = {method for method, at in PERMISSIONS if at == path}
    if "GET" in methods and has_head(path or ""):
        methods.add("HEAD")
    return {"allow": ", ".join(sorted(methods))}


async def _client_gone(request: Request, error: Exception) -> Response:
    return problem_reply(request.scope, CLIENT_GONE, "the body ended early; send it whole")
