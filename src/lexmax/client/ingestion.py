"""How does a corpus get to a service: as a file, or as a stream? And how is its progress heard?

What is read and written is here; what is sent and said is the same for both clients.
"""

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from lexmax.client.asks import document_body
from lexmax.client.failures import failure_of, unreadable
from lexmax.client.job_values import JobStatus, RejectedLine, Streamed, job
from lexmax.client.replies import UNREADABLE
from lexmax.client.retries import Retries
from lexmax.client.values import Stored
from lexmax.errors import ClientError, InputError
from lexmax.types import Document, each_document

PIECE = 1 << 18
NOTHING_NEW = 204
LINES_TYPE = {"content-type": "application/x-ndjson"}
FILE_TYPE = {"content-type": "application/octet-stream"}
# A service that encodes what it was sent may be silent for long.
PATIENCE_S = 3600.0
# Of events, longer than a service is silent.
LISTENING_S = 60.0


def times(known: httpx.Timeout) -> httpx.Timeout:
    """Those of a client, with long patience for the reply."""
    return _reading(known, PATIENCE_S)


def listening_times(known: httpx.Timeout) -> httpx.Timeout:
    """Those of a client that listens."""
    return _reading(known, LISTENING_S)


def _reading(known: httpx.Timeout, read_s: float) -> httpx.Timeout:
    return httpx.Timeout(connect=known.connect, write=known.write, pool=known.pool, read=read_s)


def wait_s(failure: ClientError, n_failed: int, retries: Retries, *, chance: float) -> float:
    """Seconds until events are asked for again.

    Raises:
        ClientError: the failure, if that is not worth it.
    """
    if failure.code in ("connection_failed", "timeout"):
        worth = retries.first_s if n_failed <= retries.most else None
    else:
        worth = retries.wait_s(n_failed, failure, chance=chance)
    if worth is None:
        raise failure
    return worth


def broken() -> ClientError:
    """Events ended before their job."""
    return ClientError(
        "the events ended before the job; expected its end; ask for its status",
        code="connection_failed",
    )


def pieces(file: Path) -> Iterator[bytes]:
    """The bytes of a file.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            while piece := opened.read(PIECE):
                yield piece
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; expected a file to send") from error


def document_lines(documents: Iterable[Document]) -> Iterator[bytes]:
    """A line a document, many lines a piece.

    Raises:
        InputError: if one holds what JSON cannot.
    """
    piece = bytearray()
    for document in each_document(documents):
        try:
            said = json.dumps(document_body(document), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"document {document.doc_id!r} holds what JSON cannot: {error}; expected texts in "
                "valid Unicode, finite numbers, lists and mappings; convert it"
            ) from error
        piece += said.encode() + b"\n"
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


@dataclass(slots=True)
class Told:
    """What a service says of a stream, line after line."""

    acknowledged: int = 0
    rejected: list[RejectedLine] = field(default_factory=list[RejectedLine])
    end: Mapping[str, Any] | None = None

    def line(self, text: str) -> None:
        """One line of the reply."""
        said = json.loads(text)
        if "done" in said:
            self.end = said
        elif "rejected" in said:
            why = said["rejected"]
            self.rejected.append(RejectedLine(said["line"], why["reason"], why["code"]))
        else:
            self.acknowledged = said["line"]

    def result(self, response: httpx.Response) -> Streamed:
        """What became of the stream.

        Raises:
            ClientError: if it ended early.
        """
        request_id = response.headers.get("x-request-id", "")
        if self.end is None:
            raise ClientError(
                f"the reply ended early, {self.acknowledged} lines were acknowledged; expected "
                "all; send them again: what is stored already stays as it is",
                code="connection_failed",
                request_id=request_id,
            )
        said = self.end
        if not said["done"]:
            error = said["error"]
            raise ClientError(
                f"{error['detail']} ({self.acknowledged} lines were acknowledged)",
                code=error["code"],
                status=error["status"],
                request_id=request_id,
            )
        stored = Stored(said["added"], said["replaced"], said["unchanged"])
        return Streamed(stored, tuple(self.rejected))


def read_stream(lines: Iterable[str], response: httpx.Response, address: str) -> Streamed:
    """What a whole reply says.

    Raises:
        ClientError: if the stream ended early, or the reply is of no such service.
    """
    told = Told()
    try:
        for line in lines:
            told.line(line)
        return told.result(response)
    except UNREADABLE as error:
        raise unreadable(response, address) from error


@dataclass(slots=True)
class Events:
    """Server-sent events of a job, line after line."""

    last_id: str = ""
    ended: bool = False
    _name: str = ""
    _id: str = ""
    _data: str = ""

    def line(self, text: str) -> JobStatus | None:
        """The job, where this line ends an event."""
        if not text:
            # What broke off before its end was not told.
            data, self._data, self.last_id = self._data, "", self._id
            self.ended = self.ended or (self._name == "end" and bool(data))
            return job(json.loads(data)) if data else None
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "id":
            self._id = value
        elif name == "data":
            self._data += value
        return None

    def begin(self) -> dict[str, str]:
        """What is asked with, for the first time or again."""
        self._name, self._id, self._data = "", self.last_id, ""
        known = {"last-event-id": self.last_id} if self.last_id else {}
        return {"accept": "text/event-stream", **known}


def require_success(response: httpx.Response) -> None:
    """Refuse what is no answer; its body has been read.

    Raises:
        ClientError: then.
    """
    if (failure := failure_of(response)) is not None:
        raise failure


async def asynchronous(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same, for a client that awaits."""
    for piece in pieces:
        yield piece
