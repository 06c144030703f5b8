"""How does a study look as a picture? Quality upwards, bytes to the right, names beside points."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lexmax.errors import EvaluationError
from lexmax.eval.compression.outcomes import MEASURES, QUALITY, CompressionStudy, Ladder, Row
from lexmax.index.failures import storage_errors

_INK, _GRID, _PALE = "#333333", "#e8e8e8", "#888888"
# After Okabe and Ito's colours, which all eyes tell apart, pale ones darker, because names are
# written in them; by the beginning of a family's name.
_COLOURS = (
    ("whole", "#333333"),
    ("lvq", "#3A94C8"),
    ("residual, ColBERTv2", "#3A94C8"),
    ("residual", "#009E73"),
    ("opq", "#D55E00"),
    ("pq", "#C98A00"),
    ("bits", "#B8608F"),
    ("sq", "#333333"),
    ("LeanVec OOD", "#0072B2"),
    ("LeanVec, pq", "#D55E00"),
    ("LeanVec", "#0072B2"),
    ("PCA", "#009E73"),
)
_WIDTH, _HEIGHT, _DPI = 7.2, 5.2, 100
# Left and right; of encodings what is among the first 100 counts, because it is scored again.
_SHOWN = {"encodings": (QUALITY, MEASURES[3])}
_USUALLY_SHOWN = (QUALITY, MEASURES[1])
_FONT = 7.0
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "lexmax"}
# Where a name may stand beside its point, in points; the first that is free is taken.
_PLACES = tuple(
    (dx, dy, ha)
    for reach in (5, 11, 19, 29, 41)
    for dx, dy, ha in (
        (reach, 0, "left"),
        (4, reach, "left"),
        (4, -reach, "left"),
        (-reach, 0, "right"),
        (-4, reach, "right"),
        (-4, -reach, "right"),
    )
)

Box = tuple[float, float, float, float]


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        return False
    return True


def draw(study: CompressionStudy, path: Path) -> None:
    """Draw a row of pictures a kind of vectors; `path` ends in .svg or .png.

    A hollow point is significantly worse than the baseline, by nDCG@10; names of what
    `lexmax index` offers are bold.

    Raises:
        EvaluationError: if matplotlib is not installed.
        StorageError: if the file cannot be written.
    """
    try:
        figures: Any = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise EvaluationError(
            "drawing needs matplotlib, which is not installed; expected it, or no picture; "
            "`pip install 'lexmax[report]'`, or ask for --no-picture"
        ) from error
    n = len(study.ladders)
    figure = figures.Figure(figsize=(2 * _WIDTH, n * _HEIGHT + 0.5), dpi=_DPI, layout="constrained")
    figure.suptitle(
        f"{study.name}: what is kept, by bytes a document\n"
        "hollow: nDCG@10 significantly worse than the dashed line; bold: `lexmax index` offers it",
        color=_INK,
        fontsize=10,
    )
    grid = figure.subplots(n, 2, squeeze=False)
    for axes_row, ladder in zip(grid, study.ladders, strict=True):
        for axes, measure in zip(axes_row, _shown(ladder), strict=True):
            _plot(axes, ladder, measure)
    # Places of names are known only once the layout is.
    figure.draw_without_rendering()
    for axes_row, ladder in zip(grid, study.ladders, strict=True):
        for axes, measure in zip(axes_row, _shown(ladder), strict=True):
            _name_points(axes, ladder, measure)
    matplotlib: Any = importlib.import_module("matplotlib")
    # Names stay text, which is small; and equal studies give equal files.
    with storage_errors(path), matplotlib.rc_context(_STYLE):
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata)


def _shown(ladder: Ladder) -> tuple[str, str]:
    return _SHOWN.get(ladder.kind, _USUALLY_SHOWN)


def _whole(value: float, _place: int) -> str:
    return f"{value:,.0f}"


def _plot(axes: Any, ladder: Ladder, measure: str) -> None:
    for family in dict.fromkeys(row.family for row in ladder.rows):
        rows = [row for row in ladder.rows if row.family == family]
        rows.sort(key=lambda row: -row.document_bytes)
        colour = _colour(family)
        xs = [row.document_bytes for row in rows]
        ys = [row.mean(measure) for row in rows]
        axes.plot(xs, ys, color=colour, linewidth=0.9, alpha=0.55, zorder=2)
        for x, y, row in zip(xs, ys, rows, strict=True):
            face = "white" if _is_worse(ladder, row) else colour
            axes.plot(x, y, "o", color=colour, markerfacecolor=face, markersize=5, zorder=3)
    _baseline(axes, ladder, measure)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(_whole)
    axes.set_xlabel("bytes a document", color=_INK, fontsize=9)
    axes.set_title(f"{ladder.kind}: {measure}", loc="left", color=_INK, fontsize=10)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_PALE)
    axes.margins(x=0.12, y=0.08)


def _baseline(axes: Any, ladder: Ladder, measure: str) -> None:
    for row in ladder.rows:
        if row.name == ladder.baseline:
            axes.axhline(row.mean(measure), color=_PALE, linewidth=0.8, linestyle="--", zorder=1)


def _is_worse(ladder: Ladder, row: Row) -> bool:
    changed = ladder.change(row)
    return changed is not None and changed[2] and changed[0] < 0


def _name_points(axes: Any, ladder: Ladder, measure: str) -> None:
    """Names from the best point down, each where it covers nothing that stands there."""
    pixels = _DPI / 72
    rows = sorted(ladder.rows, key=lambda row: -row.mean(measure))
    points = axes.transData.transform([(r.document_bytes, r.mean(measure)) for r in rows])
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    for row, (x, y) in zip(rows, points.tolist(), strict=True):
        width = 0.6 * _FONT * len(row.name) * pixels
        high = 1.15 * _FONT * pixels
        boxes = [
            _box(x + dx * pixels, y + dy * pixels, width, high, align) for dx, dy, align in _PLACES
        ]
        best = int(np.argmin([_covered(box, taken, axes.bbox.extents) for box in boxes]))
        taken.append(boxes[best])
        dx, dy, align = _PLACES[best]
        axes.annotate(
            row.name,
            (row.document_bytes, row.mean(measure)),
            xytext=(dx, dy),
            textcoords="offset points",
            ha=align,
            va="center",
            fontsize=_FONT,
            color=_colour(row.family),
            fontweight="bold" if row.served else "normal",
            arrowprops={"arrowstyle": "-", "color": _PALE, "linewidth": 0.4, "shrinkB": 3}
            if abs(dx) + abs(dy) > 20
            else None,
            # Lines pass behind names.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3, "alpha": 0.75},
            zorder=4,
        )


def _box(x: float, y: float, width: float, high: float, align: str) -> Box:
    left = x if align == "left" else x - width
    return left, y - high / 2, left + width, y + high / 2


def _covered(box: Box, taken: Sequence[Box], frame: Any) -> float:
    """How much of what is there a box would cover; outside the frame counts too."""
    total = 0.0
    for other in taken:
        width = min(box[2], other[2]) - max(box[0], other[0])
        high = min(box[3], other[3]) - max(box[1], other[1])
        total += max(0.0, width) * max(0.0, high)
    beyond: float = max(0.0, frame[0] - box[0]) + max(0.0, box[2] - frame[2])
    return total + 10 * beyond


def _colour(family: str) -> str:
    return next((colour for name, colour in _COLOURS if family.startswith(name)), _PALE)
