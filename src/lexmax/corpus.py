"""Which documents do files, folders, ir_datasets or standard input hold?"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from lexmax.corpus_sources import Source, found_sources
from lexmax.document_records import Parse, check_columns, columns_parser, from_json, from_row
from lexmax.errors import CorpusError, DocumentError
from lexmax.irds import document, opened_documents, records
from lexmax.lines import LONGEST_LINE, Line, read_lines
from lexmax.parquet import numbered_rows
from lexmax.types import Document

SHOWN = 200
"""Characters of a rejected line that are kept."""

# (number from 1, what stands there, what makes a document of it)
_Entry: TypeAlias = tuple[int, Any, Callable[[], Document]]


@dataclass(frozen=True, slots=True)
class Reject:
    """A line, or a row, that gave no document.

    `line_number` counts from 1; `line` is cut to 200 characters, and bytes of it that are not
    UTF-8 stand as backslash and hexadecimal.
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
    """Documents of all sources in order, one at a time; memory does not grow with their number.

    A source is a file, a folder that holds a corpus as BEIR (`corpus.jsonl`, `corpus.parquet`,
    Parquet files in `corpus`) or MS MARCO (`collection.tsv`, `msmarco-docs.tsv`, `docs.tsv`) have
    it, `irds:NAME` of ir_datasets, or "-" for standard input. Lines may be packed by gzip or zstd.

    In `.jsonl` a line is an object: `_id` (or id, doc_id, docid), `text` (or contents, body),
    `title`, `vectors` (as `Vectors.of` reads them); everything else, and the entries of an object
    called `metadata`, become metadata. A row of Parquet is the same, null standing for no member.
    In `.tsv` the columns are id and text; or id, title, text; or id, url, title, text. Standard
    input is JSON where its first line begins with "{". What gives no document is passed to
    `on_reject`; empty lines are skipped.

    Args:
        sources: Where to read.
        on_reject: Called with each entry that is left out.
        progress: Called with the bytes read so far, over all sources, as they lie on disk; those
            of ir_datasets do not count.
        check: Raises DocumentError for a document that is to be left out.

    Raises:
        CorpusError: at once if a source is missing, of unknown kind, or a name that ir_datasets
            does not have; while reading if it is damaged, or cannot be fetched.
    """
    found = found_sources(sources)
    for source in found:
        if source.kind == "irds":
            opened_documents(source.name)
    return _read(found, on_reject, progress, check)


def total_bytes(sources: Sequence[str | Path]) -> int | None:
    """Bytes that reading all sources takes, as they lie on disk; None if one is not a file.

    Raises:
        CorpusError: if a source is missing or of unknown kind.
    """
    paths = [source.path for source in found_sources(sources)]
    if not all(path is not None and path.is_file() for path in paths):
        return None
    return sum(path.stat().st_size for path in paths if path is not None)


def source_files(sources: Sequence[str | Path]) -> list[Path]:
    """The files that the sources stand for; standard input and ir_datasets have none.

    Raises:
        CorpusError: if a source is missing or of unknown kind.
    """
    return [source.path for source in found_sources(sources) if source.path is not None]


def _read(
    sources: Iterable[Source],
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
        for number, content, make in _entries(source, on_read):
            try:
                check(made := make())
                yield made
            except DocumentError as error:
                on_reject(Reject(source.name, number, str(error), _shown(content)))


def _entries(source: Source, on_read: Callable[[int], None]) -> Iterator[_Entry]:
    if source.kind == "irds":
        return _records(source)
    if source.kind == "parquet" and source.path is not None:
        return _rows(source.name, source.path, on_read)
    return _lines(source, on_read)


def _records(source: Source) -> Iterator[_Entry]:
    for number, record in enumerate(records(source.name), start=1):
        yield number, record, partial(document, record)


def _rows(name: str, path: Path, on_read: Callable[[int], None]) -> Iterator[_Entry]:
    for number, row in numbered_rows(path, partial(check_columns, name), on_read=on_read):
        yield number, row, partial(from_row, row)


def _lines(source: Source, on_read: Callable[[int], None]) -> Iterator[_Entry]:
    with ExitStack() as stack:
        parse: Parse | None = None
        for line in read_lines(_open(source, stack), source.name, on_read=on_read):
            if line.content.isspace() or not line.content:
                continue
            if parse is None:
                parse = _parser(source, line.content)
            yield line.number, line.content, partial(_parsed, line, parse)


def _parsed(line: Line, parse: Parse) -> Document:
    if not line.whole:
        raise DocumentError(f"line is longer than {LONGEST_LINE >> 20} MiB")
    return parse(line.content)


def _open(source: Source, stack: ExitStack) -> BinaryIO:
    if source.path is None:
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - closed by its parent
            raise CorpusError(
                "standard input is closed; expected documents, a line each; pipe them in, or name "
                "a file"
            )
        return sys.stdin.buffer
    try:
        return stack.enter_context(source.path.open("rb"))
    except OSError as error:
        raise CorpusError(
            f"{source.name}: cannot be opened ({error.strerror}); expected a readable file; "
            "check its permissions"
        ) from error


def _parser(source: Source, first: bytes) -> Parse:
    by_content = source.kind == "stdin" and first.lstrip().startswith(b"{")
    return from_json if source.kind == "json" or by_content else columns_parser(first)


def _shown(content: Any) -> str:
    if isinstance(content, bytes):
        # Cut before decoding, which a line of 64 MiB would make dear; 4 bytes hold any character.
        return content[: SHOWN * 4].decode("utf-8", "backslashreplace")[:SHOWN]
    if isinstance(content, dict):
        row = cast("dict[str, Any]", content)
        return ", ".join(f"{name}: {str(value)[:SHOWN]}" for name, value in row.items())[:SHOWN]
    return str(content)[:SHOWN]
