"""How does an explanation look on the screen?"""

from collections.abc import Callable, Sequence
from textwrap import shorten

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from lexmax.explaining import Explanation
from lexmax.explaining.explanation import (
    DocumentExplanation,
    FeedbackExplanation,
    Fusion,
    MaxSimMatch,
    SparseMatch,
    TermMatch,
    TokenMatch,
)
from lexmax.results import SearchResult
from lexmax.terminal import visible

_MOST_TERMS = 12
_MOST_CHANGES = 12
_MOST_MISSING = 12
_BAR = 16


def print_explanation(explanation: Explanation, console: Console) -> None:
    """The stages, what feedback changed, and then a part a document."""
    full = "#" if console.options.ascii_only else "█"
    console.print(_stages(explanation.result))
    for note in explanation.result.notes:
        console.print(Text(note, style="yellow"))
    if explanation.result.n_filtered:
        console.print(f"{explanation.result.n_filtered} hits were not relevant enough")
    if explanation.feedback is not None:
        console.print(_feedback(explanation.feedback))
    for document in explanation.documents:
        console.print(_document(document, full))
    if not explanation.documents:
        console.print("no document matches")


def _table(*columns: tuple[str, bool], header: bool = True) -> Table:
    """Columns of a name, and whether they hold numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=header, header_style="dim")
    for name, numbers in columns:
        table.add_column(
            name,
            justify="right" if numbers else "left",
            no_wrap=numbers,
            overflow="fold",
        )
    return table


def _stages(result: SearchResult) -> RenderableType:
    table = _table(("stage", False), ("in", True), ("out", True), ("ms", True))
    for stage in result.stages:
        table.add_row(stage.stage, f"{stage.n_in:,}", f"{stage.n_out:,}", f"{stage.ms:.1f}")
    head = Text(shorten(result.query, 200, placeholder=" …"), style="bold")
    head.append(f"   pipeline {result.pipeline}", style="dim")
    return Group(head, _indented(table))


def _feedback(feedback: FeedbackExplanation) -> RenderableType:
    lines: list[RenderableType] = []
    for signal, doc_ids in feedback.doc_ids.items():
        lines.append(Text(f"{signal} learned from {', '.join(doc_ids) or 'no document'}"))
    if feedback.terms:
        shown = (
            f"{one.term} {one.before:.2f} to {one.after:.2f}"
            if one.before
            else f"+{one.term} {one.after:.2f}"
            for one in feedback.terms[:_MOST_CHANGES]
        )
        lines.append(_listed("terms: ", list(shown), len(feedback.terms)))
    if feedback.tokens:
        shown = (
            f"+{one.token} {one.weight:.2f}"
            if one.similarity is None
            else f"{one.token} moved to cosine {one.similarity:.2f}"
            for one in feedback.tokens[:_MOST_CHANGES]
        )
        lines.append(_listed("tokens: ", list(shown), len(feedback.tokens)))
    if feedback.pooled is not None:
        lines.append(Text(f"the pooled vector moved to cosine {feedback.pooled:.2f}"))
    head = Text(f"\nfeedback: {feedback.method}, {feedback.placement}")
    return Group(head, *map(_indented, lines))


def _listed(head: str, shown: Sequence[str], n: int) -> Text:
    more = f", and {n - len(shown)} more" if n > len(shown) else ""
    return Text(f"{head}{', '.join(shown)}{more}")


def _document(document: DocumentExplanation, full: str) -> RenderableType:
    place = "not a hit" if document.rank is None else f"{document.rank}"
    score = "" if document.score is None else f"  score {document.score:.4f}"
    title = Text(f"{place}  {visible(document.doc_id)}{score}", style="bold")
    parts: list[RenderableType] = [Text(), Rule(title, align="left", style="dim")]
    if document.title:
        parts.append(Text(visible(document.title), style="cyan"))
    if (passage := document.passage) is not None:
        said = visible(shorten(passage.text, 160, placeholder=" …"))
        parts.append(Text(f"characters {passage.start} to {passage.end}: {said}", style="dim"))
    if document.lost is not None:
        parts.append(Text(f"lost at {document.lost.stage}: {document.lost.reason}", style="yellow"))
    parts += _decisions(document)
    if document.places:
        parts.append(_indented(_places(document)))
    if document.sparse is not None:
        parts.append(_terms(document.sparse, full))
    if document.multivector is not None:
        parts.append(_tokens(document.multivector, full))
    if document.pooled is not None:
        parts.append(Text(f"\npooled: {document.pooled:.4f}"))
    return Group(*parts)


def _decisions(document: DocumentExplanation) -> list[RenderableType]:
    lines: list[RenderableType] = [
        Text(f"{one.where} filter: {one.condition} ({'met' if one.met else 'not met'})")
        for one in document.conditions
    ]
    if (decision := document.relevance) is not None:
        kept = "kept" if decision.kept else "left out"
        lines.append(
            Text(f"relevance {decision.relevance:.3f}, least {decision.threshold:.3f}: {kept}")
        )
    return lines


def _places(document: DocumentExplanation) -> Table:
    fusions = {fusion.stage: fusion for fusion in document.fusions}
    table = _table(("stage", False), ("rank", True), ("score", True), ("", False))
    for place in document.places:
        of = fusions.get(place.stage)
        shares = "" if of is None else _shares(of)
        table.add_row(place.stage, str(place.rank), f"{place.score:.4f}", Text(shares, "dim"))
    return table


def _shares(fusion: Fusion) -> str:
    parts = (
        f"{share.stage} {share.share:.4f}" + ("" if share.rank else " (missing)")
        for share in fusion.shares
    )
    return f"{fusion.method}: {' + '.join(parts)}"


def _terms(match: SparseMatch, full: str) -> RenderableType:
    having = [term for term in match.terms if term.document_weight > 0]
    missing = [term for term in match.terms if term.document_weight == 0]
    shown, rest = having[:_MOST_TERMS], having[_MOST_TERMS:]
    table = _table(
        ("term", False), ("query", True), ("document", True), ("product", True), ("", False)
    )
    bar = _bars([term.contribution for term in shown], full)
    for term in shown:
        weights = (f"{term.query_weight:.3f}", f"{term.document_weight:.3f}")
        product = f"{term.contribution:.3f}"
        table.add_row(Text(_marked(term)), *weights, product, bar(term.contribution))
    if rest:
        total = sum(term.contribution for term in rest)
        table.add_row(f"{len(rest)} more", "", "", f"{total:.3f}", "")
    lines: list[RenderableType] = [_headed("terms", match, _legend(shown + missing))]
    lines += [_indented(table)] if having else []
    if missing:
        names = [_marked(term) for term in missing[:_MOST_MISSING]]
        lines.append(_indented(_listed("not there: ", names, len(missing))))
    return Group(*lines)


def _marked(term: TermMatch) -> str:
    return f"{'+' * term.from_feedback}{term.term}{'*' * bool(term.expansion)}"


def _legend(terms: Sequence[TermMatch]) -> str:
    parts = ["* not in the text"] if any(term.expansion for term in terms) else []
    parts += ["+ by feedback"] if any(term.from_feedback for term in terms) else []
    return ", ".join(parts)


def _tokens(match: MaxSimMatch, full: str) -> RenderableType:
    table = _table(
        ("query", False), ("document", False), ("at", True), ("similarity", True), ("", False)
    )
    bar = _bars([token.similarity for token in match.tokens], full)
    for token in match.tokens:
        table.add_row(
            Text(_marked_token(token)),
            Text(token.document_token),
            str(token.document_position),
            f"{token.similarity:.3f}",
            bar(token.similarity),
        )
    added = any(token.from_feedback for token in match.tokens)
    return Group(_headed("tokens", match, "+ by feedback" * added), _indented(table))


def _marked_token(token: TokenMatch) -> str:
    return f"{'+' * token.from_feedback}{token.query_token}"


def _headed(name: str, match: SparseMatch | MaxSimMatch, legend: str) -> Text:
    return Text(f"\n{name}, {match.stage}: {match.score:.4f}").append(
        f"   {legend}" if legend else "", style="dim"
    )


def _bars(values: Sequence[float], full: str) -> Callable[[float], Text]:
    """Gives the bar of a value, the longest of these being the greatest."""
    greatest = max(values, default=0.0)

    def bar(value: float) -> Text:
        share = min(max(value / greatest, 0.0), 1.0) if greatest > 0 else 0.0
        return Text(full * round(share * _BAR), style="green")

    return bar


def _indented(content: RenderableType) -> Padding:
    return Padding(content, (0, 0, 0, 2), expand=False)
