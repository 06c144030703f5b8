"""Which documents have a keyword? The ordinals of each, or a bit for each document.

As in roaring bitmaps, what is shorter: a keyword that at least every 32nd document has is kept
as bits, any other as ascending ordinals. A document may have several keywords, or none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.npy import map_npy, write_npy

_RARER = 32
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"
# Columns of `terms`.
_TEXT, _DOCS, _ROW = 0, 1, 2

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Numbers of keywords, and ordinals of documents that have them, (n_pairs,) each."""


@dataclass(frozen=True, slots=True, eq=False)
class KeywordColumn:
    """Keywords of documents.

    Attributes:
        n_docs: documents, those without keywords included.
        texts: uint8 (n_bytes,), all keywords in UTF-8, ascending by their bytes.
        terms: int64 (n_keywords + 1, 3): where each keyword begins in texts, where in docs, and
            its row of bits, 0 if its ordinals are in docs; then where the last one ends.
        docs: uint32 (n_postings,), ordinals, ascending for each keyword.
        bits: uint8 (n_rows, ceil(n_docs / 8)), the first document the least bit. Row 0 is of the
            documents that have any keyword.

    Raises:
        ShapeError: if these do not fit together.
    """

    n_docs: int
    texts: NDArray[np.uint8]
    terms: NDArray[np.int64]
    docs: NDArray[np.uint32]
    bits: NDArray[np.uint8]

    def __post_init__(self) -> None:
        width = -(-self.n_docs // 8)
        if len(self.bits) < 1 or self.bits.shape[1] != width:
            raise ShapeError(f"found bits {self.bits.shape}; expected 1 row or more of {width}")
        if len(self.terms) < 1 or self.terms.shape[1] != 3:
            raise ShapeError(f"found keywords {self.terms.shape}; expected (n + 1, 3)")
        ends = self.terms[-1, :2].tolist()
        if ends != [len(self.texts), len(self.docs)]:
            raise ShapeError(
                f"keywords end at {ends}; expected {len(self.texts)} and {len(self.docs)}"
            )

    @staticmethod
    def build(rows: Iterable[Sequence[str]]) -> "KeywordColumn":
        """A column of each document's keywords."""
        numbers: dict[str, int] = {}
        lengths: list[int] = []
        found: list[int] = []
        for row in rows:
            lengths.append(len(row))
            found.extend(numbers.setdefault(text, len(numbers)) for text in row)
        docs = np.repeat(np.arange(len(lengths)), lengths)
        return _column(len(lengths), list(numbers), (np.array(found, dtype=np.int64), docs))

    @staticmethod
    def open(folder: Path, stem: str, n_docs: int) -> "KeywordColumn":
        """Map the files `<stem>.*.npy` that `save` wrote; no posting is read.

        Raises:
            CorruptionError: if one is missing or damaged, or they do not fit together.
        """
        try:
            return KeywordColumn(
                n_docs,
                map_npy(folder / f"{stem}.texts.npy", (np.uint8,), 1),
                map_npy(folder / f"{stem}.terms.npy", (np.int64,), 2),
                map_npy(folder / f"{stem}.docs.npy", (np.uint32,), 1),
                map_npy(folder / f"{stem}.bits.npy", (np.uint8,), 2),
            )
        except ShapeError as error:
            raise CorruptionError(f"{folder / stem}: {error}; {_REMEDY}") from error

    def save(self, folder: Path, stem: str) -> None:
        """Write the files that `open` maps; equal columns give equal bytes."""
        write_npy(folder / f"{stem}.texts.npy", self.texts)
        write_npy(folder / f"{stem}.terms.npy", self.terms)
        write_npy(folder / f"{stem}.docs.npy", self.docs)
        write_npy(folder / f"{stem}.bits.npy", self.bits)

    def __len__(self) -> int:
        return len(self.terms) - 1

    def text(self, number: int) -> bytes:
        """A keyword by its number, in UTF-8."""
        return self.texts[self.terms[number, _TEXT] : self.terms[number + 1, _TEXT]].tobytes()

    def number(self, text: str) -> int | None:
        """The number of a keyword; None if no document has it."""
        wanted, low, high = text.encode("utf-8", "surrogatepass"), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.text(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self.text(low) == wanted else None

    def present(self) -> NDArray[np.bool_]:
        """Documents that have a keyword, (n_docs,)."""
        return self._unpacked(self.bits[0])

    def any_of(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Documents that have one of these keywords, (n_docs,).

        Raises:
            CorruptionError: if the column holds what no build writes.
        """
        numbers = [found for text in texts if (found := self.number(text)) is not None]
        rows = [row for n in numbers if (row := int(self.terms[n, _ROW]))]
        try:
            mask = np.zeros(self.n_docs, dtype=np.bool_)
            if rows:
                mask = self._unpacked(np.bitwise_or.reduce(self.bits[rows], axis=0))
            for n in numbers:
                mask[self.docs[self.terms[n, _DOCS] : self.terms[n + 1, _DOCS]]] = True
        except IndexError as error:
            raise _damaged() from error
        return mask

    def _unpacked(self, row: NDArray[np.uint8]) -> NDArray[np.bool_]:
        return np.unpackbits(row, count=self.n_docs, bitorder="little").view(np.bool_)

    def pairs(self) -> Pairs:
        """Every keyword of every document, by keyword, then document.

        Raises:
            CorruptionError: if the column holds what no build writes.
        """
        freqs = np.diff(self.terms[:, _DOCS], prepend=0)
        if freqs.min() < 0 or int(freqs.max()) > len(self.docs):
            raise _damaged()
        numbers = np.repeat(np.arange(len(self)), freqs[1:])
        frequent = np.flatnonzero(self.terms[:-1, _ROW])
        docs = [np.flatnonzero(self._unpacked(self.bits[self.terms[n, _ROW]])) for n in frequent]
        all_numbers = [numbers, *(np.full(len(d), n) for n, d in zip(frequent, docs, strict=True))]
        every = np.concatenate(all_numbers), np.concatenate([self.docs.astype(np.int64), *docs])
        order = np.lexsort((every[1], every[0]))
        return every[0][order], every[1][order]

    @staticmethod
    def concatenate(
        parts: Sequence[tuple["KeywordColumn", NDArray[np.int64]]],
    ) -> "KeywordColumn":
        """A column of the documents with these ordinals (ascending) of each column, in order.

        Raises:
            CorruptionError: if a column holds what no build writes.
        """
        numbers: dict[str, int] = {}
        joined: list[Pairs] = []
        base = 0
        for column, ordinals in parts:
            joined.append(_moved(column, ordinals, base, numbers))
            base += len(ordinals)
        every = (
            np.concatenate([np.zeros(0, np.int64), *(pairs[0] for pairs in joined)]),
            np.concatenate([np.zeros(0, np.int64), *(pairs[1] for pairs in joined)]),
        )
        return _column(base, list(numbers), every)


def _moved(
    column: KeywordColumn, ordinals: NDArray[np.int64], base: int, numbers: dict[str, int]
) -> Pairs:
    """Pairs of these documents, numbered from `base` on, with keywords numbered by `numbers`."""
    places = np.full(column.n_docs, -1, dtype=np.int64)
    places[ordinals] = base + np.arange(len(ordinals))
    try:
        terms, docs = column.pairs()
        docs = places[docs]
        terms, docs = terms[docs >= 0], docs[docs >= 0]
        held = np.unique(terms)
        new = np.zeros(len(column), dtype=np.int64)
        for term in held.tolist():
            text = column.text(term).decode()
            new[term] = numbers.setdefault(text, len(numbers))
    except (IndexError, ValueError) as error:
        raise _damaged() from error
    return new[terms], docs


def _column(n_docs: int, texts: Sequence[str], pairs: Pairs) -> KeywordColumn:
    """A column of keywords that are numbered by their place in `texts`, each of which occurs."""
    encoded = [text.encode() for text in texts]
    ascending = sorted(range(len(texts)), key=encoded.__getitem__)
    rank = np.empty(len(texts), dtype=np.int64)
    rank[ascending] = np.arange(len(texts))
    flat = np.unique(rank[pairs[0]] * max(1, n_docs) + pairs[1])
    terms, docs = np.divmod(flat, max(1, n_docs))
    freqs = np.bincount(terms, minlength=len(texts))
    frequent = freqs * _RARER >= n_docs
    ends = np.cumsum(freqs)
    of_each = (docs[ends[term] - freqs[term] : ends[term]] for term in np.flatnonzero(frequent))
    held = [np.unique(docs), *of_each]
    table = np.zeros((len(texts) + 1, 3), dtype=np.int64)
    table[1:, _TEXT] = np.cumsum([len(encoded[term]) for term in ascending])
    table[1:, _DOCS] = np.cumsum(np.where(frequent, 0, freqs))
    table[:-1, _ROW] = np.where(frequent, np.cumsum(frequent), 0)
    joined = np.frombuffer(b"".join(encoded[term] for term in ascending), dtype=np.uint8)
    rare = docs[~frequent[terms]].astype(np.uint32)
    return KeywordColumn(n_docs, joined, table, rare, np.stack([_packed(d, n_docs) for d in held]))


def _packed(docs: NDArray[np.int64], n_docs: int) -> NDArray[np.uint8]:
    mask = np.zeros(n_docs, dtype=np.bool_)
    mask[docs] = True
    return np.packbits(mask, bitorder="little")


def _damaged() -> CorruptionError:
    return CorruptionError(
        f"a keyword column holds ordinals or places that no build writes; {_REMEDY}"
    )
