"""What did a system answer to each query, in which order?

The order of a run that was read is that of trec_eval: score descending, held as a 32-bit float;
equal scores by doc_id descending, byte by byte; the rank column is not looked at. A run that is
written has strictly descending 32-bit scores, so that no program can put it in another order.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError
from lexmax.eval.files import bad_line, check_ids, decoded, numbered_lines, replace_file

_HIGHEST = np.float32(np.finfo(np.float32).max)
_INFINITY = float("inf")
_SIGN = np.int64(1) << 31


@dataclass(frozen=True, slots=True)
class Run:
    """The ranked documents of each query, best first, without the queries that found none.

    Attributes:
        name: of the system; the tag column of a TREC run.
        doc_ids: by query_id, no document twice in a query.
        scores: by query_id, float32, one for each doc_id; bigger is better.

    Raises:
        EvaluationError: if doc_ids and scores differ in their queries or lengths.
    """

    name: str
    doc_ids: Mapping[str, Sequence[str]]
    scores: Mapping[str, NDArray[np.float32]]

    def __post_init__(self) -> None:
        lengths = {query_id: len(ids) for query_id, ids in self.doc_ids.items()}
        if lengths != {query_id: len(scores) for query_id, scores in self.scores.items()}:
            raise EvaluationError(
                f"run {self.name!r}: doc_ids and scores differ in queries or lengths; expected "
                "one score for each doc_id"
            )


def read_run(path: Path | str) -> Run:
    """A TREC run, or an MS MARCO run; which of them, the first line tells by its fields.

    TREC: `query_id Q0 doc_id rank score tag`, any white space between. MS MARCO: `query_id doc_id
    rank`, whose scores become the negated ranks. Files in .gz and .zst are unpacked.

    Raises:
        EvaluationError: if the file cannot be read, holds no line or a bad one, or a query has a
            document, or in an MS MARCO run a rank, twice.
    """
    path = Path(path)
    lines = numbered_lines(path)
    first = next(lines, None)
    if first is None:
        raise EvaluationError(
            f"{path}: holds no line; expected a run, `query_id Q0 doc_id rank score tag`; "
            "check that it is the right file"
        )
    fields = first[1].split()
    is_msmarco = len(fields) == 3
    name = _plain_stem(path) if is_msmarco else decoded(path, first[0], fields[-1])
    rows = (_read_msmarco if is_msmarco else _read_trec)(path, chain([first], lines))
    return _run(path, name, rows)


def _plain_stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz").removesuffix(".zst")).stem


def _read_trec(path: Path, lines: Iterable[tuple[int, bytes]]) -> "dict[bytes, _Rows]":
    by_query: dict[bytes, _Rows] = {}
    current, rows = b"", _Rows()
    for number, line in lines:
        try:
            # Bytes split at ASCII white space alone, as trec_eval does.
            query_id, _, doc_id, _, digits, _ = line.split()
            score = float(digits)
        except ValueError as error:
            expected = "`query_id Q0 doc_id rank score tag`, the score a number"
            raise bad_line(path, number, line, expected) from error
        if not -_INFINITY < score < _INFINITY or b"_" in digits:
            raise bad_line(path, number, line, "a finite number as the score")
        if query_id != current:
            current, rows = query_id, by_query.setdefault(query_id, _Rows())
        # Not a method: this runs for each of millions of lines.
        rows.doc_ids.append(doc_id)
        rows.scores.append(score)
        rows.numbers.append(number)
    return by_query


def _read_msmarco(path: Path, lines: Iterable[tuple[int, bytes]]) -> "dict[bytes, _Rows]":
    by_query: dict[bytes, _Rows] = {}
    ranked: set[tuple[bytes, int]] = set()
    for number, line in lines:
        fields = line.split()
        if len(fields) != 3 or not fields[2].isdigit() or len(fields[2]) > 7:
            raise bad_line(path, number, line, "`query_id doc_id rank`, the rank an integer")
        query_id, doc_id, rank = fields[0], fields[1], int(fields[2])
        if (query_id, rank) in ranked:
            raise bad_line(path, number, line, "each rank once a query")
        ranked.add((query_id, rank))
        by_query.setdefault(query_id, _Rows()).append(doc_id, -float(rank), number)
    return by_query


def _run(path: Path, name: str, by_query: "dict[bytes, _Rows]") -> Run:
    doc_ids: dict[str, Sequence[str]] = {}
    scores: dict[str, NDArray[np.float32]] = {}
    for raw_id in list(by_query):
        rows = by_query.pop(raw_id)  # Frees the raw ids of a query once they are decoded.
        query_id = decoded(path, rows.numbers[0], raw_id)
        doc_ids[query_id], scores[query_id] = _in_order(rows.checked_ids(path), rows.scores)
    return Run(name, doc_ids, scores)


class _Rows:
    """The lines of one query, in the order of the file."""

    __slots__ = ("doc_ids", "numbers", "scores")

    def __init__(self) -> None:
        self.doc_ids: list[bytes] = []
        self.scores = array("d")
        self.numbers = array("q")

    def append(self, doc_id: bytes, score: float, number: int) -> None:
        self.doc_ids.append(doc_id)
        self.scores.append(score)
        self.numbers.append(number)

    def checked_ids(self, path: Path) -> list[str]:
        if len(set(self.doc_ids)) < len(self.doc_ids):
            raise self._twice(path)
        try:
            return [doc_id.decode() for doc_id in self.doc_ids]
        except UnicodeDecodeError:
            return [
                decoded(path, n, raw) for n, raw in zip(self.numbers, self.doc_ids, strict=True)
            ]

    def _twice(self, path: Path) -> EvaluationError:
        seen = dict(zip(reversed(self.doc_ids), reversed(self.numbers), strict=True))
        number, doc_id = next(
            (n, raw) for n, raw in zip(self.numbers, self.doc_ids, strict=True) if seen[raw] != n
        )
        return bad_line(
            path, number, doc_id, f"a document once a query; line {seen[doc_id]} ranks it already"
        )


def _in_order(ids: list[str], scores: Sequence[float]) -> tuple[list[str], NDArray[np.float32]]:
    """Best first by trec_eval's rule."""
    held = np.clip(scores, -_HIGHEST, _HIGHEST).astype(np.float32)
    if np.all(held[:-1] > held[1:]):
        return ids, held
    by_id = sorted(range(len(ids)), key=ids.__getitem__, reverse=True)
    order = sorted(by_id, key=held.tolist().__getitem__, reverse=True)
    return [ids[i] for i in order], held[order]


def descending(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores (n,) lowered by the least that makes each smaller than the one before, float32.

    trec_eval holds scores as 32-bit floats and orders equal ones by doc_id, other programs
    otherwise; a gap between neighbouring 64-bit floats would be a tie to it. Scores that already
    descend come back as they are.

    Raises:
        EvaluationError: if a score is NaN or infinite, or cannot be lowered further.
    """
    if not np.isfinite(scores).all():
        raise EvaluationError(
            "scores hold NaN or infinity; expected finite numbers, best first; rank again"
        )
    # Neighbouring floats are neighbouring integers s; the largest t with t[i] <= s[i] and
    # t[i] <= t[i-1] - 1 is the running minimum of s[i] + i, less i.
    steps = np.arange(len(scores))
    lowered = np.minimum.accumulate(_as_integers(scores) + steps) - steps
    if len(lowered) and lowered[-1] < _as_integers(-_HIGHEST):
        raise EvaluationError(
            "equal scores at the lowest 32-bit float cannot be told apart; expected scores above "
            "it; scale them"
        )
    return _as_floats(lowered)


def _as_integers(scores: NDArray[np.float32] | np.float32) -> NDArray[np.int64]:
    """Integers in the order of the floats, neighbours for neighbours, 0 for both zeros."""
    bits = np.asarray(scores, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits + _SIGN), bits)


def _as_floats(integers: NDArray[np.int64]) -> NDArray[np.float32]:
    """The inverse of `_as_integers`."""
    bits = np.where(integers < 0, -integers - _SIGN, integers)
    return bits.astype(np.int32).view(np.float32)


def write_run(path: Path | str, run: Run) -> None:
    """Writes a TREC run, whole or not at all: the order given, strictly descending scores.

    A document whose score equals the one before it, or exceeds it, gets the next smaller 32-bit
    float; the others keep theirs.

    Raises:
        EvaluationError: if an id or the run's name holds white space, which the format cannot
            store, a score is not finite, or the path cannot be written.
        DiskFullError: if there is no room.
    """
    check_ids([run.name, *run.doc_ids])
    replace_file(Path(path), _blocks(run))


def _blocks(run: Run) -> Iterator[bytes]:
    for query_id, doc_ids in run.doc_ids.items():
        check_ids(doc_ids)
        scores = descending(run.scores[query_id]).tolist()
        ranked = enumerate(zip(doc_ids, scores, strict=True), start=1)
        yield "".join(
            f"{query_id} Q0 {doc_id} {rank} {score!r} {run.name}\n"
            for rank, (doc_id, score) in ranked
        ).encode()
