"""Is it on the disk? Files and folders written so that a power cut leaves the old or the new."""

import os
from pathlib import Path

import orjson
import xxhash

# Ends the name of a file that is being written, until it takes the place of the whole one.
DRAFT = ".tmp"
_CHUNK = 1 << 20


def sync_file(path: Path) -> None:
    """Force the file's bytes to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Force the folder's list of names to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path`: readers see the old bytes or the new ones, nothing between."""
    draft = path.with_name(path.name + DRAFT)
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def drop_drafts(folder: Path) -> None:
    """Remove what an interrupted write left beside the file that it was to replace."""
    for draft in folder.glob("*" + DRAFT):
        draft.unlink()


def to_json(value: object) -> bytes:
    """The same bytes for equal values: sorted names, two spaces, a last newline."""
    return orjson.dumps(
        value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    )


def checksum(path: Path) -> str:
    """xxh3-128 of the file's bytes, in hexadecimal."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
