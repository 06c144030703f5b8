"""How do postings by term become rows by document, or the reverse, when memory holds only some?

They are dealt to files, each for a range of the key by which they shall be sorted (their major);
then each file is read alone and sorted by counting. A posting takes ten bytes on the disk
meanwhile; memory holds 2 million postings, or one file, at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.index.failures import storage_errors

MOST_MAJORS = 1 << 16
"""Of one bucket, so that two bytes tell its majors apart and counting sorts them in one pass."""

_RECORD = np.dtype([("major", "<u2"), ("minor", "<u4"), ("impact", "<u4")])
_BUFFERED = 1 << 21


@dataclass(frozen=True, slots=True)
class Bucket:
    """Postings of the majors from `start`: those of start + i are indptr[i] to indptr[i + 1]."""

    start: int
    indptr: NDArray[np.int64]
    minors: NDArray[np.uint32]
    impacts: NDArray[np.uint32]


@dataclass(slots=True)
class Transposer:
    """Takes (major, minor, impact) in any order, and gives them back by major.

    Bucket i holds the majors from bounds[i] to below bounds[i + 1], at most `MOST_MAJORS`.
    """

    folder: Path
    bounds: NDArray[np.int64]
    _waiting: list[tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint32]]] = field(
        default_factory=list[tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint32]]]
    )
    _n_waiting: int = 0

    def add(
        self,
        majors: NDArray[np.int64],
        minors: NDArray[np.uint32],
        impacts: NDArray[np.uint32],
    ) -> None:
        """Add postings, (n,) each."""
        self._waiting.append((majors, minors, impacts))
        self._n_waiting += len(majors)
        if self._n_waiting >= _BUFFERED:
            self._deal()

    def buckets(self, *, minor_ranks: NDArray[np.uint32] | None = None) -> Iterator[Bucket]:
        """All buckets in order; under a major the minors ascend by rank, or stay as they came."""
        self._deal()
        for i, (start, stop) in enumerate(zip(self.bounds[:-1], self.bounds[1:], strict=True)):
            path = self._path(i)
            if path.exists():
                with storage_errors(path):
                    records = np.fromfile(path, dtype=_RECORD)
                    path.unlink()
            else:
                records = np.zeros(0, dtype=_RECORD)
            yield _sorted(int(start), int(stop - start), records, minor_ranks)

    def _path(self, i: int) -> Path:
        return self.folder / f"{i}.postings"

    def _deal(self) -> None:
        if not self._waiting:
            return
        majors, minors, impacts = (
            np.concatenate([part[j] for part in self._waiting]) for j in range(3)
        )
        self._waiting, self._n_waiting = [], 0
        buckets = np.searchsorted(self.bounds, majors, side="right") - 1
        few = len(self.bounds) <= 1 << 16
        order = np.argsort(buckets.astype(np.uint16 if few else np.uint32), kind="stable")
        records = np.empty(len(majors), dtype=_RECORD)
        records["major"] = (majors - self.bounds[buckets])[order]
        records["minor"], records["impact"] = minors[order], impacts[order]
        ends = np.cumsum(np.bincount(buckets, minlength=len(self.bounds) - 1))
        for i in np.unique(buckets).tolist():
            path = self._path(i)
            with storage_errors(path), path.open("ab") as file:
                records[ends[i - 1] if i else 0 : ends[i]].tofile(file)


def _sorted(
    start: int,
    n_majors: int,
    records: NDArray[np.void],
    minor_ranks: NDArray[np.uint32] | None,
) -> Bucket:
    majors, minors = records["major"], records["minor"]
    order = np.arange(len(records))
    # numpy sorts two bytes stably by counting; least significant digit first.
    if minor_ranks is not None:
        ranks = minor_ranks[minors]
        digits = [ranks & 0xFFFF, *([ranks >> 16] if len(minor_ranks) > 1 << 16 else [])]
        for digit in digits:
            order = order[np.argsort(digit.astype(np.uint16)[order], kind="stable")]
    order = order[np.argsort(majors[order], kind="stable")]
    counts = np.bincount(majors, minlength=n_majors)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Bucket(start, indptr, minors[order], records["impact"][order])
