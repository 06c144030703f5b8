"""Which run does a file hold?"""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError
from lexmax.eval.files import bad_line, decoded, numbered_lines
from lexmax.eval.runs.blocks import Rows, read_blocks
from lexmax.eval.runs.lines import msmarco_fields, read_by_line
from lexmax.eval.runs.run import HIGHEST, Run


def read_run(path: Path | str) -> Run:
    """A TREC run, or an MS MARCO run; which of them, the first line tells by its fields.

    TREC: `query_id Q0 doc_id rank score tag`, any white space between. MS MARCO: `query_id doc_id
    rank`, any white space between, or two tabs, and then ids may hold spaces; its scores become
    the negated ranks. Files in .gz and .zst are unpacked. A document
    without a score between others counts nothing: ranks of MS MARCO that leave a gap close up,
    and a warning of the run says so.

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
    is_msmarco = len(fields) == 3 or msmarco_fields(first[1]) is not None
    name = _plain_stem(path) if is_msmarco else decoded(path, first[0], fields[-1])
    # A pipe can be read only once. Whatever the fast reader cannot vouch for, the other one reads,
    # or says what is wrong.
    rows = read_blocks(path, is_msmarco=is_msmarco) if path.is_file() else None
    rows = rows or read_by_line(path, chain([first], lines), is_msmarco=is_msmarco)
    warnings = _gaps(rows) if is_msmarco else ()
    return _run(path, name, rows, warnings)


def _plain_stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz").removesuffix(".zst")).stem


def _run(path: Path, name: str, by_query: dict[str, Rows], warnings: tuple[str, ...]) -> Run:
    doc_ids: dict[str, Sequence[str]] = {}
    scores: dict[str, NDArray[np.float32]] = {}
    for query_id in list(by_query):
        rows = by_query.pop(query_id)
        if len(set(rows.doc_ids)) < len(rows.doc_ids):
            raise _twice(path, query_id)
        doc_ids[query_id], scores[query_id] = _in_order(rows.doc_ids, rows.scores)
    return Run(name, doc_ids, scores, warnings)


def _twice(path: Path, query_id: str) -> EvaluationError:
    """The error for a document that a query has twice; reads the file again to find the lines."""
    seen: dict[bytes, int] = {}
    for number, line in numbered_lines(path):
        fields = msmarco_fields(line) or tuple(line.split())
        doc_id = fields[1 if len(fields) == 3 else 2]
        if fields[0] == query_id.encode() and seen.setdefault(doc_id, number) != number:
            expected = f"a document once a query; line {seen[doc_id]} ranks it already"
            return bad_line(path, number, doc_id, expected)
    return EvaluationError(
        f"{path}: query {query_id!r} has a document twice; expected each once; remove one"
    )


def _in_order(ids: list[str], scores: Sequence[float]) -> tuple[list[str], NDArray[np.float32]]:
    """Best first by trec_eval's rule."""
    held = np.clip(np.asarray(scores, np.float64), -HIGHEST, HIGHEST).astype(np.float32)
    if np.all(held[:-1] > held[1:]):
        return ids, held
    by_id = sorted(range(len(ids)), key=ids.__getitem__, reverse=True)
    order = sorted(by_id, key=held.tolist().__getitem__, reverse=True)
    return [ids[i] for i in order], held[order]


def _gaps(rows: Mapping[str, Rows]) -> tuple[str, ...]:
    gapped = [q for q, row in rows.items() if len(row.scores) != -min(row.scores)]
    if not gapped:
        return ()
    return (
        f"the ranks of {len(gapped):,} queries, {gapped[0]} among them, are not 1, 2, 3, ...: the "
        "documents are ranked in their order, without gaps; MS MARCO's script takes the numbers "
        "as they stand",
    )
