"""How does a snapshot of a collection get into one file, while writes and merges go on?

The catalog is copied by SQLite's backup in one step, which sees one generation. The files of its
segments get a second name each, so a merge that removes them meanwhile takes nothing away. Then
everything can be read in peace, as slowly as whoever reads it likes.
"""

import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import finalize

import xxhash

from lexmax.drafts import Draft, sweep
from lexmax.errors import CorruptionError, InputError, StorageError
from lexmax.index import segment_rows
from lexmax.index.durable import DRAFT, sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.manifest import FILE_NAME, read_manifest
from lexmax.index.schema import open_file
from lexmax.index.segment_rows import SegmentRow
from lexmax.relevance.adapter_files import FOLDER as RELEVANCE
from lexmax.snapshot_tar import (
    END,
    MANIFEST,
    SnapshotManifest,
    Written,
    header,
    is_expected,
    padding,
)

_CHUNK = 1 << 20
_UNKNOWN = "0" * 64
_TRIES = 5


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """What was written: the collection's generation, members and bytes of the file."""

    generation: int
    n_members: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class _Member:
    """One file; `xxh3` is what its segment's manifest says of it."""

    name: str
    path: Path
    n_bytes: int
    xxh3: str | None = None


class Archive:
    """One generation of a collection, kept as it is until `close`, or until nobody has it."""

    def __init__(self, folder: Path, *, scratch: Path | None = None) -> None:
        """Keeps the newest generation of the collection in `folder`.

        In `scratch`, by default the collection's folder, it makes a folder of its own for a copy of
        the catalog and second names of the other files. What a killed process left there is
        removed, and in the collection's.

        Raises:
            NotACollectionError: if there is none.
            CorruptionError: if files are missing.
            DiskFullError: if there is no room for the copy.
        """
        layout = Layout(folder)
        layout.require()
        where = scratch or folder
        for place in {where, folder}:
            sweep(place, ".*.snapshot-*")
        draft = Draft(where / f".{folder.name}.snapshot-{secrets.token_hex(8)}")
        self._close = finalize(self, draft.drop)
        try:
            held = Layout(draft.folder)
            self.generation, rows = _hold(layout, held)
            self._members = _members(held, rows)
        except BaseException:
            self.close()
            raise
        self._created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; twice is as good as once."""
        self._close()

    @property
    def n_members(self) -> int:
        """Members of the tar, the manifest included."""
        return len(self._members) + 1

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole tar."""
        sizes = [member.n_bytes for member in self._members]
        sizes.append(len(self._manifest({}).to_bytes()))
        return sum(len(END) // 2 + size + padding(size) for size in sizes) + len(END)

    def chunks(self) -> Iterator[bytes]:
        """The tar, about a megabyte at a time.

        Raises:
            CorruptionError: if a segment's file is not what was written: no snapshot carries
                damage on.
        """
        written: dict[str, Written] = {}
        for member in self._members:
            yield header(member.name, member.n_bytes, modified_s=_modified_s(member.path))
            sha256 = yield from _content(member)
            written[member.name] = Written(member.n_bytes, sha256)
        content = self._manifest(written).to_bytes()
        yield header(MANIFEST, len(content), modified_s=0)
        yield content + bytes(padding(len(content))) + END

    def _manifest(self, written: Mapping[str, Written]) -> SnapshotManifest:
        members = {
            member.name: written.get(member.name, Written(member.n_bytes, _UNKNOWN))
            for member in self._members
        }
        return SnapshotManifest(self.generation, self._created, members)


def write_snapshot(folder: Path, file: Path) -> ArchiveReport:
    """Write a snapshot of the collection in `folder` to a new file; it is there whole or not.

    Others may search and write meanwhile.

    Raises:
        InputError: if the file is there already.
        NotACollectionError: if there is no collection.
        CorruptionError: if it is damaged.
        DiskFullError: if there is no room for the file, or for a copy of the catalog beside the
            collection's.
    """
    if file.exists():
        raise InputError(f"{file}: is there already; expected a new file; choose another name")
    draft = file.with_name(file.name + DRAFT)
    with Archive(folder) as archive, storage_errors(file):
        try:
            with draft.open("wb") as opened:
                opened.writelines(archive.chunks())
                opened.flush()
                os.fsync(opened.fileno())
            draft.rename(file)
            sync_folder(file.absolute().parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return ArchiveReport(archive.generation, archive.n_members, archive.n_bytes)


def _hold(layout: Layout, held: Layout) -> tuple[int, Sequence[SegmentRow]]:
    """Make the files of one generation of `layout` be in `held` too: which one, its segments."""
    with storage_errors(layout.folder):
        (held.folder / "segments").mkdir()
        for room in (RELEVANCE, layout.sample.name):
            _copy_settled(layout.folder / room, held.folder / room)
        # Most are still there when the catalog has been copied, which may take a while.
        for row in _segments(layout):
            _hold_segment(layout, held, row)
        while True:
            generation, rows = _copy_catalog(layout.catalog, held.catalog)
            missing = [row for row in rows if not _hold_segment(layout, held, row)]
            if not missing:
                break
            if set(missing) & set(_segments(layout)):
                folder = layout.segment(missing[0].segment_id)
                read_manifest(folder, expected_xxh3=missing[0].manifest_xxh3)
                raise CorruptionError(f"{folder}: files are missing; run `lexmax rebuild`")
    return generation, rows


def _segments(layout: Layout) -> list[SegmentRow]:
    with closing(open_file(layout.catalog)) as connection:
        return segment_rows.read(connection)


def _copy_catalog(source: Path, target: Path) -> tuple[int, list[SegmentRow]]:
    """One generation of the catalog, without unfinished builds: their files are not copied."""
    target.unlink(missing_ok=True)
    with (
        closing(open_file(source)) as old,
        closing(sqlite3.connect(target, isolation_level=None)) as new,
    ):
        new.execute("PRAGMA synchronous = OFF")
        old.backup(new)
        new.execute("DELETE FROM builds")
        new.execute("PRAGMA journal_mode = DELETE")
        said = new.execute("SELECT value FROM settings WHERE name = 'generation'").fetchone()
        return int(said[0]), segment_rows.read(new)


def _hold_segment(layout: Layout, held: Layout, row: SegmentRow) -> bool:
    """Give the segment's files a second name; False where they are not all there any more."""
    source, target = layout.segment(row.segment_id), held.segment(row.segment_id)
    if (target / FILE_NAME).exists():
        return True
    try:
        manifest = read_manifest(source, expected_xxh3=row.manifest_xxh3)
        target.mkdir(exist_ok=True)
        for name in (*manifest.files, FILE_NAME):
            (target / name).unlink(missing_ok=True)
            _link(source / name, target / name)
    except (FileNotFoundError, CorruptionError):
        return False
    return True


def _link(source: Path, target: Path) -> None:
    """The same file by another name, which no one will change; a copy where that cannot be."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _copy_settled(source: Path, target: Path) -> None:
    """Copy a folder of small files that others may be replacing, at a moment when nobody does."""
    for _ in range(_TRIES):
        shutil.rmtree(target, ignore_errors=True)
        before = _state(source)
        if not before:
            return
        try:
            shutil.copytree(source, target)
        except (FileNotFoundError, shutil.Error):
            continue
        if _state(source) == before:
            return
    raise StorageError(f"{source}: changes all the time; expected it to settle; try again")


def _state(folder: Path) -> list[tuple[str, int, int, int]]:
    found = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [(str(path), said.st_ino, said.st_size, said.st_mtime_ns) for path, said in found]


def _members(held: Layout, rows: Sequence[SegmentRow]) -> list[_Member]:
    paths = [held.catalog]
    checksums: dict[Path, str] = {}
    for row in rows:
        folder = held.segment(row.segment_id)
        manifest = read_manifest(folder, expected_xxh3=row.manifest_xxh3)
        for name, written in manifest.files.items():
            checksums[folder / name] = str(written["xxh3"])
        paths += [folder / FILE_NAME, *(folder / name for name in manifest.files)]
    for room in (RELEVANCE, held.sample.name):
        paths += sorted(path for path in (held.folder / room).rglob("*") if path.is_file())
    found = [
        _Member(
            path.relative_to(held.folder).as_posix(), path, path.stat().st_size, checksums.get(path)
        )
        for path in paths
    ]
    # What is not ours, such as an editor's copy of a calibration, stays out.
    return [member for member in found if is_expected(member.name)]


def _content(member: _Member) -> Generator[bytes, None, str]:
    """The file's bytes and what fills the last block; returns SHA-256, in hexadecimal."""
    sha256, xxh3, left = hashlib.sha256(), xxhash.xxh3_128(), member.n_bytes
    with storage_errors(member.path), member.path.open("rb") as file:
        while chunk := file.read(min(left, _CHUNK)):
            sha256.update(chunk)
            xxh3.update(chunk)
            left -= len(chunk)
            yield chunk
    if left or member.xxh3 not in (None, xxh3.hexdigest()):
        raise CorruptionError(
            f"{member.name}: its bytes differ from what was written; run `lexmax rebuild` on the "
            "collection, then take the snapshot again"
        )
    if fill := padding(member.n_bytes):
        yield bytes(fill)
    return sha256.hexdigest()


def _modified_s(path: Path) -> int:
    return max(int(path.stat().st_mtime), 0)
