"""Which documents were found lately? Their rows, so that they need not be looked up again.

A serial names one version of one document for ever, so what is kept is never stale: whether a
version may still be found is what the snapshot says. A look-up in SQLite hands the interpreter to
other threads several times; under load each of these is a wait.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax.index.catalog import Catalog
from lexmax.index.document_rows import document_of
from lexmax.types import Document

KEPT_BYTES: Final = 32_000_000

_Row: TypeAlias = tuple[str, str, str, str]
# Of an entry besides its texts: the tuple, the serial, the place in the order.
_OVERHEAD = 300


class KeptDocuments:
    """Reads documents of a catalog and keeps up to so many bytes of them; the oldest go first."""

    def __init__(self, catalog: Catalog, *, most_bytes: int = KEPT_BYTES) -> None:
        """0 keeps none."""
        self._catalog = catalog
        self._most_bytes = most_bytes
        self._rows: OrderedDict[int, _Row] = OrderedDict()
        self._lock = Lock()
        self.n_bytes = 0

    def read(self, serials: Sequence[int] | NDArray[np.int64]) -> list[Document]:
        """The documents with these serials, in this order, deleted or not.

        Raises:
            CorruptionError: if one is neither kept nor in the catalog.
        """
        wanted = np.asarray(serials, np.int64).tolist()
        rows = self._kept(wanted)
        if missing := [serial for serial in wanted if serial not in rows]:
            found = map(_row, self._catalog.documents(missing))
            new = dict(zip(missing, found, strict=True))
            self._keep(new)
            rows |= new
        # Made anew: who is given a document may change its metadata.
        return [document_of(rows[serial]) for serial in wanted]

    def _kept(self, serials: Iterable[int]) -> dict[int, _Row]:
        found: dict[int, _Row] = {}
        with self._lock:
            for serial in serials:
                if (row := self._rows.get(serial)) is not None:
                    self._rows.move_to_end(serial)
                    found[serial] = row
        return found

    def _keep(self, rows: dict[int, _Row]) -> None:
        with self._lock:
            for serial, row in rows.items():
                if serial in self._rows or _size(row) > self._most_bytes:
                    continue
                self._rows[serial] = row
                self.n_bytes += _size(row)
            while self.n_bytes > self._most_bytes:
                self.n_bytes -= _size(self._rows.popitem(last=False)[1])


def _row(document: Document) -> _Row:
    metadata = orjson.dumps(document.metadata).decode()
    return document.doc_id, document.text, document.title, metadata


def _size(row: _Row) -> int:
    return _OVERHEAD + sum(map(sys.getsizeof, row))
