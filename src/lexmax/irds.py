"""What does ir_datasets (MacAvaney et al. 2021) hold under a name, such as irds:beir/scifact?

The library is not installed with lexmax, and fetches datasets when they are first used.
"""

import importlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lexmax.errors import CorpusError, LexmaxError
from lexmax.types import Document, Json

PREFIX = "irds:"

_TEXT_NAMES = ("text", "body", "abstract", "contents")
# What is longer is no property of a document but another form of it, such as its marked-up page.
_LONGEST_METADATA = 1000


def is_irds(name: Path | str) -> bool:
    """Whether a name asks for ir_datasets."""
    return str(name).startswith(PREFIX)


def opened(name: str) -> Any:
    """The dataset of `irds:NAME`, as the library has it; nothing is fetched yet.

    Raises:
        CorpusError: if ir_datasets is not installed, or knows no such name.
    """
    try:
        library = importlib.import_module("ir_datasets")
    except ImportError as error:
        raise CorpusError(
            f"{name}: needs ir_datasets, which is not installed; expected it, or a folder in "
            "BEIR layout; `pip install lexmax[datasets]`"
        ) from error
    try:
        return library.load(name.removeprefix(PREFIX))
    except Exception as error:
        raise CorpusError(
            f"{name}: ir_datasets cannot open it ({error}); expected a name from "
            "https://ir-datasets.com, such as irds:beir/scifact/test; check the name"
        ) from error


def holds(dataset: Any, part: str) -> bool:
    """Whether a dataset has "docs", "queries" or "qrels"."""
    return bool(getattr(dataset, f"has_{part}")())


@contextmanager
def fetching(name: str) -> Generator[None, None, None]:
    """Tell what goes wrong inside as one error.

    Raises:
        CorpusError: if it cannot be fetched or read.
    """
    try:
        yield
    except LexmaxError:
        raise
    except Exception as error:
        # Downloads, archives and parsers of ir_datasets fail with errors of many libraries.
        raise CorpusError(
            f"{name}: ir_datasets cannot fetch or read it ({error}); expected its files on this "
            "machine, or a network to fetch them from; fetch them elsewhere, or give a folder in "
            "BEIR layout"
        ) from error


def opened_documents(name: str) -> Any:
    """The dataset of `irds:NAME`, which has documents.

    Raises:
        CorpusError: as `opened`, and if it has no documents.
    """
    dataset = opened(name)
    if not holds(dataset, "docs"):
        raise CorpusError(
            f"{name}: ir_datasets has no documents under this name; expected a name that has; "
            "give the corpus as a file"
        )
    return dataset


def records(name: str) -> Iterator[Any]:
    """Its documents as the library gives them, one at a time, in its order.

    Raises:
        CorpusError: as `opened_documents`, and if it cannot be fetched or read.
    """
    dataset = opened_documents(name)
    with fetching(name):
        yield from dataset.docs_iter()


def document(record: Any) -> Document:
    """What one of them holds.

    Text is `text`, `body`, `abstract` or `contents`, else what the library says is the text. Other
    short members, numbers and truth values become metadata.

    Raises:
        DocumentError: if its id, or a text of it, cannot be stored.
    """
    doc_id, title = str(record.doc_id), str(getattr(record, "title", "") or "")
    found = next((name for name in _TEXT_NAMES if getattr(record, name, None)), None)
    if found is None:
        return Document(doc_id, str(record.default_text()), metadata=_metadata(record, ("title",)))
    text = str(getattr(record, found))
    return Document(doc_id, text, title, _metadata(record, ("title", found)))


def _metadata(record: Any, taken: Sequence[str]) -> dict[str, Json]:
    names: Sequence[str] = getattr(record, "_fields", ())
    left = {name: getattr(record, name) for name in names if name not in ("doc_id", *taken)}
    return {name: value for name, value in left.items() if _is_property(value)}


def _is_property(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _LONGEST_METADATA
    return isinstance(value, bool | int | float)
