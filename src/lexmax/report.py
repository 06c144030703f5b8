"""How does a result look on the screen, and as JSON?"""

from dataclasses import asdict
from pathlib import Path
from textwrap import shorten

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexmax.forecast import Forecast
from lexmax.index.verification import VerifyReport
from lexmax.indexing import IndexReport
from lexmax.merging import Extent, MergeReport
from lexmax.rebuilding import RebuildReport
from lexmax.results import SearchResult
from lexmax.terminal import visible
from lexmax.types import Json

_SNIPPET_CHARS = 160


def result_json(result: SearchResult) -> dict[str, Json]:
    """The result as HTTP clients get it too."""
    return {
        "query": result.query,
        "pipeline": result.pipeline,
        "generation": result.generation,
        "timings_ms": dict(result.timings_ms),
        "stages": [
            {"stage": one.stage, "n_in": one.n_in, "n_out": one.n_out, "ms": one.ms}
            for one in result.stages
        ],
        "n_filtered": result.n_filtered,
        "partial": result.partial,
        "notes": list(result.notes),
        "hits": [
            {
                "rank": hit.rank,
                "doc_id": hit.doc_id,
                "score": hit.score,
                "title": hit.title,
                "text": hit.text,
                "metadata": hit.metadata,
                "scores": dict(hit.scores),
                "relevance": hit.relevance,
                "passage": None if hit.passage is None else asdict(hit.passage),
            }
            for hit in result.hits
        ],
    }


def print_result(result: SearchResult, console: Console) -> None:
    """A row a document: rank, score, id, and how its text, or its best passage, begins."""
    for note in result.notes:
        console.print(Text(note, style="yellow"))
    if result.n_filtered:
        console.print(f"{result.n_filtered} hits were not relevant enough")
    if not result.hits:
        console.print("no document matches")
        return
    table = Table(box=None, padding=(0, 1))
    measured = result.hits[0].relevance is not None
    for name in ("rank", "score", *(["relevance"] if measured else [])):
        table.add_column(name, justify="right")
    table.add_column("doc_id", style="bold", overflow="fold")
    table.add_column("document", overflow="fold")
    for hit in result.hits:
        shown = Text(visible(hit.title), style="cyan")
        shown.append(" " * bool(hit.title))
        snippet = hit.text if hit.passage is None else hit.passage.text
        snippet = visible(shorten(snippet, _SNIPPET_CHARS, placeholder=" …"))
        shown.append(snippet, style="default")
        relevance = [] if hit.relevance is None else [f"{hit.relevance:.2f}"]
        table.add_row(
            str(hit.rank), f"{hit.score:.4f}", *relevance, Text(visible(hit.doc_id)), shown
        )
    console.print(table)
    spent = ", ".join(f"{name} {ms:.1f}" for name, ms in result.timings_ms.items())
    console.print(Text(f"{result.pipeline}: {spent}", style="dim"))


def print_index_report(report: IndexReport, path: Path, console: Console) -> None:
    """What was stored, what was left out, and how large the collection is."""
    stored = report.stored
    if report.already_read:
        console.print(f"went on after {report.already_read:,} documents of an interrupted job")
    counts = f"{stored.added:,} documents added, {stored.replaced:,} replaced (the last wins)"
    console.print(f"{counts}, {stored.unchanged:,} unchanged", markup=False, highlight=False)
    if report.rejected:
        aside = path / "rejects.jsonl"
        console.print(
            f"{report.rejected:,} entries rejected, see {aside}", markup=False, highlight=False
        )
    if report.pruned:
        console.print(f"{report.pruned:,} documents passed over, which the weights do not keep")
    console.print(
        f"{path}: {report.n_docs:,} documents in {_counted(report.n_segments, 'segment')}, "
        f"{report.seconds:,.1f} s",
        markup=False,
        highlight=False,
    )


def print_merge_report(report: MergeReport, path: Path, console: Console) -> None:
    """What the collection's segments were before, and are now."""
    for when, extent in (("before", report.before), ("now", report.after)):
        console.print(
            f"{path}: {when} {_counted(extent.n_segments, 'segment')}, {extent.n_docs:,} "
            f"documents in them{_split(extent)}, {extent.n_bytes / 1e6:,.1f} MB",
            markup=False,
            highlight=False,
        )
    verdict = _counted(report.n_merges, "merge") if report.n_merges else "nothing to merge"
    console.print(
        f"{verdict}; {report.n_dropped:,} deleted documents dropped, {report.seconds:,.1f} s",
        markup=False,
        highlight=False,
    )


def print_rebuild_report(report: RebuildReport, path: Path, console: Console) -> None:
    """Which segments were built anew."""
    for segment_id in report.rebuilt:
        console.print(
            f"segment {segment_id} was damaged and is built anew", markup=False, highlight=False
        )
    verdict = (
        f"{_counted(len(report.rebuilt), 'segment')} built anew" if report.rebuilt else "no damage"
    )
    console.print(
        f"{path}: {_counted(report.n_segments, 'segment')}, {verdict}; "
        f"{report.n_docs:,} documents encoded, {report.seconds:,.1f} s",
        markup=False,
        highlight=False,
    )


def print_forecast(predicted: Forecast, path: Path, console: Console) -> None:
    """How long a job will take and how large its collection will be."""
    table = Table(box=None, padding=(0, 1))
    table.add_column("part")
    table.add_column("MB", justify="right")
    for name, size in predicted.parts.items():
        table.add_row(name, f"{size / 1e6:,.1f}")
    console.print(table)
    minutes = (predicted.encode_seconds + predicted.build_seconds) / 60
    console.print(
        f"{path}: {predicted.n_docs:,} documents of {predicted.tokens:,.0f} tokens would take "
        f"about {minutes:,.1f} minutes (encoding {predicted.encode_seconds / 60:,.1f}, building "
        f"{predicted.build_seconds / 60:,.1f}) and {predicted.n_bytes / 1e6:,.1f} MB; measured on "
        f"{_counted(predicted.n_sampled, 'document')}, nothing was written",
        markup=False,
        highlight=False,
    )


def print_verify_report(report: VerifyReport, path: Path, console: Console) -> None:
    """Every problem, then one line of counts."""
    for problem in report.problems:
        console.print(Text(problem, style="red"))
    for recall in report.recalls:
        console.print(recall, markup=False, highlight=False)
    verdict = _counted(len(report.problems), "problem") if report.problems else "no problem"
    rows = "" if report.n_passages is None else f", {report.n_passages:,} passages in segments"
    console.print(
        f"{path}: {verdict}; {report.n_docs:,} documents ({report.n_pending:,} pending){rows}, "
        f"{report.n_files:,} files, {report.n_bytes / 1e6:,.1f} MB read",
        markup=False,
        highlight=False,
    )


def _split(extent: Extent) -> str:
    """How many passages the documents are split into, if they are."""
    return f" ({extent.n_rows:,} passages)" if extent.n_rows != extent.n_docs else ""


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
