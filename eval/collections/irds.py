"""What does a dataset of ir_datasets (MacAvaney et al. 2021) hold?

`irds:beir/scifact/test`. The library is not installed with lexmax, and fetches datasets when they
are first used.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lexmax.errors import EvaluationError, LexmaxError
from lexmax.eval.collections.dataset import Dataset, Source, judged_queries
from lexmax.types import Document

PREFIX = "irds:"
_TEXT_NAMES = ("text", "body", "abstract", "contents")


def is_irds(name: Path | str) -> bool:
    """Whether a name asks for ir_datasets."""
    return str(name).startswith(PREFIX)


def load_irds(name: str) -> Dataset:
    """The judged queries of `irds:NAME`; its split is the last part of the name.

    Raises:
        EvaluationError: if ir_datasets is not installed, knows no such name, cannot fetch it, or
            it has no queries or qrels.
    """
    dataset = _opened(name)
    for part in ("queries", "qrels"):
        if not _has(dataset, part):
            raise EvaluationError(
                f"{name}: ir_datasets has no {part} under this name; expected a judged part of "
                "it, such as irds:beir/scifact/test; name one"
            )
    try:
        texts = {str(query.query_id): _query_text(query) for query in dataset.queries_iter()}
        qrels: dict[str, dict[str, int]] = {}
        for judgement in dataset.qrels_iter():
            judged = qrels.setdefault(str(judgement.query_id), {})
            doc_id, relevance = str(judgement.doc_id), int(judgement.relevance)
            judged[doc_id] = max(relevance, judged.get(doc_id, relevance))
    except Exception as error:
        raise _unfetched(name, error) from error
    split = name.rpartition("/")[2].removeprefix(PREFIX)
    source = Source(name.removeprefix(PREFIX), Path(name), split, name, (name,))
    return judged_queries(source, texts, qrels)


def irds_documents(name: str) -> Iterator[Document]:
    """Its documents, one at a time.

    Raises:
        EvaluationError: as `load_irds`.
    """
    dataset = _opened(name)
    if not _has(dataset, "docs"):
        raise EvaluationError(
            f"{name}: ir_datasets has no documents under this name; expected a name that has; "
            "index its corpus from a file"
        )
    try:
        for document in dataset.docs_iter():
            yield _document(document)
    except LexmaxError:
        raise
    except Exception as error:
        raise _unfetched(name, error) from error


def _opened(name: str) -> Any:
    try:
        library = importlib.import_module("ir_datasets")
    except ImportError as error:
        raise EvaluationError(
            f"{name}: needs ir_datasets, which is not installed; expected it, or a folder in "
            "BEIR layout; `pip install ir_datasets`"
        ) from error
    try:
        return library.load(name.removeprefix(PREFIX))
    except Exception as error:
        raise EvaluationError(
            f"{name}: ir_datasets cannot open it ({error}); expected a name from "
            "https://ir-datasets.com, such as irds:beir/scifact/test; check the name"
        ) from error


def _has(dataset: Any, part: str) -> bool:
    return bool(getattr(dataset, f"has_{part}")())


def _query_text(query: Any) -> str:
    if hasattr(query, "default_text"):
        return str(query.default_text()).strip()
    return str(getattr(query, "text", "") or getattr(query, "title", "")).strip()


def _document(document: Any) -> Document:
    title = str(getattr(document, "title", "") or "")
    found = next((name for name in _TEXT_NAMES if getattr(document, name, None)), None)
    if found is not None:
        return Document(str(document.doc_id), str(getattr(document, found)), title)
    return Document(str(document.doc_id), str(document.default_text()))


def _unfetched(name: str, error: Exception) -> EvaluationError:
    # Downloads, archives and parsers of ir_datasets fail with errors of many libraries.
    return EvaluationError(
        f"{name}: ir_datasets cannot fetch or read it ({error}); expected it in its cache, or the "
        "network; fetch it where there is one, or give a folder in BEIR layout"
    )
