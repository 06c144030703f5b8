"""Which collections are open? Each once, shared by every request, under one folder."""

import os
import re
import secrets
import shutil
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.drafts import sweep
from lexmax.encoders import Encoders
from lexmax.errors import CollectionExistsError, InputError, LockedError
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.kept_documents import DocumentCache
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.index.schema import FILE_NAME as CATALOG
from lexmax.restoring import RestoreLimits, RestoreReport, Restoring
from lexmax.service.aliases import Aliases
from lexmax.service.problems import ALIAS_NOT_FOUND, COLLECTION_ALIASED, PROBLEMS, Refusal

NAME_RULE = "^[a-z0-9][a-z0-9_-]{0,63}$"
_NAME = re.compile(NAME_RULE)
# No collection's name begins with a dot, so what lies here is never served.
_DELETED = ".deleted-"
_DRAFTS = (".*.restoring", ".*.snapshot-*")


@dataclass(slots=True)
class _Opened:
    collection: Collection
    users: int = 0
    file: int | None = None


class OpenCollections:
    """Opens the collections of one folder when first asked for, and keeps them open.

    Every method may be called from any thread. A collection that cannot be opened fails its own
    requests only.
    """

    def __init__(
        self,
        folder: Path,
        *,
        encoders: Encoders,
        documents: DocumentCache | None = None,
        delete_seconds: float = 30.0,
        read_only: bool = False,
        behind_s: float = 0.0,
    ) -> None:
        """Where it is `read_only`, another process may delete collections and make new ones.

        Searches may be `behind_s` behind what it writes.
        """
        self._folder, self._behind_s = folder, behind_s
        self._read_only = read_only
        self._encoders, self._documents = encoders, documents or DocumentCache()
        self._delete_seconds = delete_seconds
        self._changed = threading.Condition()
        self._opened: dict[str, _Opened] = {}
        self._claimed: set[str] = set()
        self._deleting: set[str] = set()
        if Layout(folder).catalog.is_file():
            raise InputError(
                f"{folder}: found one collection; expected the folder that holds it, and maybe "
                f"others; serve {folder.resolve().parent}"
            )
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: found a file; expected a folder of collections")
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f"{_DELETED}*"):
                shutil.rmtree(left, ignore_errors=True)
            for pattern in () if read_only else _DRAFTS:
                sweep(folder, pattern)
        self._aliases = Aliases(folder)
        if not read_only:
            self._aliases.sweep()

    def names(self) -> list[str]:
        """Names of all collections in the folder, sorted."""
        with storage_errors(self._folder):
            return sorted(
                path.name
                for path in self._folder.iterdir()
                if _NAME.fullmatch(path.name) and Layout(path).catalog.is_file()
            )

    def misnamed(self) -> list[str]:
        """Names of collections in the folder that break the rule and are not served, sorted."""
        with storage_errors(self._folder):
            return sorted(
                path.name
                for path in self._folder.iterdir()
                if not _NAME.fullmatch(path.name)
                and not path.name.startswith(".")
                and Layout(path).catalog.is_file()
            )

    def meant(self, name: str) -> str:
        """The collection that a name means: itself, or the one behind an alias.

        Raises:
            CorruptionError: if it is no collection, and the file of aliases cannot be read.
        """
        # Asked for every request, on the event loop: a path of pathlib's would take longer.
        if not _NAME.fullmatch(name) or os.path.isfile(f"{self._folder}/{name}/{CATALOG}"):
            return name
        return self._aliases.collection_of(name)

    def aliases(self) -> Mapping[str, str]:
        """Collections by alias."""
        return self._aliases.all()

    def set_alias(self, alias: str, collection: str) -> str | None:
        """Let the alias mean the collection; what it meant before, if anything.

        Raises:
            NotACollectionError: if there is no such collection.
            Refusal: 409 if a collection has the alias's name.
        """
        # In their order, so that of two who need both neither waits for the other.
        first, last = sorted((alias, collection))
        if first == last:
            raise _name_taken()
        with self._claim(first), self._claim(last):
            Layout(self._path(collection)).require()
            taken = self._path(alias)
            if taken.exists() and not Layout(taken).is_blank():
                raise _name_taken()
            return self._aliases.set(alias, collection)

    def remove_alias(self, alias: str) -> None:
        """Let the name mean nothing.

        Raises:
            Refusal: 404 if it is no alias.
        """
        if self._aliases.remove(alias) is None:
            raise Refusal(
                ALIAS_NOT_FOUND,
                "no alias has this name; expected one that GET /v1/aliases lists; correct it",
            )

    def opened(self) -> list[str]:
        """Names of those that are open, sorted."""
        with self._changed:
            return sorted(self._opened)

    @contextmanager
    def using(self, name: str) -> Generator[Collection, None, None]:
        """The collection, kept from being closed meanwhile.

        Raises:
            NotACollectionError: if the folder holds none of this name.
            LockedError: if it is being deleted.
            StorageError: if it cannot be opened.
        """
        opened = self._enter(name)
        try:
            yield opened.collection
        finally:
            with self._changed:
                opened.users -= 1
                self._changed.notify_all()
                left = opened.users == 0 and self._opened.get(name) is not opened
            if left and self._read_only:
                opened.collection.abandon()

    def create(
        self,
        name: str,
        choice: IndexChoice,
    ) -> None:
        """Make an empty collection and open it.

        Raises:
            CollectionExistsError: if the name is taken.
            EncoderError: if there is no such encoder.
            InputError: if a field's name is none.
        """
        with self._claim(name):
            self._require_no_alias(name)
            made = Collection.chosen(
                self._path(name), choice, encoders=self._encoders, documents=self._documents
            )
            with self._changed:
                self._opened[name] = _Opened(made)

    def delete(self, name: str) -> None:
        """Wait until nobody uses the collection, close it and remove its folder.

        Raises:
            NotACollectionError: if the folder holds none of this name.
            LockedError: if requests or another process still use it.
            Refusal: 409 if an alias means it.
        """
        with self._claim(name):
            path = self._path(name)
            Layout(path).require()
            self._require_unnamed(name)
            with self._no_new_users(name):
                self._close_idle(name)
                lock = WriterLock(Layout(path).lock)
                lock.acquire()
                try:
                    aside = self._folder / f"{_DELETED}{name}-{secrets.token_hex(8)}"
                    with storage_errors(self._folder):
                        path.rename(aside)
                        sync_folder(self._folder)
                finally:
                    lock.release()
        shutil.rmtree(aside, ignore_errors=True)

    def restoring(self, name: str, limits: RestoreLimits) -> Restoring:
        """A snapshot that is to become a collection of this name, by `publish`.

        Raises:
            CollectionExistsError: if the name is taken.
            LockedError: if another is being restored under it.
        """
        path = self._path(name)
        self._require_no_alias(name)
        return Restoring(path, limits=limits)

    def publish(self, name: str, restoring: Restoring) -> RestoreReport:
        """Give a checked snapshot its name.

        Raises:
            CollectionExistsError: if the name has been taken meanwhile.
        """
        with self._claim(name):
            self._require_no_alias(name)
            return restoring.publish()

    def close(self) -> None:
        """Close every collection."""
        with self._changed:
            opened = list(self._opened.values())
            self._opened.clear()
        with ExitStack() as closing:  # one that fails does not keep the others open
            for one in opened:
                closing.callback(one.collection.close)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"the collection's name breaks the rule {NAME_RULE}; expected small letters, "
                "digits, - and _, 64 at most; choose such a name"
            )
        return self._folder / name

    def _require_no_alias(self, name: str) -> None:
        if name in self._aliases.all():
            raise _name_taken()

    def _require_unnamed(self, name: str) -> None:
        if names := self._aliases.names_of(name):
            raise Refusal(
                COLLECTION_ALIASED,
                f"{len(names)} aliases mean this collection, the first is {names[0]}; expected "
                "none; let them mean another collection, or delete them, then delete this one",
            )

    def _enter(self, name: str) -> _Opened:
        if found := self._take(name):
            return found
        with self._claim(name):
            if found := self._take(name):
                return found
            path = self._path(name)
            Layout(path).require()
            file = self._file(name)
            opened = Collection.open(path, encoders=self._encoders, documents=self._documents)
            if self._read_only and self._behind_s > 0:
                opened.follow(self._behind_s)
            made = _Opened(opened, users=1, file=file)
            with self._changed:
                self._opened[name] = made
            return made

    def _take(self, name: str) -> _Opened | None:
        with self._changed:
            if name in self._deleting:
                raise LockedError(f"{name}: it is being deleted; expected nobody to use it")
            opened = self._opened.get(name)
            if opened is not None and opened.file != self._file(name):
                del self._opened[name]  # another process has deleted it
                if opened.users == 0:
                    opened.collection.abandon()
                opened = None
            if opened is not None:
                opened.users += 1
            return opened

    def _file(self, name: str) -> int | None:
        """What tells a collection from another of its name, as long as it is open."""
        if not self._read_only:  # none but this process deletes
            return None
        try:
            return Layout(self._path(name)).catalog.stat().st_ino
        except OSError:
            return None

    @contextmanager
    def _claim(self, name: str) -> Generator[None, None, None]:
        """The only right to open, create or delete this name."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._claimed)
            self._claimed.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._claimed.discard(name)
                self._changed.notify_all()

    @contextmanager
    def _no_new_users(self, name: str) -> Generator[None, None, None]:
        """Turn requests away at once: waiting, they would hold every thread."""
        with self._changed:
            self._deleting.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._deleting.discard(name)

    def _close_idle(self, name: str) -> None:
        with self._changed:
            opened = self._opened.get(name)
            if opened is None:
                return
            if not self._changed.wait_for(lambda: opened.users == 0, self._delete_seconds):
                raise LockedError(
                    f"{name}: {opened.users} requests still use the collection; expected none; "
                    "try again when they have ended"
                )
            del self._opened[name]
        opened.collection.abandon()


def _name_taken() -> Refusal:
    return Refusal(
        PROBLEMS[CollectionExistsError],
        "a name is either a collection's or an alias's, and this one is taken; expected a free "
        "one; choose another",
    )
