"""What do several studies of compression say together? Tables, made of the files they wrote.

A page holds each table between two lines, `<!-- compression: KIND -->` and `<!-- end -->`.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from lexmax.errors import EvaluationError
from lexmax.eval.compression.outcomes import QUALITY

KINDS: Mapping[str, tuple[str, str]] = {
    "pooled": ("document_bytes", "recall@10"),
    "tokens": ("vector_bytes", "recall@10"),
    "encodings": ("document_bytes", "10 in 100"),
}
"""By kind of vectors, whose bytes a table has, and which measure beside nDCG@10."""

CHOSEN: Mapping[str, tuple[str, ...]] = {
    "pooled": (
        "fp32", "fp16", "int8", "int4", "lvq4", "residual 4 bits", "ID 192", "OOD 192", "ID 96",
        "OOD 96", "OOD 96, shrunk", "residual 2 bits", "opq8, 4", "pq8, 4", "pq4, 2", "bits",
        "bits, whole queries", "opq8, 8", "pq8, 8", "opq8, 16", "bits, int8 again",
        "opq8, 8, int8 again", "ID 96 int8, int8 again",
    ),
    "tokens": (
        "fp32", "fp16", "int8", "residual 8 bits", "int4", "residual4", "residual 4 bits",
        "residual2", "residual 2 bits", "opq8, 4", "pq8, 4", "bits, whole queries",
        "residual 1 bit", "opq8, 8", "pq8, 8", "ID 64", "OOD 64", "ID 32", "OOD 32",
        "bits, int8 again",
    ),
    "encodings": (
        "MaxSim, fp32 tokens", "fp32, 10,240 and mean", "fp32, 10,240", "fp32, 5,120",
        "fp32, 2,560", "fp32, 1,280", "pq8, 8, of 2,560", "PCA 512", "LeanVec 512", "PCA 256",
        "LeanVec 256", "PCA 128", "LeanVec 128", "PCA 256, sq8", "PCA 256, opq8", "PCA 256, pq8",
        "PCA 256, pq4", "LeanVec 256, pq4", "PCA 256, bits?refine=4", "PCA 256, bits",
    ),
}  # fmt: skip
"""The ways that a table has unless all are asked for, by kind."""

_PLACE = re.compile(r"(<!-- compression: (?P<kind>[a-z]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WrittenStudy:
    """The rows of one collection, as its study wrote them.

    Attributes:
        name: of the collection.
        rows: by kind of vectors and name of the way, in the order of the study.
    """

    name: str
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]]


def read_written(path: Path) -> WrittenStudy:
    """What NAME.json of `lexmax compression-study` says.

    Raises:
        EvaluationError: if the file cannot be read, or is of something else.
    """
    try:
        said: Any = orjson.loads(path.read_bytes())
        rows = {
            ladder["kind"]: {row["name"]: _checked(row) for row in ladder["rows"]}
            for ladder in said["ladders"]
        }
        return WrittenStudy(str(said["name"]), rows)
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be read ({error.strerror}); expected what `lexmax compression-study` "
            "wrote; check the path"
        ) from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path}: is no study of compression ({error!r}); expected the NAME.json that "
            "`lexmax compression-study` wrote; name that"
        ) from error


def _checked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row, which has all that tables show."""
    for name in ("document_bytes", "vector_bytes", QUALITY, "beside_baseline"):
        row[name]
    return row


def table(studies: Sequence[WrittenStudy], kind: str, *, every_way: bool = False) -> list[str]:
    """Lines of a Markdown table: a way a line, a column a collection that has such vectors.

    A cell has what nDCG@10 gains or loses against the baseline (`*`: significantly), or nDCG@10
    itself where the line is that, then the share that is found.

    Args:
        studies: In the order of the columns.
        kind: One of `KINDS`.
        every_way: All ways that a study has, and not only the `CHOSEN`.

    Raises:
        EvaluationError: if there is no such kind, or no study has it.
    """
    having = [study for study in studies if kind in study.rows]
    if kind not in KINDS or not having:
        found = sorted({each for study in studies for each in study.rows})
        raise EvaluationError(
            f"no study has vectors of the kind {kind!r}; found {', '.join(found) or 'none'}; "
            f"expected one of {', '.join(KINDS)}; study it first, or name another"
        )
    known = dict.fromkeys(name for study in having for name in study.rows[kind])
    names = [name for name in (known if every_way else CHOSEN[kind]) if name in known]
    head = ["way", "bytes", *(study.name for study in having)]
    return [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *_lines(having, kind, names)]


def _lines(studies: Sequence[WrittenStudy], kind: str, names: Sequence[str]) -> Iterator[str]:
    size, share = KINDS[kind]
    for name in names:
        rows = [study.rows[kind].get(name) for study in studies]
        sizes = [row[size] for row in rows if row is not None]
        yield _line([name, _span(sizes), *(_cell(row, share) for row in rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _span(sizes: Sequence[float]) -> str:
    least, most = (f"{value:,.0f}" for value in (min(sizes), max(sizes)))
    return least if least == most else f"{least} to {most}"


def _cell(row: Mapping[str, Any] | None, share: str) -> str:
    if row is None or row[QUALITY] is None:
        return ""
    found = "" if row.get(share) is None else f", {_short(row[share], '.2f')}"
    beside = row["beside_baseline"]
    if beside is None:
        return _short(row[QUALITY], ".3f") + found
    return _short(beside["difference"], "+.3f") + "*" * bool(beside["significant"]) + found


def _short(value: float, form: str) -> str:
    """A number without the nought before its point."""
    if math.isnan(value):
        return "-"
    return format(value, form).replace("0.", ".", 1) if abs(value) < 1 else format(value, form)


def read_page(path: Path) -> str:
    """The text of a page.

    Raises:
        EvaluationError: if it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f"{path}: cannot be read ({error}); expected a page of Markdown; check the path"
        ) from error


def with_tables(page: str, studies: Sequence[WrittenStudy]) -> str:
    """A page with the table of each kind between its marks anew.

    Raises:
        EvaluationError: if it has no marks, or asks for a kind that no study has.
    """
    if not _PLACE.search(page):
        raise EvaluationError(
            "the page has no place for a table; expected a line `<!-- compression: pooled -->` (or "
            "tokens, encodings) and a line `<!-- end -->` behind it; put them in"
        )
    return _PLACE.sub(
        lambda place: place[1] + "\n".join(table(studies, place["kind"])) + "\n" + place[4], page
    )
