"""How are documents stored that come one after another, a line each? As they arrive, in batches.

The request's body and the reply's are read and written at the same time. A client that sends all
before it reads anything is no danger: what it has not read yet is told together, in one line.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from anyio import CancelScope, Event, create_task_group, current_time, move_on_after, sleep
from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from lexmax.collection import Collection
from lexmax.errors import LexmaxError
from lexmax.index.document_rows import UpsertCount
from lexmax.lines import Line
from lexmax.service.calls import too_late
from lexmax.service.document_lines import (
    Committed,
    LineReject,
    LineSplitter,
    LineStore,
    StreamOptions,
)
from lexmax.service.guard import guarded
from lexmax.service.parts import Service, call_of, seen_from
from lexmax.service.problems import (
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    LINE_REJECTED,
    OVERLOADED,
    STOPPING,
    TOO_MANY_REJECTS,
    UNSUPPORTED_MEDIA_TYPE,
    Refusal,
    problem_of,
)
from lexmax.service.strict_json import DocumentsRoute

MEDIA_TYPE = "application/x-ndjson"

_BATCH_LINES = 500
_BATCH_BYTES = 2_000_000
# So long a batch waits for more lines.
_LINGER_S = 0.1
_MOST_UNSENT = 64
_MOST_REJECTS = 1000
_ROOM_EVERY_S, _ROOM_S = 0.05, 30.0


class DocumentsOrLinesRoute(DocumentsRoute):
    """A route that takes a batch of documents as JSON, or a stream of them, a line each."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """By the content type of the request."""
        of_batch, of_lines = super().get_route_handler(), guarded(self, _streamed)

        async def answer(request: Request) -> Response:
            said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            return await (of_lines if said == MEDIA_TYPE else of_batch)(request)

        return answer


async def _streamed(request: Request) -> Response:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(
            UNSUPPORTED_MEDIA_TYPE,
            "the body is compressed; expected no content-encoding; send it as it is, or as a job",
        )
    service = await seen_from(request)
    options = StreamOptions.of(request.query_params)
    name = str(request.path_params["name"])
    call_of(request).receive = None  # what comes is the body
    await service.read(name, lambda collection: None)  # there is such a collection
    return DocumentStream(service, name, options)


class DocumentStream(Response):
    """Reads the body while it answers."""

    def __init__(self, service: Service, name: str, options: StreamOptions) -> None:
        super().__init__(media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._service, self._name, self._options = service, name, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it.

        Raises:
            Refusal, LexmaxError: if it ended before anything was acknowledged.
            ClientDisconnect: if its client left before that.
        """
        with self._service.document_streams.taken_by_one():
            replies = _Replies(send, self.raw_headers)
            reading = _Reading(self._service, self._name, self._options, receive, replies)
            async with create_task_group() as tasks:
                tasks.start_soon(replies.send_all)
                await reading.run()
                replies.end()
                # Who does not read what was said is not waited for.
                patience = self._service.settings.body_seconds
                tasks.cancel_scope.deadline = current_time() + patience
        if reading.failure is not None and not replies.begun:
            raise reading.failure


class _Replies:
    """Lines for the client; few wait, however slowly it reads."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send, self._headers = send, headers
        self._unsent: deque[dict[str, Any]] = deque()
        self._news, self._ended = Event(), False
        self.begun = False

    def acknowledge(self, line: int, count: UpsertCount) -> None:
        """Lines up to this one are stored."""
        said = {"line": line} | _counts(count)
        last = self._unsent[-1] if len(self._unsent) >= _MOST_UNSENT else {}
        if "added" in last and "done" not in last:
            for name in ("added", "replaced", "unchanged"):
                said[name] += last[name]
            self._unsent.pop()
        self.say(said)

    def say(self, said: dict[str, Any]) -> None:
        """One line more."""
        self._unsent.append(said)
        self.begun = True
        self._news.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._news.set()

    async def send_all(self) -> None:
        """Send what is said, until the end."""
        while not self._ended or self._unsent:
            await self._news.wait()
            self._news = Event()
            if self._unsent:
                await self._begin()
                content = b"".join(orjson.dumps(said) + b"\n" for said in self._taken())
                await self._send({"type": "http.response.body", "body": content, "more_body": True})
        if self.begun:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _taken(self) -> list[dict[str, Any]]:
        taken = list(self._unsent)
        self._unsent.clear()
        return taken

    async def _begin(self) -> None:
        if self._headers:
            await self._send(
                {"type": "http.response.start", "status": 200, "headers": self._headers}
            )
            self._headers = []


class _Reading:
    """Reads the body, commits batches, says what became of them."""

    def __init__(
        self,
        service: Service,
        name: str,
        options: StreamOptions,
        receive: Receive,
        replies: _Replies,
    ) -> None:
        settings = service.settings
        self._service, self._name, self._receive, self._replies = service, name, receive, replies
        self._stop_at_reject = options.on_error == "stop"
        self._split = LineSplitter(settings.max_line_bytes)
        self._store = LineStore(options, settings.max_line_bytes, settings.max_json_depth)
        self._lines: list[Line] = []
        self._n_bytes = self._n_line_bytes = self._held = 0
        self._total, self._n_rejected = UpsertCount(), 0
        self._more = True
        self.failure: Exception | None = None

    async def run(self) -> None:
        """Until the body ends, or something ends it."""
        try:
            await self._read_all()
        except ClientDisconnect as left:
            self.failure = left
            return
        except (Refusal, LexmaxError) as error:
            self.failure = error
        finally:
            self._hold(0)
        if self.failure is None or self._replies.begun:
            self._say_end()
        await self._drop_rest()

    async def _read_all(self) -> None:
        while self._more:
            message = await self._next()
            if message is not None:
                self._take(message)
            while self._lines and (message is None or not self._more or self._is_full):
                await self._commit()

    @property
    def _is_full(self) -> bool:
        return len(self._lines) >= _BATCH_LINES or self._n_line_bytes >= _BATCH_BYTES

    async def _next(self) -> Message | None:
        """What comes; None if nothing does while a batch waits."""
        self._require_going_on()
        settings = self._service.settings
        with move_on_after(_LINGER_S if self._lines else settings.body_seconds):
            return await self._receive()
        if not self._lines:
            raise Refusal(
                BODY_TIMEOUT,
                f"nothing came for {settings.body_seconds:g} seconds; expected more lines, or the "
                "end; send faster, or in several requests",
            )
        return None

    def _require_going_on(self) -> None:
        if self._service.call.deadline.is_set and self._service.call.deadline.left_s <= 0:
            raise too_late()
        if self._service.readiness.stopping:
            raise Refusal(
                STOPPING,
                "the service is stopping; expected to be asked later; send what is not "
                "acknowledged again",
            )

    def _take(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body = message.get("body", b"")
        self._more = message.get("more_body", False)
        self._n_bytes += len(body)
        most = self._service.settings.max_stream_bytes
        if self._n_bytes > most:
            raise Refusal(
                BODY_TOO_LARGE,
                f"the stream has more than {most} bytes; expected at most that; send the rest in "
                "another",
            )
        new = self._split.feed(body)
        if not self._more:
            new += self._split.end()
        self._lines += new
        self._n_line_bytes += sum(len(line.content) for line in new)
        self._hold(self._n_line_bytes + self._split.n_held)

    def _hold(self, n_bytes: int) -> None:
        self._service.in_flight.bytes += n_bytes - self._held
        self._held = n_bytes

    async def _commit(self) -> None:
        batch, self._lines = self._lines[:_BATCH_LINES], self._lines[_BATCH_LINES:]
        outcome = await self._on_lane(lambda collection: self._store.commit(batch, collection))
        self._n_line_bytes = sum(len(line.content) for line in self._lines)
        self._hold(self._n_line_bytes + self._split.n_held)
        self._tell(outcome)

    async def _on_lane(self, work: Callable[[Collection], Committed]) -> Committed:
        """What the work answers; while the lane is full, nothing more is read."""
        waited = 0.0
        while True:
            try:
                with CancelScope(shield=True):  # what was begun is told
                    return await self._service.write(self._name, work)
            except Refusal as refused:
                if refused.problem is not OVERLOADED or waited >= _ROOM_S:
                    raise
            await sleep(_ROOM_EVERY_S)
            waited += _ROOM_EVERY_S
            self._require_going_on()

    def _tell(self, outcome: Committed) -> None:
        self._total += outcome.count
        self._n_rejected += len(outcome.rejects)
        for reject in outcome.rejects:
            self._replies.say(_rejected(reject))
        if not self._stop_at_reject or not outcome.rejects:
            self._replies.acknowledge(outcome.line, outcome.count)
            if self._n_rejected <= _MOST_REJECTS:
                return
            raise Refusal(
                TOO_MANY_REJECTS,
                f"{self._n_rejected} lines give no document; expected at most {_MOST_REJECTS}; "
                "mend the lines",
            )
        self._replies.acknowledge(outcome.line - 1, outcome.count)
        first = outcome.rejects[0]
        raise Refusal(
            LINE_REJECTED,
            f"line {first.line} gives no document ({first.code}), and nothing after it was "
            "stored; expected documents alone; mend it, or ask for on_error=skip",
        )

    def _say_end(self) -> None:
        totals = _counts(self._total) | {"rejected": self._n_rejected}
        said: dict[str, Any] = {"done": self.failure is None} | totals
        if self.failure is not None:
            said["error"] = _told(self.failure)
        self._replies.say(said)

    async def _drop_rest(self) -> None:
        """Read what still comes, a while: a reply is lost to a client that cannot write on."""
        left = self._service.settings.max_documents_bytes
        with move_on_after(self._service.settings.body_seconds):
            while self._more and left > 0:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    return
                left -= len(message.get("body", b""))
                self._more = message.get("more_body", False)


def _counts(count: UpsertCount) -> dict[str, int]:
    return {"added": count.added, "replaced": count.replaced, "unchanged": count.unchanged}


def _rejected(reject: LineReject) -> dict[str, Any]:
    return {"line": reject.line, "rejected": {"code": reject.code, "reason": reject.reason}}


def _told(failure: Exception) -> dict[str, Any]:
    if isinstance(failure, Refusal):
        problem, detail = failure.problem, failure.detail
    else:
        problem = problem_of(failure)
        detail = problem.detail or str(failure)
    return {"code": problem.code, "status": problem.status, "detail": detail}
