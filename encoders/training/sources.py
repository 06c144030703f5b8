"""Which examples does a file hold, and which of them are held out?

Each file is read once: broken lines are noted, and for every good one the byte where it begins
is kept in the cache, on one side for training and on the other for dev. After that any example
is one seek away, so files of any size are shuffled without being in memory.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from lexmax.encoders.training.config import SourceSection
from lexmax.encoders.training.durable import write_array, write_file
from lexmax.encoders.training.example import BadLineError, Example, from_columns, from_json
from lexmax.encoders.training.line_files import LineFile, identity, lines_of, plain_file
from lexmax.encoders.training.qrels_lines import write_qrels_lines
from lexmax.encoders.training.texts import Texts
from lexmax.errors import TrainingError
from lexmax.lines import LONGEST_LINE, Line

SHOWN = 200
"""Characters of a broken line that are kept."""

_VERSION = 1
_DEV_SALT = 0x6465762D73706C69
_JSON = (".jsonl", ".ndjson", ".json")
_TABLES = (".tsv", ".txt", ".csv")

OnRead: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that gave no example; `line_number` counts from 1, `line` is cut."""

    source: str
    line_number: int
    reason: str
    line: str


def dev_place(query: str) -> float:
    """A number from 0 to 1 that the query alone decides; below the share it is held out."""
    return xxhash.xxh3_64_intdigest(query.encode(), seed=_DEV_SALT) / 2**64


class Source:
    """The examples of one file or folder.

    Attributes:
        name: As the configuration says it.
        train: Where examples to train with begin, int64 (n,), mapped.
        dev: Where held-out ones begin, int64 (m,), those first that the hash puts first.
        broken: Lines that gave none.
        identity: Another one for other examples.
    """

    def __init__(
        self,
        section: SourceSection,
        *,
        folder: Path,
        cache: Path,
        dev_share: float,
        on_read: OnRead = lambda n: None,
    ) -> None:
        """Reads the file, unless the cache knows it.

        Raises:
            CorpusError: if a file cannot be read, or is damaged.
            TrainingError: if nothing says what the file holds.
            DiskFullError: if the cache has no room.
        """
        self.name = section.path
        self._section = section
        self._in_texts: list[BrokenLine] = []
        path = folder / section.path
        kind = _kind(path, section)
        self._is_json = kind != "table"
        if kind == "beir":
            self._open_folder(path, cache, on_read)
        else:
            self._queries = self._texts(folder, section.queries, cache, on_read)
            self._documents = self._texts(folder, section.collection, cache, on_read)
            self._plain = plain_file(path, cache, on_read=on_read)
        stem = cache / f"{identity(self._plain)}-{_hash(section, dev_share)}"
        if not stem.with_suffix(".json").exists():
            self._scan(stem, dev_share, on_read)
        self.identity = stem.name
        self.train = _mapped(stem.with_suffix(".train.npy"))
        self.dev = _mapped(stem.with_suffix(".dev.npy"))
        noted = orjson.loads(stem.with_suffix(".json").read_bytes())
        self.broken = [BrokenLine(**one) for one in noted]
        self._file = LineFile(self._plain)

    def example(self, offset: int) -> Example:
        """The example that begins at this byte, with the texts that its ids stand for."""
        return self._resolved(self._parse(self._file.line(int(offset))))

    def documents_of(self, offset: int) -> Sequence[str]:
        """Texts of all documents of an example."""
        found = self.example(offset)
        return [one.text for one in (*found.positives, *found.negatives)]

    def _open_folder(self, path: Path, cache: Path, on_read: OnRead) -> None:
        queries, collection = (_in_folder(path, name) for name in ("queries", "corpus"))
        self._queries = self._texts(path, queries, cache, on_read)
        self._documents = self._texts(path, collection, cache, on_read)
        self._plain, broken = write_qrels_lines(path, self._section.split, cache)
        self._in_texts.extend(BrokenLine(*one) for one in broken)

    def _texts(self, folder: Path, name: str | None, cache: Path, on_read: OnRead) -> Texts | None:
        if name is None:
            return None
        return Texts(folder / name, cache, on_bad_line=self._note_text, on_read=on_read)

    def _note_text(self, name: str, line: Line, reason: str) -> None:
        self._in_texts.append(_broken(name, line, reason))

    def _scan(self, stem: Path, dev_share: float, on_read: OnRead) -> None:
        broken = list(self._in_texts)
        train, dev = array("q"), list[tuple[float, int]]()
        for offset, line in lines_of(self._plain, on_read=on_read):
            if self._section.limit is not None and len(train) + len(dev) >= self._section.limit:
                break
            try:
                place = dev_place(self._checked(line).query)
            except BadLineError as error:
                broken.append(_broken(self.name, line, str(error)))
                continue
            if place < dev_share:
                dev.append((place, offset))
            else:
                train.append(offset)
        write_array(stem.with_suffix(".train.npy"), np.array(train, dtype=np.int64))
        held = np.array([offset for _, offset in sorted(dev)], dtype=np.int64)
        write_array(stem.with_suffix(".dev.npy"), held)
        write_file(stem.with_suffix(".json"), orjson.dumps(broken))

    def _checked(self, line: Line) -> Example:
        if not line.whole:
            raise BadLineError(f"line is longer than {LONGEST_LINE >> 20} MiB")
        found = self._parse(line.content)
        if self._queries is not None and not self._queries.knows(found.query):
            raise BadLineError(f"no query of id {found.query!r:.60} in {self._section.queries}")
        for one in (*found.positives, *found.negatives):
            if self._documents is not None and not self._documents.knows(one.text):
                raise BadLineError(f"no document of id {one.text!r:.60} in the collection")
        return found

    def _parse(self, content: bytes) -> Example:
        if self._is_json:
            return from_json(content, cast("dict[str, str]", self._section.fields))
        return from_columns(content)

    def _resolved(self, example: Example) -> Example:
        if self._queries is None and self._documents is None:
            return example
        query = self._queries.__getitem__ if self._queries else str
        document = self._documents.__getitem__ if self._documents else str
        return example.resolved(query, document)


def rejects_json(broken: Iterator[BrokenLine]) -> bytes:
    """A JSON line each, for `rejects.jsonl`."""
    return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in broken)


def _hash(section: SourceSection, dev_share: float) -> str:
    values: dict[str, Any] = section.model_dump(exclude={"path", "weight"})
    content = orjson.dumps([_VERSION, values, dev_share], option=orjson.OPT_SORT_KEYS)
    return xxhash.xxh3_64_hexdigest(content)


def _mapped(path: Path) -> NDArray[np.int64]:
    return cast("NDArray[np.int64]", np.load(path, mmap_mode="r"))


def _broken(name: str, line: Line, reason: str) -> BrokenLine:
    shown = line.content[: SHOWN * 4].decode("utf-8", "backslashreplace")[:SHOWN]
    return BrokenLine(name, line.number, reason, shown)


def _kind(path: Path, section: SourceSection) -> str:
    if section.format != "auto":
        return section.format
    if path.is_dir():
        return "beir"
    endings = path.suffixes[-2:]
    if any(ending in _JSON for ending in endings):
        return "jsonl"
    if any(ending in _TABLES for ending in endings):
        return "table"
    raise TrainingError(
        f"{path}: the name does not say what is inside; expected it to end in "
        f"{', '.join(_JSON + _TABLES)}, or these with .gz or .zst, or a BEIR folder; "
        "say `format: jsonl` or `format: table` beside the path"
    )


def _in_folder(folder: Path, name: str) -> str:
    endings = (".jsonl", ".jsonl.gz", ".jsonl.zst")
    found = next((name + end for end in endings if (folder / (name + end)).is_file()), None)
    if found is None:
        raise TrainingError(
            f"{folder}: holds no {name}.jsonl, .jsonl.gz or .jsonl.zst; expected a dataset in BEIR "
            "layout; check the path"
        )
    return found
