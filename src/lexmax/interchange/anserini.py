"""Anserini's JsonVectorCollection: a JSON object a line, {"id", "contents", "vector": {term: n}}.

https://github.com/castorini/anserini/blob/master/docs/regressions.md calls such collections
"-collection JsonVectorCollection"; indexing repeats each term n times, so n is a whole number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax.errors import CorpusError
from lexmax.interchange.vectors import (
    CHUNK_DOCS,
    Chunk,
    Outgoing,
    Progress,
    Quantiser,
    by_row,
)
from lexmax.lines import LONGEST_LINE, read_lines

_SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst")
_ID_NAMES = ("id", "_id", "docid")


@dataclass(frozen=True, slots=True)
class _Line:
    """One document, and where it stands."""

    path: Path
    number: int
    doc_id: str
    text: str
    vector: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.path}, line {self.number:,}"


@dataclass(frozen=True, slots=True)
class JsonVectorCollection:
    """Files that were read once, for the terms in them; `chunks` reads them again."""

    source: Path
    terms: list[str]
    n_docs: int
    _files: list[Path]

    def chunks(self, term_ids: NDArray[np.uint32]) -> Iterator[Chunk]:
        """All documents in the order of the files' names and their lines."""
        known = dict(zip(self.terms, term_ids.tolist(), strict=True))
        lines = _documents(self._files, lambda done: None)
        while batch := list(islice(lines, CHUNK_DOCS)):
            yield _chunk(batch, known)


def read_json_vectors(
    path: Path, *, progress: Progress = lambda done: None
) -> JsonVectorCollection:
    """Read a file, or all files of a folder; plain, gzip or zstd.

    Weights may be whole or not; a weight of zero is left out.

    Raises:
        CorpusError: if a file cannot be read, a line is no such object, or a weight is negative
            or no number.
    """
    files = _files(path)
    terms: dict[str, None] = {}
    n_docs = 0
    for line in _documents(files, progress):
        terms.update(dict.fromkeys(line.vector))
        n_docs += 1
    if n_docs == 0:
        raise CorpusError(f"{path}: found no document; expected a JSON object a line")
    return JsonVectorCollection(path, list(terms), n_docs, files)


def write_json_vectors(
    outgoing: Outgoing,
    file: BinaryIO,
    *,
    quantiser: Quantiser,
    progress: Progress = lambda done: None,
) -> None:
    """Write one line a document, terms ascending, weights as whole numbers.

    Raises:
        InputError: if an impact is above 2^31 - 1.
    """
    done = 0
    documents = outgoing.documents()
    for batch in outgoing.weights():
        impacts = quantiser.impacts(batch.weights).tolist()
        names = [outgoing.terms[place] for place in batch.term_ids.tolist()]
        for a, b in pairwise(batch.indptr.tolist()):
            doc_id, text = next(documents)
            vector = dict(zip(names[a:b], impacts[a:b], strict=True))
            line = {"id": doc_id, "contents": text, "vector": vector}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        done += len(batch)
        progress(done)


def total_bytes(path: Path) -> int:
    """Bytes that reading takes, as they lie on disk."""
    return sum(file.stat().st_size for file in _files(path))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(file for file in path.glob("*") if file.name.lower().endswith(_SUFFIXES))
    if not found:
        raise CorpusError(
            f"{path}: found no file; expected a file, or a folder with files that end in "
            f"{', '.join(_SUFFIXES)}; check the path"
        )
    return found


def _documents(files: list[Path], progress: Progress) -> Iterator[_Line]:
    done = 0

    def on_read(n: int) -> None:
        nonlocal done
        done += n
        progress(done)

    for path in files:
        try:
            opened = path.open("rb")
        except OSError as error:
            raise CorpusError(
                f"{path}: cannot be opened ({error.strerror}); check its permissions"
            ) from error
        with opened as file:
            for line in read_lines(file, str(path), on_read=on_read):
                if line.content and not line.content.isspace():
                    if not line.whole:
                        raise CorpusError(
                            f"{path}, line {line.number:,}: found more than "
                            f"{LONGEST_LINE >> 20} MiB; expected one document a line"
                        )
                    yield _parsed(path, line.number, line.content)


def _parsed(path: Path, number: int, content: bytes) -> _Line:
    place = f"{path}, line {number:,}"
    try:
        fields: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise CorpusError(
            f"{place}: found no JSON ({error}); expected an object with id and vector"
        ) from error
    if not isinstance(fields, dict):
        raise CorpusError(f"{place}: found JSON without members; expected an object")
    found = cast("dict[str, Any]", fields)
    doc_id = next((found[name] for name in _ID_NAMES if found.get(name) is not None), None)
    vector, text = found.get("vector"), found.get("contents") or ""
    if isinstance(doc_id, bool) or not isinstance(doc_id, str | int):
        raise CorpusError(f"{place}: found the id {doc_id!r}; expected a text or a whole number")
    if not isinstance(vector, dict):
        raise CorpusError(f"{place}: found no vector; expected a mapping of terms to weights")
    if not isinstance(text, str):
        raise CorpusError(f"{place}: found contents that are no text; expected a text")
    weights = cast("dict[str, Any]", vector)
    if "" in weights:
        raise CorpusError(f"{place}: found an empty term; expected at least one character")
    return _Line(path, number, str(doc_id), text, weights)


def _chunk(lines: list[_Line], known: dict[str, int]) -> Chunk:
    lengths = [len(line.vector) for line in lines]
    for line in lines:
        _require_numbers(line)
    try:
        term_ids = [known[term] for line in lines for term in line.vector]
    except KeyError as error:
        raise CorpusError(
            f"{lines[0].path}: found the term {error.args[0][:40]!r}, which was not there when "
            "the file was read first; expected a file that does not change; try again"
        ) from error
    weights = [weight for line in lines for weight in line.vector.values()]
    with np.errstate(over="ignore"):
        rounded = np.array(weights, dtype=np.float64).astype(np.float32)
    batch = by_row(
        np.repeat(np.arange(len(lines)), lengths),
        np.array(term_ids, dtype=np.uint32),
        rounded,
        len(lines),
        place=lambda i: lines[i].place,
    )
    return Chunk([line.doc_id for line in lines], [line.text for line in lines], batch)


def _require_numbers(line: _Line) -> None:
    for term, weight in line.vector.items():
        if type(weight) not in (int, float):
            raise CorpusError(
                f"{line.place}: found the weight {weight!r} of {term[:40]!r}; expected a number"
            )
