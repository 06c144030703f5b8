"""What did this query look like to this encoder?

Kept are encodings by a model: they depend on the encoder's fingerprint and the text alone, so new
documents make none of them wrong. What depends on the collection's statistics, as BM25's idf does,
is a look-up in a table and is never kept.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, TypeAlias

from numpy.typing import NDArray

QueryKey: TypeAlias = tuple[str, str, str]
"""Signal, the encoder's fingerprint, the query's text."""

Row: TypeAlias = tuple[NDArray[Any], ...]
"""Arrays that say what one query is to one encoder."""

_OVERHEAD = 400


class QueryCache:
    """Encoded queries up to a number of bytes; those not asked for longest go first."""

    def __init__(self, most_bytes: int) -> None:
        """0 keeps none."""
        self._most_bytes = most_bytes
        self._rows: OrderedDict[QueryKey, Row] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self.n_hits, self.n_misses = 0, 0

    def __len__(self) -> int:
        """Queries that are kept."""
        return len(self._rows)

    @property
    def n_bytes(self) -> int:
        """What they take, about."""
        return self._bytes

    def get(self, key: QueryKey) -> Row | None:
        """The arrays that were kept under the key."""
        with self._lock:
            found = self._rows.get(key)
            if found is None:
                self.n_misses += 1
            else:
                self.n_hits += 1
                self._rows.move_to_end(key)
            return found

    def put(self, key: QueryKey, row: Sequence[NDArray[Any]]) -> None:
        """Keep copies of these arrays."""
        kept = tuple(_frozen(array) for array in row)
        size = _size(key, kept)
        if size > self._most_bytes:
            return
        with self._lock:
            if (before := self._rows.pop(key, None)) is not None:
                self._bytes -= _size(key, before)
            self._rows[key] = kept
            self._bytes += size
            while self._bytes > self._most_bytes:
                oldest, row_of_it = self._rows.popitem(last=False)
                self._bytes -= _size(oldest, row_of_it)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    # A row is a view of its batch, which it would keep in memory whole.
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def _size(key: QueryKey, row: Row) -> int:
    return _OVERHEAD + 4 * len(key[-1]) + sum(array.nbytes for array in row)
