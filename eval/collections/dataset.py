"""Which queries are asked of a collection, and which documents should answer them?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lexmax.errors import EvaluationError
from lexmax.eval.qrels import Qrels

_NAMED_IN_WARNING = 5


@dataclass(frozen=True, slots=True)
class Dataset:
    """The judged queries of one split: `queries` and `qrels` have the same query_ids.

    Attributes:
        name: of its folder, or that of ir_datasets.
        path: the folder; for ir_datasets the name as a path.
        queries: text by query_id, in the order of the queries file.
        qrels: relevance by doc_id by query_id, in the same order.
        split: the part of the dataset that was judged, such as "test".
        warnings: what was left out, in sentences.
        corpus: where its documents are: files, or a name of ir_datasets; `read_documents` reads
            them. Empty if the folder holds none.
    """

    name: str
    path: Path
    queries: Mapping[str, str]
    qrels: Qrels
    split: str
    warnings: tuple[str, ...] = ()
    corpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dataset was read from, for its messages.

    Attributes:
        name: of the dataset.
        path: its folder.
        split: which part of it.
        qrels_name: of the file, or files, of judgements.
        corpus: where its documents are.
    """

    name: str
    path: Path
    split: str
    qrels_name: str
    corpus: tuple[str, ...] = ()


def judged_queries(source: Source, texts: Mapping[str, str], qrels: Qrels) -> Dataset:
    """The queries that have a text and a judgement; judged ones without a text are named.

    Raises:
        EvaluationError: if there is none.
    """
    queries = {query_id: text for query_id, text in texts.items() if query_id in qrels and text}
    if not queries:
        raise EvaluationError(
            f"{source.path}: none of the {len(qrels):,} queries judged in {source.qrels_name} has "
            f"a text among the {len(texts):,} queries (judged are such as "
            f"{shown_ids(list(qrels))}; with a text {shown_ids(list(texts))}); expected the same "
            "query_ids in both; check that they belong together"
        )
    without = [query_id for query_id in qrels if query_id not in queries]
    judged = {query_id: qrels[query_id] for query_id in queries}
    warnings = _without_text(source.qrels_name, without, len(qrels))
    return Dataset(source.name, source.path, queries, judged, source.split, warnings, source.corpus)


def named(ids: Sequence[str]) -> str:
    """The first few ids, for a message."""
    return ", ".join(ids[:_NAMED_IN_WARNING]) + (", ..." if len(ids) > _NAMED_IN_WARNING else "")


def shown_ids(ids: Sequence[str]) -> str:
    """Two ids as they stand, so that '7' and '7.0' are told apart."""
    return " and ".join(repr(one) for one in ids[:2]) or "none"


def _without_text(qrels_name: str, query_ids: list[str], n_judged: int) -> tuple[str, ...]:
    if not query_ids:
        return ()
    return (
        f"{len(query_ids):,} of {n_judged:,} queries judged in {qrels_name} have no text and "
        f"are left out: {named(query_ids)}",
    )
