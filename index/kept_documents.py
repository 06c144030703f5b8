"""Which documents were found lately? Their rows, so that they need not be looked up again.

A serial names one version of one document for ever, so what is kept is never stale: whether a
version may still be found is what the snapshot says. A look-up in SQLite hands the interpreter to
other threads several times; under load each of these is a wait.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from threading import Lock
from typing import Final, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax.index.catalog import Catalog
from lexmax.index.document_rows import document_of
from lexmax.types import Document

KEPT_BYTES: Final = 32_000_000

Row: TypeAlias = tuple[str, str, str, str]
"""A document as the catalog has it: its id, text and title, and its metadata as JSON."""

# Of an entry besides its texts: the tuple, the serial, the place in the order.
_OVERHEAD = 300


class DocumentCache:
    """Keeps rows of any number of catalogs, up to so many bytes; the oldest go first."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        """0 keeps none."""
        self._most_bytes = most_bytes
        self._rows: OrderedDict[tuple[int, int], Row] = OrderedDict()
        self._lock = Lock()
        self._owners = count()
        self.n_bytes = 0

    def new_owner(self) -> int:
        """A number for one catalog; no other ever gets it."""
        return next(self._owners)

    def kept(self, owner: int, serials: Iterable[int]) -> dict[int, Row]:
        """Those of these rows that are kept, which have now been asked for last."""
        found: dict[int, Row] = {}
        with self._lock:
            for serial in serials:
                if (row := self._rows.get((owner, serial))) is not None:
                    self._rows.move_to_end((owner, serial))
                    found[serial] = row
        return found

    def keep(self, owner: int, rows: Mapping[int, Row]) -> None:
        """Keep rows by serial, but those that are larger than all that may be kept."""
        with self._lock:
            for serial, row in rows.items():
                if (owner, serial) in self._rows or _size(row) > self._most_bytes:
                    continue
                self._rows[owner, serial] = row
                self.n_bytes += _size(row)
            while self.n_bytes > self._most_bytes:
                self.n_bytes -= _size(self._rows.popitem(last=False)[1])

    def forget(self, owner: int) -> None:
        """Keep nothing of this catalog any more."""
        with self._lock:
            for key in [key for key in self._rows if key[0] == owner]:
                self.n_bytes -= _size(self._rows.pop(key))


class KeptDocuments:
    """Reads documents of one catalog, and keeps them in a cache that others may share."""

    def __init__(self, catalog: Catalog, cache: DocumentCache | None = None) -> None:
        """Without a cache, one of its own."""
        self._catalog, self._cache = catalog, cache or DocumentCache()
        self._owner = self._cache.new_owner()

    def read(self, serials: Sequence[int] | NDArray[np.int64]) -> list[Document]:
        """The documents with these serials, in this order, deleted or not.

        Raises:
            CorruptionError: if one is neither kept nor in the catalog.
        """
        # Made anew: who is given a document may change its metadata.
        return [document_of(row) for row in self.rows(serials)]

    def rows(self, serials: Sequence[int] | NDArray[np.int64]) -> list[Row]:
        """The same as they are stored, which takes a tenth of the time.

        Raises:
            CorruptionError: as `read`.
        """
        wanted = np.asarray(serials, np.int64).tolist()
        rows = self._cache.kept(self._owner, wanted)
        if missing := [serial for serial in wanted if serial not in rows]:
            found = map(_row, self._catalog.documents(missing))
            new = dict(zip(missing, found, strict=True))
            self._cache.keep(self._owner, new)
            rows |= new
        return [rows[serial] for serial in wanted]

    def close(self) -> None:
        """Leave the room to others."""
        self._cache.forget(self._owner)


def _row(document: Document) -> Row:
    metadata = orjson.dumps(document.metadata).decode()
    return document.doc_id, document.text, document.title, metadata


def _size(row: Row) -> int:
    return _OVERHEAD + sum(map(sys.getsizeof, row))
