"""How does a snapshot become a collection again? Whole, checked, or not at all.

Its bytes are taken in pieces of any size and written to a folder beside the target, so memory does
not grow with it, and whoever sends it may be slow. When every checksum has been compared and the
collection has been verified as `lexmax verify` does it, the folder takes the target's name.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lexmax.archive_check import check_collection, told_of_snapshot
from lexmax.collection import Collection
from lexmax.drafts import Draft
from lexmax.encoders import Encoders
from lexmax.errors import CollectionExistsError, InputError, SnapshotError
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.snapshot_tar import BLOCK, MANIFEST, SnapshotManifest, Written, padding, read_header

_MOST_MANIFEST_BYTES = 64 << 20
_PIECE = 1 << 20
# GNU tar fills its last record, of which the size can be set.
_MOST_FILL = 1 << 20


@dataclass(frozen=True, slots=True)
class RestoreLimits:
    """What a snapshot may have at most."""

    n_bytes: int = 1 << 50
    n_members: int = 1_000_000


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored: the snapshot's generation, living documents, members and bytes."""

    generation: int
    n_docs: int
    n_members: int
    n_bytes: int


def restore(file: Path, folder: Path, *, encoders: Encoders | None = None) -> RestoreReport:
    """Make the collection of a snapshot's file in `folder`, which is there whole or not at all.

    Raises:
        InputError: if there is no such file.
        CollectionExistsError: if the folder holds anything.
        SnapshotError: if the file is damaged, cut, or no snapshot.
        EncoderError: if an encoder of the collection cannot be loaded here.
        DiskFullError: if there is no room.
    """
    if not file.is_file():
        found = "is a folder" if file.is_dir() else "no such file"
        raise InputError(f"{file}: {found}; expected a snapshot's file; check the path")
    with storage_errors(file), file.open("rb") as opened, Restoring(folder) as restoring:
        try:
            while piece := opened.read(_PIECE):
                restoring.feed(piece)
            restoring.check(encoders)
            return restoring.publish()
        except SnapshotError as error:
            raise SnapshotError(f"{file}: {error}") from error


class Restoring:
    """One snapshot on its way into a folder. After an error it can only be closed."""

    def __init__(self, folder: Path, *, limits: RestoreLimits | None = None) -> None:
        """Makes a folder beside `folder`; what a killed process left under its name is removed.

        Raises:
            CollectionExistsError: if `folder` holds anything.
            LockedError: if another snapshot is being restored there.
        """
        self._target, self._limits = folder.absolute(), limits or RestoreLimits()
        _require_free(self._target)
        with storage_errors(self._target):
            self._target.parent.mkdir(parents=True, exist_ok=True)
        self._draft = Draft(self._target.with_name(f".{self._target.name}.restoring"))
        self._tar = _Tar(self._draft.folder, self._limits)
        self._report: RestoreReport | None = None

    def __enter__(self) -> "Restoring":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the tar, of any number.

        Raises:
            SnapshotError: if it is no snapshot, or larger than the limits.
            DiskFullError: if there is no room.
        """
        with storage_errors(self._draft.folder):
            self._tar.feed(piece)

    def check(
        self,
        encoders: Encoders | None = None,
        *,
        accept: Callable[[Collection], None] = lambda collection: None,
    ) -> None:
        """There are no more bytes: compare what came with what it should be.

        `accept` may raise what keeps the collection from being published.

        Raises:
            SnapshotError: if anything is missing, too much, or differs.
            EncoderError: if an encoder of the collection cannot be loaded here.
        """
        manifest = self._tar.end()
        found = self._draft.folder
        n_docs = check_collection(found)
        with (
            told_of_snapshot(found),
            Collection.open(found, encoders=encoders, merge_in_background=False) as collection,
        ):
            collection.describe()
            accept(collection)
        with storage_errors(found):
            for inside, _, _ in os.walk(found):
                sync_folder(Path(inside))
        n_members = len(manifest.members) + 1
        self._report = RestoreReport(manifest.generation, n_docs, n_members, self._tar.n_bytes)

    def publish(self) -> RestoreReport:
        """Give the checked collection its name.

        Raises:
            CollectionExistsError: if the name has been taken meanwhile.
            SnapshotError: if it was not checked.
        """
        if self._report is None:
            raise SnapshotError("the snapshot was not checked; expected `check` before `publish`")
        _require_free(self._target)
        with storage_errors(self._target):
            if self._target.exists():  # what a killed start of another collection left
                shutil.rmtree(self._target)
            self._draft.folder.rename(self._target)
            sync_folder(self._target.parent)
        self._draft.release()
        return self._report

    def close(self) -> None:
        """Remove what was not published."""
        self._tar.close()
        self._draft.drop()


class _Tar:
    """Writes members to a folder as their bytes come, and remembers what came."""

    def __init__(self, folder: Path, limits: RestoreLimits) -> None:
        self.n_bytes = 0
        self._folder, self._limits = folder, limits
        self._header = bytearray()
        self._content: _Content | None = None
        self._fill = 0
        self._ended = False
        self._found: dict[str, Written] = {}
        self._manifest: bytes | None = None

    def feed(self, piece: bytes) -> None:
        self.n_bytes += len(piece)
        if self.n_bytes > self._limits.n_bytes:
            raise _too_large(self._limits.n_bytes)
        left = memoryview(piece)
        while len(left):
            left = left[self._take(left) :]

    def end(self) -> SnapshotManifest:
        """What the tar said that it holds, and does.

        Raises:
            SnapshotError: if it ended early, or a member is missing, too much, or differs.
        """
        if not self._ended or self._fill < BLOCK or self._manifest is None:
            raise SnapshotError(
                "the snapshot ends early; expected all of it; copy or send it again"
            )
        manifest = SnapshotManifest.from_bytes(self._manifest)
        names = sorted(manifest.members.keys() | self._found.keys())
        for name in names:
            if manifest.members.get(name) != self._found.get(name):
                raise SnapshotError(
                    f"{name[:100]}: its bytes differ from what was written; expected the size and "
                    f"SHA-256 that {MANIFEST} has; take another copy of the snapshot"
                )
        return manifest

    def close(self) -> None:
        if self._content is not None:
            self._content.close()

    def _take(self, piece: memoryview) -> int:
        """Make something of the first bytes; how many."""
        if self._ended:
            return self._take_end(piece)
        if self._content is not None:
            return self._take_content(self._content, piece)
        if self._fill:
            taken = min(self._fill, len(piece))
            self._fill -= taken
            return taken
        return self._take_header(piece)

    def _take_header(self, piece: memoryview) -> int:
        taken = min(BLOCK - len(self._header), len(piece))
        self._header += piece[:taken]
        if len(self._header) == BLOCK:
            member = read_header(bytes(self._header))
            self._header.clear()
            if member is None:
                self._ended = True
            else:
                self._begin(*member)
        return taken

    def _begin(self, name: str, n_bytes: int) -> None:
        if name in self._found or self._manifest is not None:
            raise SnapshotError(
                f"{name}: stands twice, or after {MANIFEST}; expected each member once, and that "
                "one last; take another snapshot"
            )
        if len(self._found) >= self._limits.n_members:
            raise SnapshotError(
                f"the snapshot has more than {self._limits.n_members} members, more than may be "
                "restored here; expected fewer; merge the collection's segments, or allow more"
            )
        if n_bytes > self._limits.n_bytes - self.n_bytes + BLOCK + _PIECE:
            raise _too_large(self._limits.n_bytes)
        if name == MANIFEST and n_bytes > _MOST_MANIFEST_BYTES:
            raise _too_large(_MOST_MANIFEST_BYTES)
        path = None if name == MANIFEST else self._folder / name
        self._content = _Content(name, n_bytes, path)
        self._fill = padding(n_bytes)
        if n_bytes == 0:
            self._finish(self._content)

    def _take_content(self, content: "_Content", piece: memoryview) -> int:
        taken = min(content.left, len(piece))
        content.write(piece[:taken])
        if content.left == 0:
            self._finish(content)
        return taken

    def _finish(self, content: "_Content") -> None:
        kept = content.finish()
        self._content = None
        if content.name == MANIFEST:
            self._manifest = kept
        else:
            self._found[content.name] = content.written

    def _take_end(self, piece: memoryview) -> int:
        self._fill += len(piece)
        # The second block of zeros, and perhaps more.
        if any(piece) or self._fill > _MOST_FILL:
            raise SnapshotError(
                "bytes follow the end of the snapshot; expected none; take another copy of it"
            )
        return len(piece)


class _Content:
    """One member on its way to its file, or into memory without one."""

    def __init__(self, name: str, n_bytes: int, path: Path | None) -> None:
        self.name, self.left = name, n_bytes
        self._n_bytes, self._sha256 = n_bytes, hashlib.sha256()
        self._kept = bytearray()
        self._file: BinaryIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")

    @property
    def written(self) -> Written:
        return Written(self._n_bytes, self._sha256.hexdigest())

    def write(self, piece: memoryview) -> None:
        self._sha256.update(piece)
        self.left -= len(piece)
        if self._file is None:
            self._kept += piece
        else:
            self._file.write(piece)

    def finish(self) -> bytes:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return bytes(self._kept)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what a full disk did not take
                self._file.close()


def _require_free(folder: Path) -> None:
    if folder.exists() and not Layout(folder).is_blank():
        raise CollectionExistsError(
            f"{folder}: found files there; expected a folder that is empty or does not exist; "
            "choose another path"
        )
    if folder.is_symlink():
        raise CollectionExistsError(f"{folder}: found a link; expected no file; choose another")


def _too_large(limit: int) -> SnapshotError:
    return SnapshotError(
        f"the snapshot has more than {limit} bytes, more than may be restored here; expected "
        "less; allow more, or restore it with `lexmax restore`"
    )
