"""How does latency depend on recall? Run in the bench environment (matplotlib).

python plot.py ROWS.json PICTURE.svg|.png

One picture a profile and k: recall to the right, median CPU milliseconds upwards on a logarithmic
scale. Recall is drawn as -log10(1 - recall), so that .99 and .999 stay apart; everything of
recall 1 stands at the right edge.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

# By system and group of modes; colour, marker.
_LOOK = {
    ("lexmax", "exact"): ("#c1121f", "*"),
    ("lexmax", "query-mass"): ("#c1121f", "o"),
    ("lexmax", "blocks"): ("#f3722c", "h"),
    ("lexmax", "auto"): ("#5f0f40", "X"),
    ("seismic", ""): ("#1d6fa5", "s"),
    ("bmp", ""): ("#6a4c93", "^"),
    ("lucene", "core"): ("#2a7f3f", "d"),
    ("lucene", "pyserini"): ("#7cb518", "D"),
    ("csc", "heap"): ("#8a6d3b", "v"),
    ("csc", "partition"): ("#b08968", "<"),
    ("qdrant", "exact"): ("#00a6a6", "P"),
    ("scipy", "exact"): ("#6b6b6b", ">"),
}
_UNKNOWN = ("#000000", ".")
_SIZES = {"*": 13, "h": 8, "X": 9}
_TICKS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_LEAST_MISS = 3e-4


def _x(recall: float) -> float:
    return -math.log10(max(1.0 - recall, _LEAST_MISS))


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """A grid: a row of pictures a collection, a column a k."""
    places = sorted({(r["profile"], r["docs"]) for r in rows}, key=lambda p: (p[0] != "hard", p[1]))
    ks = sorted({r["k"] for r in rows})
    size = (5.2 * len(ks), 4.1 * len(places) + 0.7)
    figure, grid = plt.subplots(len(places), len(ks), figsize=size, squeeze=False)
    for axes_row, (profile, docs) in zip(grid, places, strict=True):
        for axes, k in zip(axes_row, ks, strict=True):
            here = [r for r in rows if (r["profile"], r["docs"], r["k"]) == (profile, docs, k)]
            _picture(axes, here)
            axes.set_title(f"{profile}, {docs:,} documents, k = {k}", fontsize=11)
    for axes in grid[-1]:
        axes.set_xlabel("recall of the exact first k")
    for axes_row in grid:
        axes_row[0].set_ylabel("CPU ms a query (p50, one thread)")
    _legend(figure, grid)
    figure.savefig(path, dpi=110)


def _picture(axes: Any, rows: list[dict[str, Any]]) -> None:
    if not rows:
        axes.set_axis_off()
        return
    for (system, group), points in sorted(_curves(rows).items()):
        colour, marker = _LOOK.get((system, group), _UNKNOWN)
        xs, ys = [_x(r["recall"]) for r in points], [r["cpu_p50_ms"] for r in points]
        ours = system == "lexmax"
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
            zorder=3 if ours else 2,
            label=f"{system} {group}".strip(),
        )
    axes.set_yscale("log")
    low = min(_x(r["recall"]) for r in rows)
    ticks = [t for t in _TICKS if _x(t) >= low - 0.15] or [0.999]
    axes.set_xticks([*map(_x, ticks), _x(1.0)], [*(f"{t:g}"[1:] for t in ticks), "1"])
    axes.set_xlim(min(low, _x(ticks[0])) - 0.08, _x(1.0) + 0.12)
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)
    axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axes.set_axisbelow(True)


def _curves(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Points that one knob joins: those of a system whose mode begins with the same name."""
    curves: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda r: (r["recall"], r["cpu_p50_ms"])):
        name = row["mode"].partition("?")[0]
        group = "" if "=" in name else name
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
