"""The values that pass between the rooms: documents, encoded batches and hits.

Batches are ragged: rows are concatenated and `indptr`/`offsets` of length n + 1 say where each
begins, so nothing is padded. Every value is checked once, when it is made; inner code trusts it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import DocumentError, InputError, ShapeError
from lexmax.vectors import Vectors

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

MAX_DOC_ID_BYTES = 512


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_GIVEN = (Vectors, NoneType)


@dataclass(frozen=True, slots=True)
class Document:
    """One unit of indexing. `doc_id` is the caller's own name for it, unique in a collection.

    `vectors` stand in place of what encoders would make of its text.

    Raises:
        DocumentError: if `doc_id` is empty, longer than 512 bytes or holds a control character,
            a text holds a lone surrogate, which no file can store, or a value is of another type.
    """

    doc_id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    vectors: Vectors | None = None

    def __post_init__(self) -> None:
        for name in ("doc_id", "title", "text"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise DocumentError(
                    f"document {self.doc_id!r}: {name} is of type {type(value).__name__}; "
                    "expected a text; convert it"
                )
            try:
                # Most texts are; whether they are is known without looking at them again.
                size = len(value) if value.isascii() else len(value.encode())
            except UnicodeEncodeError as error:
                raise DocumentError(
                    f"document {self.doc_id!r}: {name} holds a lone surrogate at character "
                    f"{error.start}; expected text that UTF-8 can store; decode it correctly first"
                ) from error
            if name == "doc_id" and not 0 < size <= MAX_DOC_ID_BYTES:
                raise DocumentError(
                    f"doc_id {self.doc_id[:40]!r} has {size} bytes in UTF-8; "
                    f"expected 1 to {MAX_DOC_ID_BYTES}; give the document a shorter name"
                )
        metadata, vectors = cast("tuple[object, object]", (self.metadata, self.vectors))
        kinds = type(metadata).__name__, type(vectors).__name__
        if not isinstance(metadata, Mapping) or not isinstance(vectors, _GIVEN):
            raise DocumentError(
                f"document {self.doc_id!r}: metadata is of type {kinds[0]}, vectors of type "
                f"{kinds[1]}; expected a mapping, and lexmax.Vectors or none; convert them"
            )
        if _CONTROL.search(self.doc_id):
            raise DocumentError(
                f"doc_id {self.doc_id!r} holds a control character; expected printable text, "
                "because run files separate ids by white space; replace it"
            )

    @property
    def full_text(self) -> str:
        """Title and text with a space between: what BEIR's convention gives to encoders."""
        return f"{self.title} {self.text}".strip()


def each_document(documents: Iterable[Document]) -> Iterator[Document]:
    """The documents, one after another, as long as they are some.

    Raises:
        InputError: if `documents` is no list or the like, or one of them is something else.
    """
    given = cast("object", documents)  # what others than type checkers let through
    if isinstance(given, Document | str | bytes) or not isinstance(given, Iterable):
        found = "one text" if isinstance(given, str | bytes) else f"one {type(given).__name__}"
        raise InputError(f"documents is {found}; expected a list; put it into brackets")
    for place, document in enumerate(cast("Iterable[object]", given)):
        if not isinstance(document, Document):
            raise InputError(
                f"documents[{place}] is of type {type(document).__name__}; expected a "
                "lexmax.Document; make one: lexmax.Document(doc_id, text, title, metadata)"
            )
        yield document


def _check_dtype(name: str, array: NDArray[Any], expected: type[np.generic]) -> None:
    if array.dtype != expected:
        raise ShapeError(f"{name} is {array.dtype}; expected {expected.__name__}")


def _check_offsets(name: str, offsets: NDArray[np.int64], total: int) -> None:
    if offsets.ndim != 1 or len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != total:
        raise ShapeError(f"{name} {offsets.shape} must start at 0 and end at {total}, one per row")
    if np.any(np.diff(offsets) < 0):
        raise ShapeError(f"{name} must not decrease")


_CHECKED = 1 << 22


@dataclass(frozen=True, slots=True)
class SparseBatch:
    """Term weights of n rows in CSR form.

    indptr int64 (n + 1,); term_ids uint32 (nnz,), strictly ascending inside a row;
    weights float32 (nnz,), finite and above zero.

    Raises:
        ShapeError: where one of these does not hold.
    """

    indptr: NDArray[np.int64]
    term_ids: NDArray[np.uint32]
    weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check_offsets("indptr", self.indptr, len(self.term_ids))
        if self.term_ids.shape != self.weights.shape:
            raise ShapeError(f"term_ids {self.term_ids.shape} != weights {self.weights.shape}")
        _check_dtype("indptr", self.indptr, np.int64)
        _check_dtype("term_ids", self.term_ids, np.uint32)
        _check_dtype("weights", self.weights, np.float32)
        # In parts: batches that are mapped from files may be larger than memory.
        for start in range(0, len(self.weights), _CHECKED):
            self._check_weights(start, min(start + _CHECKED, len(self.weights)))

    def _check_weights(self, start: int, stop: int) -> None:
        weights = self.weights[start:stop]
        if not np.all(np.isfinite(weights) & (weights > 0)):
            raise ShapeError("weights hold NaN, infinity, zero or a negative; all must exceed 0")
        # From the entry before, so that every step between neighbours is in one part.
        first = max(start - 1, 0)
        rising = self.term_ids[first + 1 : stop] > self.term_ids[first : stop - 1]
        begin, end = np.searchsorted(self.indptr, [first + 1, stop])
        rising[self.indptr[begin:end] - first - 1] = True
        if not np.all(rising):
            raise ShapeError("term_ids must ascend strictly inside a row: sort, and sum duplicates")

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, i: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Term ids and weights of row `i`."""
        a, b = self.indptr[i], self.indptr[i + 1]
        return self.term_ids[a:b], self.weights[a:b]

    def slice(self, start: int, stop: int) -> "SparseBatch":
        """Rows `start` to `stop`, sharing memory."""
        a, b = self.indptr[start], self.indptr[stop]
        indptr = self.indptr[start : stop + 1] - a
        return SparseBatch(indptr, self.term_ids[a:b], self.weights[a:b])

    @staticmethod
    def from_rows(rows: Sequence[Mapping[int, float]]) -> "SparseBatch":
        """A batch of {term_id: weight}; terms are sorted, weights of zero are dropped.

        Raises:
            ShapeError: if a term id is no number of 32 bits, or a weight is refused.
        """
        if strange := [term for row in rows for term in row if not 0 <= term < 1 << 32]:
            raise ShapeError(f"found term id {strange[0]}; expected 0 to 4294967295")
        kept = [sorted((t, w) for t, w in row.items() if w != 0) for row in rows]
        lengths = np.array([len(row) for row in kept], dtype=np.int64)
        flat = [pair for row in kept for pair in row]
        return SparseBatch(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
            np.array([t for t, _ in flat], dtype=np.uint32),
            np.array([w for _, w in flat], dtype=np.float32),
        )

    @staticmethod
    def stack(
        rows: Sequence[tuple[NDArray[np.uint32], NDArray[np.float32]]],
    ) -> "SparseBatch":
        """A batch of (term ids, weights) pairs, as `row` gives them."""
        lengths = np.array([len(terms) for terms, _ in rows], dtype=np.int64)
        return SparseBatch(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
            np.concatenate([np.zeros(0, np.uint32), *(terms for terms, _ in rows)]),
            np.concatenate([np.zeros(0, np.float32), *(weights for _, weights in rows)]),
        )

    @staticmethod
    def concatenate(batches: Sequence["SparseBatch"]) -> "SparseBatch":
        """The rows of all batches, in order."""
        if not batches:
            return SparseBatch.from_rows([])
        return SparseBatch(
            _joined_offsets([batch.indptr for batch in batches]),
            np.concatenate([batch.term_ids for batch in batches]),
            np.concatenate([batch.weights for batch in batches]),
        )


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Token vectors of n texts: offsets int64 (n + 1,), vectors float32 (n_tokens, dim).

    A text may have no tokens.

    Raises:
        ShapeError: where shapes or dtypes differ from these, or a vector holds NaN or infinity.
    """

    offsets: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2:
            raise ShapeError(f"vectors {self.vectors.shape}; expected (n_tokens, dim)")
        _check_offsets("offsets", self.offsets, len(self.vectors))
        _check_dtype("offsets", self.offsets, np.int64)
        _check_dtype("vectors", self.vectors, np.float32)
        if not np.isfinite(self.vectors).all():
            raise ShapeError("vectors hold NaN or infinity; expected finite numbers")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def dim(self) -> int:
        """Coordinates of one vector."""
        return int(self.vectors.shape[1])

    def row(self, i: int) -> NDArray[np.float32]:
        """Vectors of text `i`, (its tokens, dim)."""
        return self.vectors[self.offsets[i] : self.offsets[i + 1]]

    def slice(self, start: int, stop: int) -> "TokenBatch":
        """Texts `start` to `stop`, sharing memory."""
        a, b = self.offsets[start], self.offsets[stop]
        return TokenBatch(self.offsets[start : stop + 1] - a, self.vectors[a:b])

    @staticmethod
    def from_rows(rows: Sequence[NDArray[np.float32]], dim: int) -> "TokenBatch":
        """A batch of (its tokens, dim) arrays, one a text."""
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        empty = np.zeros((0, dim), dtype=np.float32)
        return TokenBatch(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
            np.concatenate([empty, *rows]).astype(np.float32, copy=False),
        )

    @staticmethod
    def concatenate(batches: Sequence["TokenBatch"], dim: int) -> "TokenBatch":
        """The texts of all batches, in order."""
        if not batches:
            return TokenBatch.from_rows([], dim)
        return TokenBatch(
            _joined_offsets([batch.offsets for batch in batches]),
            np.concatenate([batch.vectors for batch in batches]),
        )


def _joined_offsets(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    lengths = np.concatenate([np.diff(part) for part in parts])
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


@dataclass(frozen=True, slots=True)
class Hits:
    """The best documents of n queries, best first; ties by the smaller ordinal.

    ordinals int64 (n_queries, k), -1 where fewer than k documents were found;
    scores float32 (n_queries, k), bigger is better, -inf where ordinals are -1.

    Raises:
        ShapeError: where shapes or dtypes differ from these.
    """

    ordinals: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.ordinals.ndim != 2 or self.ordinals.shape != self.scores.shape:
            raise ShapeError(f"ordinals {self.ordinals.shape} != scores {self.scores.shape}")
        _check_dtype("ordinals", self.ordinals, np.int64)
        _check_dtype("scores", self.scores, np.float32)

    def __len__(self) -> int:
        return len(self.ordinals)

    def row(self, i: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ordinals and scores of query `i`, without the padding."""
        found = self.ordinals[i] >= 0
        return self.ordinals[i][found], self.scores[i][found]

    @staticmethod
    def from_rows(rows: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]], k: int) -> "Hits":
        """Hits of (ordinals, scores) pairs, already in order, each cut or padded to k."""
        ordinals = np.full((len(rows), k), -1, dtype=np.int64)
        scores = np.full((len(rows), k), -np.inf, dtype=np.float32)
        for i, (row_ordinals, row_scores) in enumerate(rows):
            n = min(k, len(row_ordinals))
            ordinals[i, :n] = row_ordinals[:n]
            scores[i, :n] = row_scores[:n]
        return Hits(ordinals, scores)

    def shifted(self, base: int) -> "Hits":
        """The same with ordinals that count from `base`."""
        if base == 0:
            return self
        return Hits(np.where(self.ordinals < 0, -1, self.ordinals + base), self.scores)

    @staticmethod
    def best_of(several: Sequence["Hits"], n_queries: int, k: int) -> "Hits":
        """The best k that each query has in any of these, which have no document in common."""
        if len(several) == 1 and several[0].ordinals.shape[1] == k:
            return several[0]
        nothing = Hits.from_rows([(_NO_ORDINALS, _NO_SCORES)] * n_queries, k)
        ordinals = np.concatenate([*(hits.ordinals for hits in several), nothing.ordinals], axis=1)
        scores = np.concatenate([*(hits.scores for hits in several), nothing.scores], axis=1)
        order = np.lexsort((ordinals, -scores, ordinals < 0))[:, :k]
        return Hits(
            np.take_along_axis(ordinals, order, axis=1), np.take_along_axis(scores, order, axis=1)
        )


_NO_ORDINALS, _NO_SCORES = np.zeros(0, np.int64), np.zeros(0, np.float32)


def best_first(
    ordinals: NDArray[np.int64], scores: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k best of one query in the order that every engine keeps: score, then ordinal."""
    order = np.lexsort((ordinals, -scores))[:k]
    return ordinals[order], scores[order]


class TermStatistics(Protocol):
    """What a collection knows about terms now; query weights such as idf follow from it."""

    @property
    def n_docs(self) -> int:
        """Documents in the collection."""
        ...

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Documents that hold each term, (len(term_ids),); 0 for an unknown term."""
        ...


def absent(held: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is held and not wanted, in its order; `wanted` ascends."""
    if len(wanted) == 0:
        return held
    places = np.minimum(np.searchsorted(wanted, held), len(wanted) - 1)
    kept: NDArray[np.int64] = held[wanted[places] != held]
    return kept


def ranges(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Consecutive (start, stop) of at most `size` that cover 0 to n."""
    return ((start, min(start + size, n)) for start in range(0, n, size))
