"""What does a segment consist of, and is it still what was written?

`segment.json` is written last. It names every other file with its size and xxh3-128, and carries
the checksum of its own body, so a flipped byte anywhere in the folder is found.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import xxhash

from lexmax.errors import CorruptionError, IndexFormatError
from lexmax.index.durable import checksum, sync_file, sync_folder, to_json, write_atomically
from lexmax.index.failures import storage_errors
from lexmax.types import Json

FILE_NAME = "segment.json"
MAGIC = "lexmax segment"
FORMAT_VERSION = 4
OLDEST_READABLE = 1

# Reading these at every open costs less than a millisecond; larger files wait for `verify`.
_CHECKED_AT_OPEN = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of segment.json.

    Attributes:
        segment_id: name of the segment's folder.
        n_docs: documents in it, deleted ones included; passages where documents are split.
        first_serial: serial in the catalog of its first document.
        last_serial: serial of its last.
        encoders: spec and fingerprint of the encoder behind each signal.
        parameters: what each index was built with, seeds included.
        files: size in bytes and xxh3-128 of every other file in the folder.
    """

    segment_id: str
    n_docs: int
    first_serial: int
    last_serial: int
    encoders: Mapping[str, Mapping[str, str]]
    parameters: Mapping[str, Json]
    files: Mapping[str, Mapping[str, int | str]]

    @property
    def n_documents(self) -> int:
        """Documents in it, each counted once, deleted ones included."""
        found = self.parameters.get("passages")
        return int(cast("Any", found)["n_documents"]) if found else self.n_docs

    @property
    def n_bytes(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(int(written["bytes"]) for written in self.files.values())


def describe_files(folder: Path) -> dict[str, dict[str, int | str]]:
    """Size and checksum of every file in the folder but the manifest, all forced to the disk."""
    described: dict[str, dict[str, int | str]] = {}
    for path in sorted(folder.iterdir()):
        if path.name != FILE_NAME:
            sync_file(path)
            described[path.name] = {"bytes": path.stat().st_size, "xxh3": checksum(path)}
    return described


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write segment.json; its own checksum, which the catalog keeps, is returned."""
    body = {"magic": MAGIC, "format_version": FORMAT_VERSION} | asdict(manifest)
    own = _checksum_of(body)
    write_atomically(folder / FILE_NAME, to_json(body | {"xxh3": own}))
    sync_folder(folder)
    return own


def read_manifest(folder: Path, *, expected_xxh3: str | None = None) -> Manifest:
    """The manifest of a segment; `expected_xxh3` is what the catalog remembers of it.

    Raises:
        CorruptionError: if it is missing, or differs from what was written.
        IndexFormatError: if another format version wrote it.
    """
    path = folder / FILE_NAME
    body = _parse(path)
    version = body.get("format_version")
    if body.get("magic") != MAGIC:
        raise CorruptionError(f"{path}: found no '{MAGIC}' mark; it is not a segment; {_REBUILD}")
    if not isinstance(version, int) or not OLDEST_READABLE <= version <= FORMAT_VERSION:
        raise IndexFormatError(
            f"{path}: found format version {version}, this build reads {OLDEST_READABLE} to "
            f"{FORMAT_VERSION}; index the corpus into another folder with `lexmax index`, or use "
            "the release that wrote it"
        )
    own = body.pop("xxh3", None)
    if own != _checksum_of(body) or expected_xxh3 not in (None, own):
        raise CorruptionError(f"{path}: its bytes differ from what was written; {_REBUILD}")
    return Manifest(**{name: body[name] for name in Manifest.__dataclass_fields__})


_REBUILD = "run `lexmax rebuild` on the collection, or restore a backup"


def _parse(path: Path) -> dict[str, Any]:
    try:
        with storage_errors(path):
            body: Any = orjson.loads(_content(path))
    except orjson.JSONDecodeError as error:
        raise CorruptionError(f"{path}: found no JSON ({error}); {_REBUILD}") from error
    if not isinstance(body, dict):
        raise CorruptionError(f"{path}: found no JSON mapping; {_REBUILD}")
    return cast("dict[str, Any]", body)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CorruptionError(f"{path}: missing; {_REBUILD}") from error


def _checksum_of(body: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128(to_json(body)).hexdigest()


def file_problems(folder: Path, manifest: Manifest, *, thorough: bool) -> list[str]:
    """What differs from the manifest, a sentence each.

    Sizes are always compared; checksums of small files too, of all files if `thorough`.

    Raises:
        StorageError: if a file is refused for a reason that is not its own, such as permissions.
    """
    problems: list[str] = []
    for name, written in manifest.files.items():
        path = folder / name
        try:
            with storage_errors(path):
                found = _file_problem(path, written, thorough=thorough)
        except CorruptionError as error:
            problems.append(str(error))
        else:
            problems += [f"{path}: {found}; {_REBUILD}"] if found else []
    return problems


def _file_problem(path: Path, written: Mapping[str, int | str], *, thorough: bool) -> str | None:
    if not path.is_file():
        return f"missing; expected {written['bytes']} bytes"
    if (found := path.stat().st_size) != written["bytes"]:
        return f"found {found} bytes, expected {written['bytes']}"
    if (thorough or found <= _CHECKED_AT_OPEN) and checksum(path) != written["xxh3"]:
        return "its bytes differ from what was written"
    return None
