"""Which documents does a file, a folder or standard input hold?"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import orjson

from lexmax.errors import CorpusError, DocumentError, ShapeError
from lexmax.lines import LONGEST_LINE, Line, read_lines
from lexmax.types import Document, Json
from lexmax.vectors import Vectors

SHOWN = 200
"""Characters of a rejected line that are kept."""

STDIN = "-"

_COMPRESSED = (".gz", ".zst")
_JSON_NAMES, _TABLE_NAMES = (".jsonl", ".ndjson", ".json"), (".tsv",)
_IN_FOLDER = ("corpus.jsonl", "collection.tsv")

_ID_NAMES = ("_id", "id", "doc_id", "docid")
_TEXT_NAMES = ("text", "contents", "body")

_Parse: TypeAlias = Callable[[bytes], Document]


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that gave no document. `line_number` counts from 1; `line` is cut to 200 characters.

    Bytes of `line` that are not UTF-8 stand as backslash and hexadecimal.
    """

    source: str
    line_number: int
    reason: str
    line: str


def read_documents(
    sources: Sequence[str | Path],
    *,
    on_reject: Callable[[Reject], None],
    progress: Callable[[int], None] = lambda bytes_read: None,
    check: Callable[[Document], None] = lambda document: None,
) -> Iterator[Document]:
    """Documents of all sources in order, one line at a time.

    A source is a file, a folder that holds `corpus.jsonl` (BEIR) or `collection.tsv` (MS MARCO),
    or "-" for standard input; each may be gzip or zstd. In `.jsonl` a line is an object: `_id`
    (or id, doc_id, docid), `text` (or contents, body), `title`, `vectors` (as `Vectors.of` reads
    them); everything else, and the entries of an object called `metadata`, become metadata. In
    `.tsv` the columns are id and text; or id, title, text; or id, url, title, text. Standard input
    is JSON where its first line begins with "{". A line that gives no document is passed to
    `on_reject`; empty lines are skipped.

    Args:
        sources: Where to read.
        on_reject: Called with each line that is left out.
        progress: Called with the bytes read so far, over all sources, as they lie on disk.
        check: Raises DocumentError for a document that is to be left out.

    Raises:
        CorpusError: at once if a source is missing or of unknown kind; while reading if it is
            damaged.
    """
    return _read([_find(source) for source in sources], on_reject, progress, check)


def total_bytes(sources: Sequence[str | Path]) -> int | None:
    """Bytes that reading all sources takes, as they lie on disk; None if one is not a file.

    Raises:
        CorpusError: if a source is missing or of unknown kind.
    """
    files = source_files(sources)
    if len(files) < len(sources) or not all(path.is_file() for path in files):
        return None
    return sum(path.stat().st_size for path in files)


def source_files(sources: Sequence[str | Path]) -> list[Path]:
    """The files that the sources stand for, standard input left out.

    Raises:
        CorpusError: if a source is missing or of unknown kind.
    """
    return [path for source in sources if (path := _find(source).path) is not None]


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    path: Path | None


def _find(source: str | Path) -> _Source:
    if str(source) == STDIN:
        return _Source("stdin", None)
    path = Path(source)
    if path.is_dir():
        return _find_in_folder(path)
    if not path.exists():
        raise CorpusError(
            f"{path}: no such file; expected a .jsonl or .tsv file, a folder that holds one, "
            'or "-" for standard input; check the path'
        )
    if _kind(path) not in _JSON_NAMES + _TABLE_NAMES:
        raise CorpusError(
            f"{path}: the name does not say what is inside; expected it to end in "
            f"{', '.join(_JSON_NAMES + _TABLE_NAMES)}, or these with {' or '.join(_COMPRESSED)}; "
            "rename it, or give it on standard input"
        )
    return _Source(str(path), path)


def _find_in_folder(folder: Path) -> _Source:
    for name in _IN_FOLDER:
        for suffix in ("", *_COMPRESSED):
            if (path := folder / (name + suffix)).is_file():
                return _Source(str(path), path)
    raise CorpusError(
        f"{folder}: a folder without a corpus; expected {' or '.join(_IN_FOLDER)}, "
        f"plain or with {' or '.join(_COMPRESSED)}; give the file itself if its name is another"
    )


def _kind(path: Path) -> str:
    plain = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
    return plain.suffix.lower()


def _read(
    sources: Iterable[_Source],
    on_reject: Callable[[Reject], None],
    progress: Callable[[int], None],
    check: Callable[[Document], None],
) -> Iterator[Document]:
    bytes_read = 0

    def on_read(n: int) -> None:
        nonlocal bytes_read
        bytes_read += n
        progress(bytes_read)

    for source in sources:
        with ExitStack() as stack:
            lines = read_lines(_open(source, stack), source.name, on_read=on_read)
            for line, parse in _with_parser(lines, source):
                try:
                    if not line.whole:
                        raise DocumentError(f"line is longer than {LONGEST_LINE >> 20} MiB")
                    check(document := parse(line.content))
                    yield document
                except DocumentError as error:
                    on_reject(Reject(source.name, line.number, str(error), _shown(line.content)))


def _open(source: _Source, stack: ExitStack) -> BinaryIO:
    if source.path is None:
        return sys.stdin.buffer
    try:
        return stack.enter_context(source.path.open("rb"))
    except OSError as error:
        raise CorpusError(
            f"{source.name}: cannot be opened ({error.strerror}); expected a readable file; "
            "check its permissions"
        ) from error


def _with_parser(lines: Iterator[Line], source: _Source) -> Iterator[tuple[Line, _Parse]]:
    """Each line that is not empty, with the function that reads it."""
    parse: _Parse | None = None
    for line in lines:
        if line.content.isspace() or not line.content:
            continue
        if parse is None:
            parse = _parser(source.path, line.content)
        yield line, parse


def _parser(path: Path | None, first: bytes) -> _Parse:
    is_json = _kind(path) in _JSON_NAMES if path else first.lstrip().startswith(b"{")
    if is_json:
        return _from_json
    n_columns = first.count(b"\t") + 1
    return lambda content: _from_columns(content, n_columns)


def _shown(content: bytes) -> str:
    # Cut before decoding, which a line of 64 MiB would make dear; 4 bytes hold any character.
    return content[: SHOWN * 4].decode("utf-8", "backslashreplace")[:SHOWN]


def _from_columns(content: bytes, n_columns: int) -> Document:
    columns = _decoded(content).split("\t")
    if len(columns) != n_columns:
        raise DocumentError(f"{len(columns)} columns; expected {n_columns}, as in the first line")
    match columns:
        case [doc_id, text]:
            return Document(doc_id, text)
        case [doc_id, title, text]:
            return Document(doc_id, text, title)
        case [doc_id, url, title, text]:
            return Document(doc_id, text, title, {"url": url} if url else {})
        case _:
            raise DocumentError(
                f"{len(columns)} columns; expected 2 (id, text), 3 (id, title, text) "
                "or 4 (id, url, title, text), separated by tabs"
            )


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"not UTF-8 at byte {error.start}; expected UTF-8 text") from error


def _from_json(content: bytes) -> Document:
    try:
        fields: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        _decoded(content)
        raise DocumentError(f"not JSON ({error}); expected one object a line") from error
    if not isinstance(fields, dict):
        raise DocumentError("JSON, but not an object; expected one object a line")
    return _from_fields(cast("dict[str, Any]", fields))


def _from_fields(fields: dict[str, Any]) -> Document:
    doc_id = _take_id(fields)
    has_title = isinstance(fields.get("title"), str)
    title = _take_text(fields, "title") or ""
    found = [name for name in _TEXT_NAMES if fields.get(name) is not None]
    if not found and not has_title and fields.get("vectors") is None:
        raise DocumentError(f"no text; expected a member called {' or '.join(_TEXT_NAMES)}")
    text = _take_text(fields, found[0]) if found else ""
    vectors = _take_vectors(fields)
    return Document(doc_id, text, title, _metadata(fields), vectors)


def _take_id(fields: dict[str, Any]) -> str:
    name = next((name for name in _ID_NAMES if fields.get(name) is not None), None)
    if name is None:
        raise DocumentError(f"no id; expected a member called {' or '.join(_ID_NAMES)}")
    doc_id = fields.pop(name)
    if isinstance(doc_id, bool) or not isinstance(doc_id, str | int):
        raise DocumentError(f"{name} is {type(doc_id).__name__}; expected text or a whole number")
    return str(doc_id)


def _take_text(fields: dict[str, Any], name: str) -> str:
    text = fields.pop(name, None)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise DocumentError(f"{name} is {type(text).__name__}; expected text")
    return text


def _take_vectors(fields: dict[str, Any]) -> Vectors | None:
    given = fields.pop("vectors", None)
    if given is None:
        return None
    try:
        return Vectors.of(given)
    except ShapeError as error:
        raise DocumentError(str(error)) from error


def _metadata(fields: dict[str, Any]) -> Mapping[str, Json]:
    """What is left of an object once id, title and text are taken out."""
    nested: Any = fields.pop("metadata", None)
    if isinstance(nested, dict):
        return fields | nested
    return fields if nested is None else fields | {"metadata": nested}
