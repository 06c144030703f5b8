"""Which documents does a test collection hold, and do its qrels name others?"""

from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Any

from lexmax.corpus import Reject, read_documents
from lexmax.errors import DocumentError, EvaluationError
from lexmax.eval.collections.dataset import named
from lexmax.eval.collections.irds import irds_documents, is_irds
from lexmax.eval.files import as_id
from lexmax.eval.parquet import is_parquet, numbered_rows
from lexmax.eval.qrels import Qrels
from lexmax.types import Document


def read_corpus(
    sources: Sequence[str], *, on_reject: Callable[[Reject], None]
) -> Iterator[Document]:
    """Documents of `Dataset.corpus`, one at a time: text files, Parquet, ir_datasets.

    What gives no document is passed to `on_reject`.

    Raises:
        CorpusError, EvaluationError: if a source cannot be read.
    """
    for source in sources:
        if is_irds(source):
            yield from irds_documents(source)
        elif is_parquet(Path(source)):
            yield from _from_parquet(Path(source), on_reject)
        else:
            yield from read_documents([source], on_reject=on_reject)


def _from_parquet(path: Path, on_reject: Callable[[Reject], None]) -> Iterator[Document]:
    for number, row in numbered_rows(path, ("_id", "text"), ("title",)):
        try:
            yield _document(row["_id"], row["text"], row.get("title"))
        except DocumentError as error:
            on_reject(Reject(str(path), number, str(error), repr(row)[:200]))


def _document(doc_id: Any, text: Any, title: Any) -> Document:
    name = as_id(doc_id)
    if name is None:
        raise DocumentError(f"_id is {doc_id!r}; expected a text or a whole number, not empty")
    return Document(name, text or "", title or "")


def unknown_documents(qrels: Qrels, known: Container[str]) -> tuple[str, ...]:
    """A warning that counts and names judged documents that are not `known`; else nothing.

    A relevant document that is not there can never be found, and lowers every figure.

    Raises:
        EvaluationError: if no judged document is known: the qrels are of another corpus.
    """
    unknown: dict[str, int] = {}
    n_judged = n_relevant = 0
    for judged in qrels.values():
        for doc_id, relevance in judged.items():
            n_judged += 1
            if doc_id not in known:
                unknown[doc_id] = max(relevance, unknown.get(doc_id, relevance))
                n_relevant += relevance > 0
    if not unknown:
        return ()
    if not any(doc_id in known for judged in qrels.values() for doc_id in judged):
        raise EvaluationError(
            f"none of the {len(unknown):,} judged documents ({named(list(unknown))}) is in the "
            "collection; expected qrels that judge its documents; check that they belong together"
        )
    return (
        f"{len(unknown):,} judged documents are not in the collection ({named(list(unknown))}); "
        f"{n_relevant:,} of {n_judged:,} judgements are of relevant ones that cannot be found",
    )
