"""Which pictures does a report have? SVG text that stands in a page, light or dark.

Lines and letters take the colour of the page's text; nothing depends on when they are drawn.
"""

import importlib
import io
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lexmax.errors import EvaluationError
from lexmax.eval.experiments.results import Results, cost_of

# Of Okabe and Ito: told apart by people with any sight for colours, on white and on black.
_COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c7ae6", "#999933",
    "#777777", "#aa4499",
)  # fmt: skip
_MARKERS = "osD^vPX*hd"
_INK = "#010203"
_MOST_LINES = 14
_WIDE = 8
# Inches that a letter of a legend takes, and what stands before it.
_LETTER, _HANDLE = 0.07, 0.6
_COSTS = {"ms": "ms a query, median of single queries", "bytes": "MiB of the index that are read"}


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture as SVG text, and what a person who cannot see it is told."""

    title: str
    svg: str


def has_plots() -> bool:
    """Whether matplotlib is installed."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        return False
    return True


def plots_of(results: Results, collection: str) -> list[Plot]:
    """The pictures of one collection: fronts, recall by depth, grids, reliability.

    Raises:
        EvaluationError: if matplotlib is not installed.
    """
    cells = results.cells(collection)
    found = [_fronts(results, collection, cells), _recall(results, cells)]
    found += [_grid(results, family, cells, parameter) for family, parameter in _grids(results)]
    found.append(_reliability(cells))
    return [plot for plot in found if plot is not None]


def _fronts(results: Results, collection: str, cells: Mapping[str, Any]) -> Plot | None:
    """Quality by cost, two panels; a line joins the systems that none beats in both."""
    measure = results.measures[0]
    fronts = results.collections[collection]["fronts"][measure]
    if len(cells) < 2:
        return None
    families = list(dict.fromkeys(results.systems[name]["of"] for name in cells))
    with _figure(2) as (figure, axes):
        for axis, (cost, label) in zip(axes, _COSTS.items(), strict=True):
            scale = 1 << 20 if cost == "bytes" else 1
            at = {
                name: (paid / scale, cell["measures"][measure])
                for name, cell in cells.items()
                if (paid := cost_of(cell, cost)) is not None
                and cell["measures"][measure] is not None
            }
            line = [at[name] for name in fronts[cost] if name in at]
            axis.plot(*zip(*line, strict=True), color=_INK, linewidth=0.8, alpha=0.6, zorder=1)
            for i, family in enumerate(families):
                own = [at[n] for n in at if results.systems[n]["of"] == family]
                if own:
                    colour, marker = _style(i)
                    axis.scatter(
                        *zip(*own, strict=True), color=colour, marker=marker, label=family, s=34
                    )
            _logarithmic(axis)
            axis.set_xlabel(label)
            axis.set_ylabel(measure)
        _legend(figure, axes[0])
        return Plot(
            f"{measure} by latency and by bytes; the line is the Pareto front", _svg(figure)
        )


def _recall(results: Results, cells: Mapping[str, Any]) -> Plot | None:
    """Recall by how many documents are passed on; of a grid, its best system."""
    lines = {
        name: [point for point in cells[name].get("recall_by_depth", []) if point[1] is not None]
        for name in _best_of_grids(results, cells)
    }
    lines = {name: points for name, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    with _figure(1) as (figure, axes):
        for i, (name, points) in enumerate(list(lines.items())[:_MOST_LINES]):
            colour, marker = _style(i)
            axes[0].plot(
                *zip(*points, strict=True),
                color=colour, marker=marker, markersize=4, linewidth=1.2, label=name,
            )  # fmt: skip
        _logarithmic(axes[0], sorted({point[0] for line in lines.values() for point in line}))
        axes[0].set_xlabel("documents passed on (candidates)")
        axes[0].set_ylabel("recall")
        _legend(figure, axes[0])
        return Plot("Recall by the number of candidates that are passed on", _svg(figure))


def _best_of_grids(results: Results, cells: Mapping[str, Any]) -> list[str]:
    """A system of each family, by the first measure."""
    measure = results.measures[0]
    sign = -1.0 if measure in results.content["lower_is_better"] else 1.0
    best: dict[str, tuple[float, str]] = {}
    for name, cell in cells.items():
        value = cell["measures"][measure]
        found = (float("-inf") if value is None else sign * value, name)
        family = results.systems[name]["of"]
        if family not in best or found[0] > best[family][0]:
            best[family] = found
    return [name for _, name in best.values()]


def _grids(results: Results) -> list[tuple[str, str]]:
    """Families of systems, and the parameter of each with the most numbers as values."""
    values: dict[str, dict[str, set[float]]] = {}
    for system in results.systems.values():
        for name, value in system["parameters"].items():
            if isinstance(value, int | float):
                values.setdefault(system["of"], {}).setdefault(name, set()).add(value)
    found: list[tuple[str, str]] = []
    for family, by_name in values.items():
        name = max(by_name, key=lambda one: len(by_name[one]))
        if len(by_name[name]) > 1:
            found.append((family, name))
    return found


def _grid(results: Results, family: str, cells: Mapping[str, Any], parameter: str) -> Plot | None:
    """Measures by a parameter; a line for each combination of the others."""
    lines: dict[str, list[tuple[float, str]]] = {}
    for name in cells:
        system = results.systems[name]
        if system["of"] == family:
            rest = {k: v for k, v in system["parameters"].items() if k != parameter}
            title = " ".join(f"{k}={v}" for k, v in rest.items()) or family
            lines.setdefault(title, []).append((system["parameters"][parameter], name))
    measures = results.measures[:2]
    if not lines:
        return None
    with _figure(len(measures)) as (figure, axes):
        for axis, measure in zip(axes, measures, strict=True):
            for i, (title, points) in enumerate(lines.items()):
                known = [
                    (value, figure_of)
                    for value, name in sorted(points)
                    if (figure_of := cells[name]["measures"][measure]) is not None
                ]
                if known:
                    colour, marker = _style(i)
                    axis.plot(
                        *zip(*known, strict=True),
                        color=colour, marker=marker, markersize=4, linewidth=1.2, label=title,
                    )  # fmt: skip
            values = sorted({value for points in lines.values() for value, _ in points})
            if min(values) > 0 and max(values) >= _WIDE * min(values):
                _logarithmic(axis, values)
            axis.set_xlabel(parameter)
            axis.set_ylabel(measure)
        _legend(figure, axes[0])
        shown = " and ".join(measures)
        return Plot(f"{family}: {shown} by {parameter}", _svg(figure))


def _reliability(cells: Mapping[str, Any]) -> Plot | None:
    """How many of the documents with a probability are relevant; on the diagonal all is right."""
    known = {name: cell["calibration"] for name, cell in cells.items() if cell["calibration"]}
    if not known:
        return None
    with _figure(1) as (figure, axes):
        axes[0].plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":", alpha=0.7)
        i = 0
        for name, calibration in known.items():
            for fold in calibration["folds"]:
                bins = fold["reliability"]
                colour, marker = _style(i)
                n_pairs = sum(one["pairs"] for one in bins)
                axes[0].plot(
                    [one["probability"] for one in bins],
                    [one["relevant"] for one in bins],
                    color=colour, marker=marker, markersize=4, linewidth=1.2,
                    label=f"{name}, calibration {fold['fold'] + 1} ({n_pairs:,} pairs)",
                )  # fmt: skip
                i += 1
        axes[0].set_xlabel("probability that the map gives")
        axes[0].set_ylabel("share that is relevant")
        _legend(figure, axes[0])
        return Plot("Reliability of the relevance maps on held-out queries", _svg(figure))


@contextmanager
def _figure(n: int) -> Any:
    """A figure with panels side by side."""
    try:
        matplotlib: Any = importlib.import_module("matplotlib")
        figures: Any = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise EvaluationError(
            "plots need matplotlib, which is not installed; expected it; `pip install "
            "'lexmax[report]'`, or leave plots out with --no-plots"
        ) from error
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "lexmax",
        "font.size": 9,
        "font.family": "sans-serif",
        "text.color": _INK,
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": _INK,
        "grid.alpha": 0.15,
        # Names of systems are texts, whatever signs stand in them.
        "text.parse_math": False,
    }
    with matplotlib.rc_context(style):
        figure = figures.Figure(figsize=(8.4, 3.4) if n > 1 else (5.6, 3.4), layout="constrained")
        axes = figure.subplots(1, n, squeeze=False)[0]
        yield figure, list(axes)


def _logarithmic(axis: Any, ticks: Sequence[float] | None = None) -> None:
    """An axis of powers, with numbers as people write them."""
    axis.set_xscale("log")
    if ticks is not None:
        axis.set_xticks(ticks)
        axis.set_xticks([], minor=True)
    axis.xaxis.set_major_formatter(_plain)
    axis.xaxis.set_minor_formatter("")


def _plain(value: float, _place: int) -> str:
    return f"{value:g}"


def _style(i: int) -> tuple[str, str]:
    return _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]


def _legend(figure: Any, axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if labels:
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=_columns(labels, figure.get_figwidth()),
            frameon=False,
            fontsize=8,
        )


def _columns(labels: Sequence[str], inches: float) -> int:
    """How many labels fit beside each other."""
    return max(1, min(4, int(inches / (_LETTER * max(map(len, labels)) + _HANDLE))))


def _svg(figure: Any) -> str:
    """The figure as an `svg` element, in the colours of the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor").strip()
