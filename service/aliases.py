"""Which collection does a name mean? Aliases: other names of collections, switched in one step.

They stand in one file of the data folder, which is replaced whole, so every process over the folder
sees the old collection or the new one behind a name, and a power cut leaves one of the two.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lexmax.errors import CorruptionError, InputError
from lexmax.index.durable import DRAFT, write_atomically
from lexmax.index.failures import storage_errors
from lexmax.index.lock import alone_in

FILE_NAME = "aliases.json"
"""No collection's name has a dot."""

_MOST = 10_000

_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    aliases: Mapping[_Name, _Name]


class Aliases:
    """The aliases of one data folder, read again when their file has changed."""

    def __init__(self, folder: Path) -> None:
        """Reads nothing yet: the folder need not be there."""
        self._folder = folder
        self._path = folder / FILE_NAME
        self._name = str(self._path)
        self._known: tuple[tuple[int, ...], Mapping[str, str]] = ((), MappingProxyType({}))

    def all(self) -> Mapping[str, str]:
        """Collections by alias.

        Raises:
            CorruptionError: if the file is not one of aliases.
        """
        state = self._state()
        # One tuple, read and replaced in one step: several threads ask.
        seen, known = self._known
        if state != seen:
            known = self._read()
            self._known = state, known
        return known

    def collection_of(self, name: str) -> str:
        """The collection that an alias means; the name itself where it is no alias."""
        return self.all().get(name, name)

    def names_of(self, collection: str) -> list[str]:
        """Aliases that mean the collection, sorted."""
        return sorted(alias for alias, meant in self.all().items() if meant == collection)

    def set(self, alias: str, collection: str) -> str | None:
        """Let the alias mean the collection; what it meant before, if anything.

        Durable when it returns. Of two changes at one time neither is lost.

        Raises:
            InputError: if there are very many.
            DiskFullError: if there is no room; nothing has changed then.
        """
        with storage_errors(self._path), alone_in(self._folder):
            known = dict(self.all())
            before = known.get(alias)
            known[alias] = collection
            if len(known) > _MOST:
                raise InputError(
                    f"found {_MOST} aliases already; expected at most that; delete some first"
                )
            self._write(known)
        return before

    def remove(self, alias: str) -> str | None:
        """Let the name mean nothing; what it meant before, if anything."""
        with storage_errors(self._path), alone_in(self._folder):
            known = dict(self.all())
            before = known.pop(alias, None)
            if before is not None:
                self._write(known)
        return before

    def sweep(self) -> None:
        """Remove what a killed change left."""
        draft = self._path.with_name(FILE_NAME + DRAFT)
        if draft.exists():
            with storage_errors(self._path), alone_in(self._folder):
                draft.unlink(missing_ok=True)

    def _write(self, known: Mapping[str, str]) -> None:
        written = _Written(aliases=dict(sorted(known.items())))
        write_atomically(self._path, written.model_dump_json(indent=2).encode() + b"\n")
        self._known = self._state(), known

    def _read(self) -> Mapping[str, str]:
        try:
            with storage_errors(self._path):
                content = self._content()
            return {} if content is None else _Written.model_validate_json(content).aliases
        except ValidationError:
            raise CorruptionError(
                f"{self._path}: is no file of aliases; expected what the service writes there; "
                "restore it from a backup, or delete it and make the aliases anew"
            ) from None

    def _content(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def _state(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._name)
        except OSError:  # reading it says what is wrong, where there is anything to read
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino
