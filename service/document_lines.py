"""Which documents does a stream of lines hold, and what becomes of them? Without any connection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lexmax.collection import Collection
from lexmax.errors import DocumentError, InputError
from lexmax.index.document_rows import UpsertCount
from lexmax.lines import Line
from lexmax.service.problems import INVALID_REQUEST, Refusal, problem_of
from lexmax.service.schemas import NewDocument
from lexmax.service.strict_json import parse
from lexmax.service.vector_schemas import given
from lexmax.types import Document

_BOM = b"\xef\xbb\xbf"
_MOST_REASON_CHARS = 300


class StreamOptions(BaseModel):
    """What the query string of a stream says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on_error: Literal["stop", "skip"] = Field(
        default="stop", description="At a line that gives no document"
    )
    wait: bool = Field(default=True, description="Acknowledge what is searchable, not only stored")

    @staticmethod
    def of(said: Mapping[str, str]) -> "StreamOptions":
        """What a request says.

        Raises:
            Refusal: 422 if a name or a value is none.
        """
        try:
            return StreamOptions.model_validate(dict(said))
        except ValidationError as error:
            raise Refusal(INVALID_REQUEST, f"the query string: {_said(error)}") from None


@dataclass(frozen=True, slots=True)
class LineReject:
    """A line that gave no document; `line` counts from 1."""

    line: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a batch of lines: `count` is on the disk, `rejects` are in their order."""

    line: int
    count: UpsertCount
    rejects: tuple[LineReject, ...]


class LineSplitter:
    """Cuts what arrives into lines; holds at most one that has not ended."""

    def __init__(self, longest: int) -> None:
        """Of a line of more than `longest` bytes only the number is kept."""
        self._longest = longest
        self._begun = bytearray()
        self._whole = True
        self.number = 1

    @property
    def n_held(self) -> int:
        """Bytes of the line that has not ended."""
        return len(self._begun)

    def feed(self, chunk: bytes) -> list[Line]:
        """The lines that end in this chunk, blank ones left out."""
        first, *others = chunk.split(b"\n")
        self._extend(first)
        found: list[Line] = []
        for following in others:
            found += self._line()
            self.number += 1
            self._begun, self._whole = bytearray(), True
            self._extend(following)
        return found

    def end(self) -> list[Line]:
        """The last line, where no newline ends it."""
        found = self._line()
        self._begun, self._whole = bytearray(), True
        return found

    def _extend(self, more: bytes) -> None:
        if self._whole and len(self._begun) + len(more) <= self._longest:
            self._begun += more
        else:
            self._begun, self._whole = bytearray(), False

    def _line(self) -> list[Line]:
        content = bytes(self._begun).removesuffix(b"\r")
        if self.number == 1:
            content = content.removeprefix(_BOM)
        blank = self._whole and not content.strip()
        return [] if blank else [Line(self.number, content, self._whole)]


@dataclass(slots=True)
class LineStore:
    """Reads lines and stores what they say; for a thread that may wait."""

    options: StreamOptions
    longest: int
    max_depth: int
    rejects: list[LineReject] = field(default_factory=list[LineReject])

    def commit(self, lines: Sequence[Line], collection: Collection) -> Committed:
        """Store a batch; what an earlier line gave is stored where a later one stops.

        Raises:
            LexmaxError: if nothing of it could be stored, for a reason that is no document's.
        """
        self.rejects = []
        documents: list[tuple[int, Document]] = []
        for line in lines:
            try:
                documents.append((line.number, self._document(line)))
            except (Refusal, InputError, ValidationError) as error:
                if self._reject(line.number, error):
                    break
        last = lines[-1].number
        count = self._stored(documents, collection)
        if self.rejects and self.options.on_error == "stop":
            self.rejects = self.rejects[:1]
            last = self.rejects[0].line
        return Committed(last, count, tuple(sorted(self.rejects, key=lambda one: one.line)))

    def _document(self, line: Line) -> Document:
        if not line.whole:
            raise DocumentError(
                f"the line has more than {self.longest} bytes; expected at most that; cut the text"
            )
        value: Any = parse(line.content, max_depth=self.max_depth)
        return document_of(NewDocument.model_validate(value))

    def _stored(self, documents: list[tuple[int, Document]], collection: Collection) -> UpsertCount:
        """All in one transaction; where one cannot be stored, halves, to find which."""
        if not documents:
            return UpsertCount()
        try:
            return collection.writer.add(
                [document for _, document in documents], wait=self.options.wait
            )
        except InputError as error:
            if len(documents) == 1:
                self._reject_before(documents[0][0], error)
                return UpsertCount()
        half = len(documents) // 2
        count = self._stored(documents[:half], collection)
        if self.options.on_error == "stop" and self._is_rejected_before(documents[half][0]):
            return count
        return count + self._stored(documents[half:], collection)

    def _is_rejected_before(self, line: int) -> bool:
        return any(one.line < line for one in self.rejects)

    def _reject_before(self, line: int, error: Exception) -> None:
        self._reject(line, error)
        self.rejects.sort(key=lambda one: one.line)

    def _reject(self, line: int, error: Exception) -> bool:
        self.rejects.append(LineReject(line, _code(error), _said(error)))
        return self.options.on_error == "stop"


def document_of(new: NewDocument) -> Document:
    """The document that a request gives.

    Raises:
        InputError: if it cannot be stored.
    """
    return Document(new.doc_id, new.text, new.title, new.metadata, given(new.doc_id, new.vectors))


def _code(error: Exception) -> str:
    if isinstance(error, Refusal):
        return error.problem.code
    return INVALID_REQUEST.code if isinstance(error, ValidationError) else problem_of(error).code


def _said(error: Exception) -> str:
    if isinstance(error, Refusal):
        return error.detail[:_MOST_REASON_CHARS]
    if not isinstance(error, ValidationError):
        return str(error)[:_MOST_REASON_CHARS]
    # Neither values nor texts of a client are repeated.
    entries = error.errors(include_url=False, include_input=False, include_context=False)[:3]
    said = (f"{'.'.join(str(at)[:64] for at in one['loc'])}: {one['msg']}" for one in entries)
    return "; ".join(said)[:_MOST_REASON_CHARS]
