"""What stands in a report, whatever it is written as?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lexmax.errors import EvaluationError
from lexmax.eval.experiments.results import Results, read_results
from lexmax.eval.files import replace_file
from lexmax.eval.outcomes import write_json
from lexmax.eval.reports.differences import Differences, differences_of
from lexmax.eval.reports.plots import Plot, has_plots, plots_of
from lexmax.eval.reports.tables import (
    Table,
    bytes_table,
    collection_table,
    group_table,
    overall_table,
)
from lexmax.types import Json

_SUFFIXES = (".html", ".md", ".json")


@dataclass(frozen=True, slots=True)
class Section:
    """All about one collection."""

    name: str
    table: Table
    indexes: Table
    plots: tuple[Plot, ...]
    differences: Differences | None
    calibrations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Results as people read them.

    Attributes:
        title: of the experiment.
        facts: what was run where, by name.
        overall: the table over collections; None for one alone.
        groups: a table for each group of sub-collections.
        sections: one a collection.
        systems: what each system is, by name, as YAML-like lines.
        errors: cells without figures, a sentence each.
        notes: what is not in the report, and why.
    """

    title: str
    facts: Mapping[str, str]
    overall: Table | None
    groups: tuple[Table, ...]
    sections: tuple[Section, ...]
    systems: Mapping[str, str]
    errors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def report_of(
    source: Path | str, *, baseline: str | None = None, plots: bool = True, shown: int = 5
) -> Report:
    """The report on results.json in a folder, or on such a file.

    Args:
        source: Where the results are.
        baseline: What the best system is compared with query by query; by default the first.
        plots: Whether to draw, if matplotlib is there.
        shown: Queries won and lost, of each collection.

    Raises:
        EvaluationError: if there are no results, or the baseline is no system.
    """
    path = Path(source)
    results = read_results(path)
    if baseline is not None and baseline not in results.systems:
        raise EvaluationError(
            f"there is no system {baseline!r}; found {', '.join(results.systems)}; name one of them"
        )
    folder = path if path.is_dir() else path.parent
    draws = plots and has_plots()
    sections = tuple(
        _section(results, folder, name, baseline, draws, shown)
        for name in results.collections
        if results.cells(name)
    )
    notes: tuple[str, ...] = (
        ()
        if draws or not plots
        else ("without plots: matplotlib is not installed; `pip install 'lexmax[report]'`",)
    )
    content = results.content
    if not content.get("finished", True):
        notes = (*notes, "not finished: collections or systems of the matrix are missing")
    is_one = len(content["overall"]["collections"]) < 2
    return Report(
        str(content["name"]),
        _facts(content),
        None if is_one else overall_table(results),
        tuple(group_table(results, group) for group in content["groups"]),
        sections,
        {name: _described(system) for name, system in results.systems.items()},
        tuple(results.errors),
        notes,
    )


def write_report(report: Report, path: Path, results: Path | str) -> None:
    """Write it as its name says: .html, .md or .json; whole or not at all.

    Raises:
        EvaluationError: if the name says something else, or the path cannot be written.
        DiskFullError: if there is no room.
    """
    from lexmax.eval.reports.html import html_of
    from lexmax.eval.reports.markdown import markdown_of

    match path.suffix.lower():
        case ".html":
            replace_file(path, [html_of(report).encode()])
        case ".md":
            replace_file(path, [markdown_of(report).encode()])
        case ".json":
            write_json(path, json_of(report, read_results(results)))
        case _:
            raise EvaluationError(
                f"{path}: the name does not say what to write; expected it to end in "
                f"{', '.join(_SUFFIXES)}; rename it"
            )


def json_of(report: Report, results: Results) -> dict[str, Json]:
    """The results, with the queries that are won and lost."""
    differences = [one.differences.as_json() for one in report.sections if one.differences]
    return {**results.content, "differences": differences}


def _section(
    results: Results,
    folder: Path,
    name: str,
    baseline: str | None,
    draws: bool,
    shown: int,
) -> Section:
    return Section(
        name,
        collection_table(results, name),
        bytes_table(results, name),
        tuple(plots_of(results, name)) if draws else (),
        differences_of(results, folder, name, baseline=baseline, shown=shown),
        tuple(_calibrations(results.cells(name))),
    )


def _calibrations(cells: Mapping[str, Any]) -> Sequence[str]:
    """What each calibration says of queries that it has not seen."""
    said: list[str] = []
    for name, cell in cells.items():
        folds: Any = cell["calibration"]["folds"] if cell["calibration"] else ()
        for fold in folds:
            held_out = fold["held_out"]
            said.append(
                f"{name}, calibration {fold['fold'] + 1}: learnt from {fold['learnt_from']:,} "
                f"queries, threshold {fold['threshold']:.3f}; on held-out queries it keeps "
                f"{held_out['recall']:.1%} of the relevant pairs, removes "
                f"{held_out['removed']:.1%} of all, {held_out['precision']:.1%} of what is left "
                f"is relevant, {held_out['empty']:.1%} of the queries get nothing; PR-AUC "
                f"{fold['pr_auc']['scores']:.3f} by scores, "
                f"{fold['pr_auc']['probabilities']:.3f} by probabilities"
            )
    return said


def _facts(content: Mapping[str, Any]) -> dict[str, str]:
    machine, versions = content["machine"], content["versions"]
    return {
        "made": str(content["made"]),
        "lexmax": f"{versions['lexmax']}, commit {content['commit'] or 'unknown'}",
        "machine": f"{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}",
        "packages": ", ".join(
            f"{name} {found}" for name, found in versions.items() if name != "lexmax" and found
        ),
        "asked for": f"{content['k']} documents a query",
        "measures": ", ".join(content["measures"]),
    }


def _described(system: Mapping[str, Any]) -> str:
    """Index and pipeline of a system, in one paragraph."""
    index, pipeline = system["index"], system["pipeline"]
    encoders = ", ".join(
        f"{signal} {index[signal]}"
        for signal in ("sparse", "multivector", "pooled")
        if index[signal]
    )
    stages = [_stage(stage) for stage in pipeline["retrieve"]]
    for name in ("fuse", "feedback", "graph", "relevance", "diversify"):
        if pipeline.get(name) and (name != "fuse" or len(pipeline["retrieve"]) > 1):
            stages.append(f"{name} ({_keys(pipeline[name])})")
    stages += [f"rerank ({_keys(stage)})" for stage in pipeline.get("rerank", [])]
    over: Any = index.get("tokens") or {}
    dim = f"; encodings projected to {over['fde_dim']}" if over.get("fde_dim") else ""
    return f"index: {encoders}{dim}. Pipeline: {' > '.join(stages)}."


def _stage(stage: Mapping[str, Any]) -> str:
    rest = {k: v for k, v in stage.items() if k != "signal" and v is not None}
    return f"{stage['signal']} ({_keys(rest)})" if rest else str(stage["signal"])


def _keys(stage: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in stage.items() if value is not None)
