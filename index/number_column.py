"""Which documents have a number between two bounds? A cell of one or two bytes for each document.

Values are cut into cells of ascending values. Up to 65,535 different ones have a cell each, and a
range is a range of cells. Of more, each cell holds about equally many documents, and values are
looked at only in the cells that the bounds fall into (the border checks of SQUASH, arXiv
2502.01528, section 2.4): every range is answered exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.fields import INT64, Value
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.predicates import Range

Numbers: TypeAlias = NDArray[Any]
"""int64 or float64 (n,)."""

MOST_CELLS = 65_535
_FEW_CELLS = 255
# More runs of cells are looked up in a table.
_MOST_RUNS = 8
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"


@dataclass(frozen=True, slots=True, eq=False)
class NumberColumn:
    """One number for each document, or none.

    Attributes:
        cells: uint8 or uint16 (n_docs,): 1 and more; 0 where there is no number.
        lows: int64 or float64 (n_cells,), strictly ascending: the least number of each cell.
        values: the dtype of lows, (n_docs,); 0 where there is none. None if every cell holds
            one number.

    Raises:
        ShapeError: if these do not fit together.
    """

    cells: NDArray[Any]
    lows: Numbers
    values: Numbers | None = None

    def __post_init__(self) -> None:
        most = _FEW_CELLS if self.cells.dtype == np.uint8 else MOST_CELLS
        if len(self.lows) > most:
            raise ShapeError(f"found {len(self.lows)} cells; expected at most {most}")
        if self.values is not None and len(self.values) != len(self.cells):
            raise ShapeError(f"found {len(self.values)} values; expected {len(self.cells)}")

    @staticmethod
    def build(
        values: Numbers, present: NDArray[np.bool_], *, most_cells: int = MOST_CELLS
    ) -> "NumberColumn":
        """A column of int64 or float64 `values` (n_docs,), of which those `present` count."""
        values = np.where(present, values, values.dtype.type(0)) + values.dtype.type(0)
        held = np.sort(values[present])
        lows = held[np.concatenate([[True], held[1:] != held[:-1]])] if len(held) else held
        exact = len(lows) <= most_cells
        if not exact:
            lows = np.unique(held[np.arange(most_cells) * len(held) // most_cells])
        cells = np.searchsorted(lows, values, side="right")
        cells[~present] = 0
        dtype = np.uint8 if len(lows) <= _FEW_CELLS else np.uint16
        return NumberColumn(cells.astype(dtype), lows, None if exact else values)

    @staticmethod
    def open(folder: Path, stem: str, dtype: type[np.generic]) -> "NumberColumn":
        """Map the files `<stem>.*.npy` that `save` wrote; the cells are not read.

        Raises:
            CorruptionError: if one is missing or damaged, or they do not fit together.
        """
        path = folder / f"{stem}.values.npy"
        try:
            return NumberColumn(
                map_npy(folder / f"{stem}.cells.npy", (np.uint8, np.uint16), 1),
                np.array(map_npy(folder / f"{stem}.lows.npy", (dtype,), 1)),
                map_npy(path, (dtype,), 1) if path.exists() else None,
            )
        except ShapeError as error:
            raise CorruptionError(f"{folder / stem}: {error}; {_REMEDY}") from error

    def save(self, folder: Path, stem: str) -> None:
        """Write the files that `open` maps; equal columns give equal bytes."""
        write_npy(folder / f"{stem}.cells.npy", self.cells)
        write_npy(folder / f"{stem}.lows.npy", self.lows)
        if self.values is not None:
            write_npy(folder / f"{stem}.values.npy", self.values)

    @property
    def n_docs(self) -> int:
        """Documents, those without a number included."""
        return len(self.cells)

    def present(self) -> NDArray[np.bool_]:
        """Documents that have a number, (n_docs,)."""
        found: NDArray[np.bool_] = self.cells > 0
        return found

    def numbers(self, ordinals: NDArray[np.int64]) -> tuple[Numbers, NDArray[np.bool_]]:
        """Numbers of these documents, (len(ordinals),), and whether they have one.

        Raises:
            CorruptionError: if the column holds a cell or a number that no build writes.
        """
        cells = self.cells[ordinals].astype(np.int64)
        padded = np.concatenate([np.zeros(1, self.lows.dtype), self.lows])
        if int(cells.max(initial=0)) < len(padded):
            found = padded[cells] if self.values is None else self.values[ordinals]
            if np.isfinite(found).all():
                return found, cells > 0
        raise CorruptionError(
            f"a column of numbers holds another cell than its {len(self.lows)}, or NaN; {_REMEDY}"
        )

    @staticmethod
    def concatenate(
        parts: Sequence[tuple["NumberColumn", NDArray[np.int64]]],
    ) -> "NumberColumn":
        """A column of the documents with these ordinals of each column, in order."""
        found = [column.numbers(ordinals) for column, ordinals in parts]
        return NumberColumn.build(
            np.concatenate([values for values, _ in found]),
            np.concatenate([present for _, present in found]),
        )

    def between(self, bounds: Range) -> NDArray[np.bool_]:
        """Documents whose number is in the range, (n_docs,)."""
        first, last = self._cells_of(bounds)
        n_cells = len(self.lows)
        border: set[int] = set()
        if self.values is not None:
            border = {first if bounds.gt is not None or bounds.gte is not None else 0}
            border |= {last if bounds.lt is not None or bounds.lte is not None else 0}
            border -= {0}
        inside = self._inside(first, last - 1 if last in border else min(last, n_cells))
        for cell in border:
            self._check_border(inside, cell, bounds)
        return inside

    def _cells_of(self, bounds: Range) -> tuple[int, int]:
        """Cells above the first and below the last hold only numbers of the range.

        All numbers of the first are too small but for those that share its cell with greater
        ones; all of the last are in the range but for those that share it with too great ones.
        """
        first, last = 0, len(self.lows)
        if bounds.gt is not None:
            first = self._place(bounds.gt, "right")
        elif bounds.gte is not None:
            first = self._place(bounds.gte, "left")
        if bounds.lt is not None:
            last = self._place(bounds.lt, "left")
        elif bounds.lte is not None:
            last = self._place(bounds.lte, "right")
        return first, last

    def _place(self, bound: float, side: str) -> int:
        """Cells whose least number is below the bound ("left"), or not above it ("right")."""
        if self.lows.dtype == np.int64 and not INT64[0] <= bound <= INT64[1]:
            return len(self.lows) if bound > 0 else 0
        return int(np.searchsorted(self.lows, bound, side=side))  # type: ignore[call-overload]

    def _inside(self, first: int, last: int) -> NDArray[np.bool_]:
        """Documents in the cells after `first`, up to `last`."""
        if last <= first:
            return np.zeros(self.n_docs, dtype=np.bool_)
        unit = self.cells.dtype.type
        if last == first + 1:
            return self.cells == unit(last)  # type: ignore[no-any-return]
        inside: NDArray[np.bool_] = self.cells > unit(first)
        if last < len(self.lows):
            inside &= self.cells <= unit(last)
        return inside

    def _check_border(self, inside: NDArray[np.bool_], cell: int, bounds: Range) -> None:
        if self.values is None:
            return
        docs = np.flatnonzero(self.cells == self.cells.dtype.type(cell))
        values = self.values[docs]
        kept = np.ones(len(docs), dtype=np.bool_)
        for bound, compare in (
            (bounds.gt, np.greater),
            (bounds.gte, np.greater_equal),
            (bounds.lt, np.less),
            (bounds.lte, np.less_equal),
        ):
            if bound is not None:
                kept &= compare(values, bound)
        inside[docs] = kept

    def any_of(self, wanted: Sequence[Value]) -> NDArray[np.bool_]:
        """Documents whose number is one of these, (n_docs,)."""
        held = [one for one in wanted if not isinstance(one, str) and self._fits(one)]
        numbers = np.unique(np.array(held, dtype=self.lows.dtype))
        cells = np.searchsorted(self.lows, numbers, side="right")
        cells, numbers = cells[cells > 0], numbers[cells > 0]
        if self.values is None:
            cells = cells[self.lows[cells - 1] == numbers]
        found = self._in_cells(np.unique(cells))
        if self.values is not None:
            docs = np.flatnonzero(found)
            found[docs] = np.isin(self.values[docs], numbers)
        return found

    def _in_cells(self, chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Documents in these cells, which ascend."""
        starts = np.flatnonzero(np.diff(chosen, prepend=-1) != 1)
        if len(starts) > _MOST_RUNS:
            is_chosen = np.zeros(len(self.lows) + 1, dtype=np.bool_)
            is_chosen[chosen] = True
            return np.take(is_chosen, self.cells, mode="clip")
        found = np.zeros(self.n_docs, dtype=np.bool_)
        for run in np.split(chosen, starts[1:]):
            if len(run):
                found |= self._inside(int(run[0]) - 1, int(run[-1]))
        return found

    def _fits(self, number: float) -> bool:
        return self.lows.dtype != np.int64 or INT64[0] <= number <= INT64[1]
