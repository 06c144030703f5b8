"""What do losses and dev measures look like over the steps?"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.training.durable import writing

_INCHES, _DPI = (9.0, 3.2), 120
_INK, _GRID = "#333333", "#e4e4e4"
# Okabe and Ito's colours, which all eyes tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
# Means of how many there are, on another scale than losses.
_COUNTS = ("_terms", "_tokens")
_NOT_LOSSES = {"step", "lr", "gradient_norm", "examples_per_second"}
_SMOOTHED_FROM = 40


def draw_curves(records: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Draw `curves.png` and `curves.svg`: losses above, counts, dev measures below, steps across.

    Args:
        records: Those of `metrics.Metrics`.
        folder: Where to.

    Raises:
        ImportError: if matplotlib is not installed.
        DiskFullError: if there is no room.
    """
    figures: Any = importlib.import_module("matplotlib.figure")
    logged = _series(records)
    counts = {name: values for name, values in logged.items() if name.endswith(_COUNTS)}
    losses = {name: values for name, values in logged.items() if name not in counts}
    found = (("loss", losses), ("count", counts), ("dev", _dev_series(records)))
    panels = [(kind, series) for kind, series in found if series]
    if not panels:
        return []
    figure = figures.Figure(
        figsize=(_INCHES[0], _INCHES[1] * len(panels)), dpi=_DPI, layout="constrained"
    )
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (kind, series) in zip(all_axes, panels, strict=True):
        _draw(axes, kind, series)
    all_axes[-1].set_xlabel("optimiser step", color=_INK)
    paths = [folder / "curves.png", folder / "curves.svg"]
    for path in paths:
        draft = path.with_name(f".{path.name}")
        with writing(path):
            # Without a date, equal records give equal files.
            metadata = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(draft, format=path.suffix[1:], metadata=metadata)
            draft.replace(path)
    return paths


def _series(records: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """(n, 2) of step and value by name, the total first; a part that equals it is left out."""
    logged = [record for record in records if "total" in record]
    names = dict.fromkeys(name for record in logged for name in record if name not in _NOT_LOSSES)
    found = {
        name: np.array([(r["step"], r[name]) for r in logged if r.get(name) is not None], float)
        for name in sorted(names, key=lambda name: name != "total")
    }
    return {
        name: values
        for name, values in found.items()
        if name == "total" or not _equal(values, found["total"])
    }


def _equal(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b))


def _dev_series(records: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    measured = [record for record in records if "dev" in record]
    names = dict.fromkeys(name for record in measured for name in record["dev"])
    return {
        name: np.array([(r["step"], r["dev"][name]) for r in measured if name in r["dev"]], float)
        for name in names
    }


def _draw(axes: Any, kind: str, series: Mapping[str, NDArray[np.float64]]) -> None:
    for colour, (name, points) in zip(_repeated(len(series)), series.items(), strict=True):
        steps, values = points[:, 0], points[:, 1]
        width = 2.0 if name == "total" or kind == "dev" else 1.3
        if kind != "dev" and len(points) >= _SMOOTHED_FROM:
            axes.plot(steps, values, color=colour, alpha=0.22, linewidth=0.8)
            values = _smooth(values)
        marker = "o" if kind == "dev" and len(points) <= _SMOOTHED_FROM else None
        axes.plot(
            steps, values, color=colour, linewidth=width, marker=marker, markersize=4, label=name
        )
        if kind == "dev":
            _mark_best(axes, colour, points)
    axes.set_ylabel(kind, color=_INK)
    if kind == "count" and all((points[:, 1] > 0).all() for points in series.values()):
        axes.set_yscale("log")  # documents have thousands of terms at first, queries ten
    _plain(axes)


def _mark_best(axes: Any, colour: str, points: NDArray[np.float64]) -> None:
    best = points[int(points[:, 1].argmax())]
    axes.annotate(
        f"{best[1]:.4f} at {best[0]:.0f}",
        xy=(best[0], best[1]),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=colour,
    )


def _plain(axes: Any) -> None:
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.margins(x=0.02, y=0.14)
    # Beside the curves, where it covers none of them.
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running means over a twentieth of the points, shorter at both ends."""
    width = max(len(values) // 20, 3) | 1
    half = width // 2
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    begin, end = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    means: NDArray[np.float64] = (sums[end] - sums[begin]) / (end - begin)
    return means


def _repeated(n: int) -> list[str]:
    return [_COLOURS[i % len(_COLOURS)] for i in range(n)]
