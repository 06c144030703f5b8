"""What do the figures of limit.py look like? `limit_plot.py A.json B.json --out limit.svg`."""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt  # after the choice of what draws
from matplotlib.axes import Axes

_GREY = "#777777"
# A scale that people who see few colours can tell apart, light to dark by coordinates.
_SCALE = ("#c6dbef", "#9ecae1", "#6baed6", "#3182bd", "#08519c")
_OTHERS = {"mean of token vectors": "#e6550d", "MaxSim over centroids": "#31a354"}
_KEPT = "#756bb1"


def main() -> None:
    """Draw the files, one under the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    every = [json.loads(path.read_bytes()) for path in given.files]
    mpl.rcParams.update({"svg.hashsalt": "limit", "font.size": 9, "svg.fonttype": "path"})
    figure, axes = plt.subplots(len(every), 2, figsize=(9.5, 3.4 * len(every)), squeeze=False)
    for (left, right), found in zip(axes, every, strict=True):
        _recall(left, found)
        _candidates(right, found)
    # The names of all curves once, below: a kept encoding has another size in each collection.
    lines, names = axes[0][1].get_legend_handles_labels()
    figure.legend(lines, names, loc="lower center", ncol=4, frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.5 / (3.4 * len(every)), 1, 1))
    figure.savefig(given.out, metadata={"Date": None}, facecolor="white")


def _title(found: dict[str, Any]) -> str:
    return f"{found['dataset']}, {found['docs']:,} documents"


def _recall(axes: Axes, found: dict[str, Any]) -> None:
    """Recall at 2 of encodings by their size, between what single vectors and MaxSim reach."""
    sized = [row for row in found["rows"] if row["coordinates"] and row["name"].startswith("FDE")]
    plain = [row for row in sized if "kept" not in row["name"]]
    axes.plot(
        [row["coordinates"] for row in plain],
        [row["recall"]["2"] for row in plain],
        "o-",
        color=_SCALE[-1],
    )
    last = plain[len(plain) // 2]
    axes.annotate(
        "FDE alone",
        (last["coordinates"], last["recall"]["2"]),
        xytext=(0, 8),
        textcoords="offset points",
        ha="right",
        color=_SCALE[-1],
    )
    levels = [row for row in found["rows"] if row not in sized]
    # Names stand at the right of their lines, moved apart where lines are close.
    heights: list[float] = []
    for row in sorted(levels, key=lambda row: row["recall"]["2"]):
        value = row["recall"]["2"]
        axes.axhline(value, color=_GREY, linewidth=0.8, linestyle=":")
        height = max([value, *(h + 0.055 for h in heights)])
        heights.append(height)
        axes.annotate(
            f"{row['name']} {value:.2f}",
            (1.02, height),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks([row["coordinates"] for row in plain], [f"{r['coordinates']:,}" for r in plain])
    axes.tick_params(axis="x", which="minor", bottom=False)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("coordinates of an encoding")
    axes.set_ylabel("R@2")
    axes.set_title(_title(found))


def _candidates(axes: Axes, found: dict[str, Any]) -> None:
    """Share of the exact two best among the first so many candidates."""
    plain = iter(_SCALE)
    for row in found["rows"]:
        if not row["curve"]:
            continue
        name = row["name"]
        colour = _OTHERS.get(name) or (_KEPT if "kept" in name else next(plain))
        numbers = [int(n) for n in row["curve"]]
        label = "FDE as the collection keeps it" if "kept" in name else name
        style = "-" if name.startswith("FDE") else "--"
        axes.plot(numbers, list(row["curve"].values()), style, color=colour, label=label)
    axes.set_xscale("log")
    every = (2, 5, 10, 20, 40) if found["docs"] < 100 else (2, 10, 100, 1000, 5000, 50_000)
    ticks = [n for n in every if n <= found["docs"]]
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlim(2, found["docs"])
    axes.set_ylim(-0.02, 1.02)
    axes.axhline(0.95, color=_GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel("candidates")
    axes.set_ylabel("share of the exact two best")
    axes.set_title(_title(found))


if __name__ == "__main__":
    main()
