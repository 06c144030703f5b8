"""How does latency depend on overlap, and overlap on candidates? Run in the bench environment.

python plot.py ROWS.json PICTURE.svg|.png

A row of pictures a collection. Left, a column a k: overlap with exact MaxSim to the right, median
CPU milliseconds upwards on a logarithmic scale; overlap is drawn as -log10(1 - overlap), so that
.99 and .999 stay apart. The last column: the share of the true first 10 among the candidates of
each engine, by their number, on a logarithmic scale.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

# By system and engine; colour, marker.
_LOOK = {
    ("lexmax", "exact"): ("#c1121f", "*"),
    ("lexmax", "fde"): ("#f3722c", "o"),
    ("lexmax", "centroids"): ("#c1121f", "s"),
    ("lexmax", "warp"): ("#8f2d56", "^"),
    ("lexmax", "plaid"): ("#d81159", "v"),
    ("lexmax", "auto"): ("#5f0f40", "X"),
    ("fast-plaid", ""): ("#1d6fa5", "D"),
    ("warp", ""): ("#2a7f3f", "d"),
    ("faiss", ""): ("#8a6d3b", "P"),
    ("torch", ""): ("#6b6b6b", ">"),
}
_UNKNOWN = ("#000000", ".")
_SIZES = {"*": 13, "X": 9}
_TICKS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_LEAST_MISS = 3e-4
_WIDE, _HIGH = 5.2, 4.1

Rows = list[dict[str, Any]]


def draw(rows: Rows, path: Path) -> None:
    """A grid: a row of pictures a collection."""
    places = sorted({(r["data"], r["docs"], -r["dim"]) for r in rows})
    ks = sorted({r["k"] for r in rows})
    size = (_WIDE * (len(ks) + 1), _HIGH * len(places) + 0.7)
    figure, grid = plt.subplots(len(places), len(ks) + 1, figsize=size, squeeze=False)
    for axes_row, (data, docs, dim) in zip(grid, places, strict=True):
        here = [r for r in rows if (r["data"], r["docs"], -r["dim"]) == (data, docs, dim)]
        title = f"{data}, {docs:,} documents, dim {-dim}"
        for axes, k in zip(axes_row, ks, strict=False):
            _latency(axes, [r for r in here if r["k"] == k])
            axes.set_title(f"{title}, k = {k}", fontsize=11)
        _candidates(axes_row[-1], [r for r in here if r["k"] == ks[0]])
        axes_row[-1].set_title(f"{title}: candidates", fontsize=11)
        axes_row[0].set_ylabel("CPU ms a query (p50, one thread)")
        axes_row[-1].set_ylabel(f"overlap with the exact first {ks[0]}")
    for axes in grid[-1][:-1]:
        axes.set_xlabel("overlap with the exact first k")
    grid[-1][-1].set_xlabel("documents scored by MaxSim")
    _legend(figure, grid)
    figure.savefig(path, dpi=110)


def _miss(overlap: float) -> float:
    return -math.log10(max(1.0 - overlap, _LEAST_MISS))


def _latency(axes: Any, rows: Rows) -> None:
    if not rows:
        axes.set_axis_off()
        return
    for name, points in sorted(_curves(rows).items()):
        points.sort(key=lambda r: (r["overlap"], r["cpu_p50_ms"]))
        _line(axes, name, [_miss(r["overlap"]) for r in points], [r["cpu_p50_ms"] for r in points])
    axes.set_yscale("log")
    low = min(_miss(r["overlap"]) for r in rows)
    _miss_ticks(axes.set_xticks, low)
    axes.set_xlim(low - 0.12, _miss(1.0) + 0.12)
    axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    _grid(axes)


def _candidates(axes: Any, rows: Rows) -> None:
    """Engines whose mode says how many documents they score."""
    curves = {
        name: [(n, r["overlap"]) for r in points if (n := _n_candidates(r["mode"])) is not None]
        for name, points in _curves(rows).items()
    }
    curves = {name: sorted(points) for name, points in curves.items() if points}
    if not curves:
        axes.set_axis_off()
        return
    for name, points in sorted(curves.items()):
        _line(axes, name, [n for n, _ in points], [_miss(overlap) for _, overlap in points])
    axes.set_xscale("log")
    numbers = sorted({n for points in curves.values() for n, _ in points})
    axes.set_xticks(numbers, [f"{n:,}" for n in numbers])
    axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    overlaps = [_miss(overlap) for points in curves.values() for _, overlap in points]
    _miss_ticks(axes.set_yticks, min(overlaps), max(overlaps))
    _grid(axes)


def _n_candidates(mode: str) -> int | None:
    _, found, rest = mode.partition("candidates=")
    return int(rest.split("&")[0].split()[0]) if found else None


def _line(axes: Any, name: tuple[str, str], xs: list[float], ys: list[float]) -> None:
    colour, marker = _LOOK.get(name, _UNKNOWN)
    ours = name[0] == "lexmax"
    axes.plot(
        xs,
        ys,
        color=colour,
        marker=marker,
        markersize=_SIZES.get(marker, 6),
        markeredgecolor="white",
        markeredgewidth=0.5,
        linestyle="-" if ours else "--",
        linewidth=1.7 if ours else 1.1,
        zorder=2 + ours + (name == ("lexmax", "auto")),
        label=" ".join(name).strip(),
    )


def _miss_ticks(set_ticks: Any, low: float, high: float | None = None) -> None:
    ticks = [t for t in _TICKS if _miss(t) >= low - 0.15]
    if high is not None:
        ticks = [t for t in ticks if _miss(t) <= high + 0.3]
    places, names = [_miss(t) for t in ticks], [f"{t:g}"[1:] for t in ticks]
    if high is None or high >= _miss(1.0):
        places, names = [*places, _miss(1.0)], [*names, "1"]
    set_ticks(places, names)


def _grid(axes: Any) -> None:
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)


def _curves(rows: Rows) -> dict[tuple[str, str], Rows]:
    """Points that one knob joins: those of a system whose mode begins with the same name."""
    curves: dict[tuple[str, str], Rows] = {}
    for row in rows:
        group = row["mode"].partition("?")[0] if row["system"] == "lexmax" else ""
        curves.setdefault((row["system"], group), []).append(row)
    return curves


def _legend(figure: Any, grid: Any) -> None:
    """One for all pictures, below them."""
    entries: dict[str, Any] = {}
    for axes in grid.flat:
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, line)
    width, height = figure.get_size_inches()
    columns = max(2, int(width // 2))
    n_lines = -(-len(entries) // columns)
    bottom = (0.3 + 0.22 * n_lines) / height
    figure.tight_layout(rect=(0, bottom, 1, 1))
    figure.legend(entries.values(), entries.keys(), loc="lower center", ncol=columns, frameon=False)


def main() -> None:
    """Read the rows, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("picture", type=Path)
    asked = parser.parse_args()
    draw(json.loads(asked.rows.read_text())["rows"], asked.picture)


if __name__ == "__main__":
    main()
