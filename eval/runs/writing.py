"""How is a run written so that every program reads the same order?"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError
from lexmax.eval.files import check_ids, check_tabbed_ids, replace_file
from lexmax.eval.runs.packing import packed
from lexmax.eval.runs.run import HIGHEST, Run

RunFormat: TypeAlias = Literal["trec", "msmarco"]

_SIGN = np.int64(1) << 31


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
    if len(lowered) and lowered[-1] < _as_integers(-HIGHEST):
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


def write_run(path: Path | str, run: Run, *, format: RunFormat = "trec") -> None:
    """Writes a run, whole or not at all, in the order given.

    A path that ends in .zst or .gz is packed.

    "trec" has strictly descending scores: a document whose score equals the one before it, or
    exceeds it, gets the next smaller 32-bit float; the others keep theirs. "msmarco" has ranks,
    and ids that may hold spaces, because tabs separate its fields.

    Raises:
        EvaluationError: if the format cannot store an id or the run's name, a score is not
            finite, or the path cannot be written.
        DiskFullError: if there is no room.
    """
    check_run_ids([*([run.name] if format == "trec" else []), *run.doc_ids], format)
    blocks = _trec_blocks(run) if format == "trec" else _msmarco_blocks(run)
    replace_file(Path(path), packed(Path(path), blocks))


def check_run_ids(ids: Sequence[str], format: RunFormat) -> None:
    """Refuses ids that a run in this format cannot store.

    Raises:
        EvaluationError: if it cannot, or there is no such format.
    """
    if format not in get_args(RunFormat):
        raise EvaluationError(
            f"found the format {format!r} for runs; expected {' or '.join(get_args(RunFormat))}"
        )
    if format == "trec":
        check_ids(ids)
    else:
        check_tabbed_ids(ids)


def run_suffix(format: RunFormat) -> str:
    """How the names of files in this format end."""
    return ".trec" if format == "trec" else ".tsv"


def _trec_blocks(run: Run) -> Iterator[bytes]:
    for query_id, doc_ids in run.doc_ids.items():
        check_ids(doc_ids)
        scores = descending(run.scores[query_id]).tolist()
        ranked = enumerate(zip(doc_ids, scores, strict=True), start=1)
        yield "".join(
            f"{query_id} Q0 {doc_id} {rank} {score!r} {run.name}\n"
            for rank, (doc_id, score) in ranked
        ).encode()


def _msmarco_blocks(run: Run) -> Iterator[bytes]:
    for query_id, doc_ids in run.doc_ids.items():
        check_tabbed_ids(doc_ids)
        ranked = enumerate(doc_ids, start=1)
        yield "".join(f"{query_id}\t{doc_id}\t{rank}\n" for rank, doc_id in ranked).encode()
