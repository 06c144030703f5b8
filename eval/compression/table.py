"""How does a study look as text?"""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexmax.eval.compression.outcomes import MEASURES, QUALITY, CompressionStudy, Ladder, Row
from lexmax.eval.compression.scan import FAISS, LEXMAX, NUMPY
from lexmax.eval.significance.marking import caption

_KERNELS = (LEXMAX, FAISS, NUMPY)
_SAME = {"pooled", "encodings"}
_SCREEN = (*("way", "bytes a document", QUALITY, "against whole"), *MEASURES[1:3], "q/s", "by")
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def markdown(study: CompressionStudy, *, picture: str | None = None) -> str:
    """A heading, what was studied, and a table for each kind of vectors."""
    lines = [f"# Compression of {study.name}", "", *_about(study), ""]
    if picture is not None:
        lines += [f"![quality by bytes]({picture})", ""]
    for ladder in study.ladders:
        lines += [f"## {ladder.kind.capitalize()}: {ladder.about}", ""]
        lines += [*_markdown_table(ladder), "", _note(ladder), ""]
    lines += [f"Warning: {warning}." for warning in study.warnings]
    return "\n".join(lines).rstrip() + "\n"


def print_study(study: CompressionStudy, console: Console) -> None:
    """The same on a screen."""
    for line in _about(study):
        console.print(Text(line))
    for ladder in study.ladders:
        table = Table(title=f"{ladder.kind}: {ladder.about}", title_justify="left")
        for i, name in enumerate(_SCREEN):
            table.add_column(name, justify="right" if i else "left", overflow="fold")
        for row in ladder.rows:
            is_worse = (changed := ladder.change(row)) is not None and changed[2] and changed[0] < 0
            table.add_row(*_screen_cells(ladder, row), style="dim" if is_worse else "")
        console.print(table)
        console.print(Text(_note(ladder), style="dim"))
    for warning in study.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def _screen_cells(ladder: Ladder, row: Row) -> list[str]:
    return [
        row.name,
        _number(row.document_bytes),
        f"{row.mean(QUALITY):.4f}",
        _changed(ladder, row),
        *(f"{row.mean(measure):.3f}" for measure in MEASURES[1:3]),
        _speed(row),
        row.scanned_by,
    ]


def _about(study: CompressionStudy) -> Iterator[str]:
    about = study.about
    if not about:
        return
    yield (
        f"{about['documents']:,} documents, {about['queries']:,} of {about['judged_queries']:,} "
        f"judged queries (split {about['split']}). Codecs that learn from queries learnt from "
        f"{about['learnt_from']}. Seed {about['seed']}."
    )


def _columns(ladder: Ladder) -> list[str]:
    sizes = ["bytes a document"] if ladder.kind in _SAME else ["bytes a vector", "a document"]
    rest = [f"against {ladder.baseline}", *MEASURES[1:], "build s"]
    return ["way", *sizes, "once", QUALITY, *rest, *(f"q/s {k}" for k in _KERNELS), "lexmax index"]


def _cells(ladder: Ladder, row: Row) -> list[str]:
    sizes = [_number(row.document_bytes)]
    if ladder.kind not in _SAME:
        sizes = [_number(row.vector_bytes), *sizes]
    speeds = [_speed(row) if row.scanned_by == kernel else "" for kernel in _KERNELS]
    shares = [f"{row.mean(measure):.3f}" for measure in MEASURES[1:]]
    build = f"{row.build_s:.1f}" if row.build_s >= 0 else ""
    return [
        row.name,
        *sizes,
        _size(row.fixed_bytes),
        f"{row.mean(QUALITY):.4f}",
        _changed(ladder, row),
        *shares,
        build,
        *speeds,
        row.served,
    ]


def _speed(row: Row) -> str:
    speed = 1000 / row.query_ms if row.query_ms > 0 else float("nan")
    if speed != speed:
        return ""
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"


def _changed(ladder: Ladder, row: Row) -> str:
    changed = ladder.change(row)
    if changed is None:
        return ""
    difference, _, is_significant = changed
    return f"{difference:+.4f}{' *' if is_significant else ''}"


def _markdown_table(ladder: Ladder) -> Iterator[str]:
    columns = _columns(ladder)
    yield _line(columns)
    yield _line(["---", *["---:"] * (len(columns) - 2), "---"])
    for row in ladder.rows:
        yield _line([cell.replace("|", "/") for cell in _cells(ladder, row)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _note(ladder: Ladder) -> str:
    parts = [
        f"{ladder.n_queries:,} queries.",
        "`once`: codebooks, matrices, centroids. recall@k: share of the exact first k (float32) "
        "among the first k; 10 in 100: of the exact first 10 among the first 100. q/s: queries a "
        "second of processor time on one thread, all documents scanned, by whose loops; numpy "
        "decodes to float32 first. Only figures of one column compare.",
    ]
    if ladder.comparison is not None:
        parts.append(f"`*`: significant ({caption(ladder.comparison)}).")
    return " ".join(parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value - round(value)) < 0.05 or value >= 100 else f"{value:,.1f}"


def _size(n_bytes: int) -> str:
    for unit, name in _UNITS:
        if n_bytes >= unit:
            return f"{n_bytes / unit:.1f} {name}"
    return f"{n_bytes} B" if n_bytes else ""
