"""What is the text of an id, in a collection or a file of queries too large for memory?"""

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from lexmax.encoders.training.durable import write_array
from lexmax.encoders.training.example import BadLineError, text_of
from lexmax.encoders.training.line_files import LineFile, identity, lines_of, plain_file
from lexmax.errors import TrainingError
from lexmax.lines import Line

_JSON = (".jsonl", ".ndjson", ".json")
_IDS = ("_id", "id", "doc_id", "docid", "query_id")

OnBadLine: TypeAlias = Callable[[str, Line, str], None]
"""Told of the file, the line that cannot be used, and why."""


class Texts:
    """Texts by id. 16 bytes a text lie on the disk and are mapped; the texts stay in their file.

    The file is JSON lines with `_id` (or id, doc_id, docid, query_id), `title` and `text`; or
    a table of id and text; of id, title, text; or of id, url, title, text. It may be .gz or .zst,
    and is expanded in the cache then. Of several texts of one id the first counts.
    """

    def __init__(
        self,
        path: Path,
        cache: Path,
        *,
        on_bad_line: OnBadLine,
        on_read: Callable[[int], None] = lambda n: None,
    ) -> None:
        """Finds where each text is, (2, n) keys and offsets, unless the cache knows.

        Raises:
            CorpusError: if the file cannot be read.
            DiskFullError: if the cache has no room.
        """
        self._path = path
        self._is_json = any(ending in _JSON for ending in path.suffixes[-2:])
        places = cache / f"{identity(path)}.places.npy"
        plain = plain_file(path, cache, on_read=on_read)
        if not places.exists():
            write_array(places, self._find(plain, on_bad_line, on_read))
        self._keys, self._offsets = cast("NDArray[np.uint64]", np.load(places, mmap_mode="r"))
        self._file = LineFile(plain)

    def __len__(self) -> int:
        return len(self._keys)

    def knows(self, text_id: str) -> bool:
        """Whether there is a text of this id, but for one chance in 10^18 of another's hash."""
        key = np.uint64(_key(text_id))
        place = int(np.searchsorted(self._keys, key))
        return place < len(self._keys) and self._keys[place] == key

    def __getitem__(self, text_id: str) -> str:
        """The text of an id.

        Raises:
            TrainingError: if there is none.
        """
        found = self._find_line(text_id)
        if found is None:
            raise TrainingError(
                f"{self._path}: holds no text of id {text_id!r}; expected one for every id in the "
                "examples; check that they belong together"
            )
        return found

    def _find_line(self, text_id: str) -> str | None:
        key = np.uint64(_key(text_id))
        place = int(np.searchsorted(self._keys, key))
        while place < len(self._keys) and self._keys[place] == key:
            found, text = self._read(self._file.line(int(self._offsets[place])))
            if found == text_id:
                return text
            place += 1
        return None

    def _find(
        self, plain: Path, on_bad_line: OnBadLine, on_read: Callable[[int], None]
    ) -> NDArray[np.uint64]:
        keys, offsets = array("Q"), array("Q")
        for offset, line in lines_of(plain, on_read=on_read):
            try:
                keys.append(_key(self._read(line.content)[0]))
                offsets.append(offset)
            except BadLineError as error:
                on_bad_line(str(self._path), line, str(error))
        places = np.array([keys, offsets], dtype=np.uint64).reshape(2, -1)
        # Stable, so that the first of equal ids stays the first.
        return places[:, np.argsort(places[0], kind="stable")]

    def _read(self, content: bytes) -> tuple[str, str]:
        return _from_json(content) if self._is_json else _from_columns(content)


def _key(text_id: str) -> int:
    return xxhash.xxh3_64_intdigest(text_id.encode("utf-8", "surrogatepass"))


def _from_json(content: bytes) -> tuple[str, str]:
    try:
        members: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadLineError(f"not JSON ({error}); expected one object a line") from error
    if not isinstance(members, dict):
        raise BadLineError("JSON, but not an object; expected one object a line")
    known = cast("dict[str, Any]", members)
    found = next((known[name] for name in _IDS if known.get(name) is not None), None)
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise BadLineError(f"no id; expected a member called {' or '.join(_IDS)}")
    return str(found), text_of(known) or ""


def _from_columns(content: bytes) -> tuple[str, str]:
    try:
        columns = content.decode("utf-8").split("\t")
    except UnicodeDecodeError as error:
        raise BadLineError(f"not UTF-8 at byte {error.start}; expected UTF-8 text") from error
    match columns:
        case [text_id, text]:
            return text_id.strip(), text.strip()
        case [text_id, title, text] | [text_id, _, title, text]:
            return text_id.strip(), f"{title} {text}".strip()
        case _:
            raise BadLineError(f"{len(columns)} columns; expected id and text, up to 4")
