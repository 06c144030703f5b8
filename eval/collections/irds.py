"""Which queries and judgements does a dataset of ir_datasets hold, such as irds:beir/scifact/test?

Its documents, and what the library is, are `lexmax.irds`.
"""

from pathlib import Path
from typing import Any

from lexmax.errors import CorpusError, EvaluationError
from lexmax.eval.collections.dataset import Dataset, Source, judged_queries
from lexmax.irds import PREFIX, fetching, holds, opened


def load_irds(name: str) -> Dataset:
    """The judged queries of `irds:NAME`; its split is the last part of the name.

    Raises:
        EvaluationError: if ir_datasets is not installed, knows no such name, cannot fetch it, or
            it has no queries or qrels.
    """
    try:
        texts, qrels, corpus = _read(name)
    except CorpusError as error:
        raise EvaluationError(str(error)) from error
    split = name.rpartition("/")[2].removeprefix(PREFIX)
    source = Source(name.removeprefix(PREFIX), Path(name), split, name, corpus)
    return judged_queries(source, texts, qrels)


def _read(name: str) -> tuple[dict[str, str], dict[str, dict[str, int]], tuple[str, ...]]:
    """Queries, judgements, and the corpus where it has one."""
    dataset = opened(name)
    for part in ("queries", "qrels"):
        if not holds(dataset, part):
            raise EvaluationError(
                f"{name}: ir_datasets has no {part} under this name; expected a judged part of "
                "it, such as irds:beir/scifact/test; name one"
            )
    qrels: dict[str, dict[str, int]] = {}
    with fetching(name):
        texts = {str(query.query_id): _query_text(query) for query in dataset.queries_iter()}
        for judgement in dataset.qrels_iter():
            judged = qrels.setdefault(str(judgement.query_id), {})
            doc_id, relevance = str(judgement.doc_id), int(judgement.relevance)
            judged[doc_id] = max(relevance, judged.get(doc_id, relevance))
    return texts, qrels, (name,) if holds(dataset, "docs") else ()


def _query_text(query: Any) -> str:
    if hasattr(query, "default_text"):
        return str(query.default_text()).strip()
    return str(getattr(query, "text", "") or getattr(query, "title", "")).strip()
