"""Where in a collection's folder does each thing lie?"""

import shutil
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from lexmax.errors import CollectionExistsError, NotACollectionError
from lexmax.index import schema
from lexmax.index.durable import sync_folder


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths inside one collection's folder."""

    folder: Path

    @property
    def catalog(self) -> Path:
        """The SQLite file that is the truth."""
        return self.folder / schema.FILE_NAME

    @property
    def lock(self) -> Path:
        """Held by the one process that writes."""
        return self.folder / "writer.lock"

    @property
    def rejects(self) -> Path:
        """Corpus lines that could not be stored, one JSON mapping a line."""
        return self.folder / "rejects.jsonl"

    @property
    def sample(self) -> Path:
        """Queries that a user gave to measure recall with, if any."""
        return self.folder / "sample"

    def segment(self, segment_id: str) -> Path:
        """Folder of one segment, finished or being built."""
        return self.folder / "segments" / segment_id

    def staging(self, segment_id: str) -> Path:
        """What only the build of this segment needs; dropped once it is published."""
        return self.folder / "staging" / segment_id

    def make(self) -> None:
        """Make the folder for a new collection; it may exist, but must be empty."""
        if self.folder.exists() and not self.is_blank():
            raise CollectionExistsError(
                f"{self.folder}: found files there; expected a folder that is empty or does not "
                "exist; open it, or choose another path"
            )
        (self.folder / "segments").mkdir(parents=True, exist_ok=True)
        sync_folder(self.folder.parent)

    def is_blank(self) -> bool:
        """Whether the folder is there, with nothing in it but what a killed `make` leaves."""
        left = {"segments", f"{schema.FILE_NAME}.new", f"{schema.FILE_NAME}.new-journal"}
        return (
            self.folder.is_dir()
            and all(path.name in left for path in self.folder.iterdir())
            and not any((self.folder / "segments").glob("*"))
        )

    def require(self) -> None:
        """Raise NotACollectionError unless the folder holds a catalog."""
        if not self.folder.exists():
            found = "nothing"
        elif not self.folder.is_dir():
            found = "a file"
        elif not self.catalog.is_file():
            found = f"a folder without {schema.FILE_NAME}"
        else:
            return
        raise NotACollectionError(
            f"{self.folder}: found {found}; expected a collection's folder; "
            "make one with `lexmax index PATH CORPUS`"
        )

    def sweep(self, *, published: Set[str], building: Set[str]) -> None:
        """Remove what a killed job left behind: folders that the catalog does not name."""
        for room, known in (("segments", published | building), ("staging", building)):
            for path in (self.folder / room).glob("*"):
                if path.name not in known:
                    shutil.rmtree(path, ignore_errors=True)
