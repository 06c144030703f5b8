"""Which vectors, queries and judgements does a folder give to study?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lexmax.corpus import Reject, read_documents
from lexmax.errors import EvaluationError
from lexmax.eval.collections.dataset import Dataset
from lexmax.eval.collections.documents import unknown_documents
from lexmax.eval.compression.scan import SingleVectors, TokenVectors
from lexmax.eval.compression.states import (
    States,
    StudyEncoders,
    encoded_documents,
    encoded_queries,
)
from lexmax.eval.compression.training_queries import (
    TrainingQueries,
    from_documents,
    from_queries,
    given_texts,
)
from lexmax.eval.datasets import load_dataset
from lexmax.eval.qrels import Qrels
from lexmax.sample_queries import read_sample_queries
from lexmax.types import Document, Json, TokenBatch

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Material:
    """Vectors of a collection, and what its queries should find.

    Attributes:
        name: of the collection.
        doc_ids: of the documents, in the order of their vectors.
        query_ids: of the queries, in the order of theirs.
        token_queries: rows of those that token vectors and encodings are measured with.
        qrels: relevance by doc_id by query_id.
        documents: their vectors.
        queries: vectors of the queries that are measured.
        training: vectors of other queries.
        about: what all this is, as plain values.
        warnings: what the figures do not cover, in sentences.

    Raises:
        EvaluationError: if there are no documents or no queries.
    """

    name: str
    doc_ids: Sequence[str]
    query_ids: Sequence[str]
    token_queries: Sequence[int]
    qrels: Qrels
    documents: States
    queries: States
    training: States
    about: Mapping[str, Json] = field(default_factory=dict[str, Json])
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.doc_ids or not self.query_ids:
            raise EvaluationError(
                f"{self.name}: found {len(self.doc_ids)} documents and {len(self.query_ids)} "
                "queries; expected one of each or more; check the folder"
            )

    @property
    def pooled(self) -> SingleVectors | None:
        """Pooled vectors, if all of the sides have them."""
        sides = self.documents.pooled, self.queries.pooled, self.training.pooled
        documents, queries, training = sides
        if documents is None or queries is None or training is None:
            return None
        return SingleVectors(documents, queries, training)

    @property
    def tokens(self) -> TokenVectors | None:
        """Token vectors, if all of the sides have them."""
        sides = self.documents.tokens, self.queries.tokens, self.training.tokens
        documents, queries, training = sides
        if documents is None or queries is None or training is None:
            return None
        some = TokenBatch.from_rows([queries.row(i) for i in self.token_queries], queries.dim)
        return TokenVectors(documents, some, training)

    @property
    def token_query_ids(self) -> list[str]:
        """Of the queries in `tokens`."""
        return [self.query_ids[i] for i in self.token_queries]


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a folder is studied.

    Attributes:
        dataset: the folder, in a layout that `load_dataset` reads.
        cache: where vectors of documents are kept.
        split: whose queries are measured.
        most_queries: of them, evenly spread; 0 for all.
        most_token_queries: of these, for token vectors, which take much longer; 0 for all.
        train: the split whose other queries codecs may learn from; None for sentences of
            documents.
        training_queries: a file of queries to learn from instead.
        seed: of what is drawn.

    Raises:
        EvaluationError: if both ways to name training queries are used.
    """

    dataset: Path
    cache: Path
    split: str = "test"
    most_queries: int = 0
    most_token_queries: int = 0
    train: str | None = None
    training_queries: Path | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if self.train is not None and self.training_queries is not None:
            raise EvaluationError(
                f"found the split {self.train!r} and the file {self.training_queries} to learn "
                "from; expected one of the two; leave the other out"
            )


def gather(
    choice: Choice,
    encoders: StudyEncoders,
    *,
    progress: Progress = lambda stage, done, total: None,
) -> Material:
    """All that a study of a folder needs.

    Raises:
        EvaluationError: if the folder holds no corpus, or its judgements are of another one.
        CorpusError: if a file cannot be read.
        StorageError: if the cache cannot be written, or is damaged.
    """
    dataset = load_dataset(choice.dataset, split=choice.split)
    documents, warnings = _documents(dataset)
    asked = list(dataset.queries)
    chosen = [asked[i] for i in _spread(len(asked), choice.most_queries)]
    measured = {query_id: dataset.queries[query_id] for query_id in chosen}
    training = _training(choice, dataset, measured, documents)
    states = encoded_documents(documents, encoders, cache=choice.cache, progress=progress)
    doc_ids = [document.doc_id for document in documents]
    return Material(
        dataset.name,
        doc_ids,
        list(measured),
        _spread(len(measured), choice.most_token_queries),
        {query_id: dataset.qrels[query_id] for query_id in measured},
        states,
        encoded_queries(list(measured.values()), encoders),
        encoded_queries(training.texts, encoders),
        {
            "split": choice.split,
            "documents": len(doc_ids),
            "queries": len(measured),
            "judged_queries": len(dataset.queries),
            "encoders": encoders.specs,
            "learnt_from": training.about,
            "seed": choice.seed,
        },
        (*dataset.warnings, *warnings, *unknown_documents(dataset.qrels, set(doc_ids))),
    )


def _documents(dataset: Dataset) -> tuple[list[Document], tuple[str, ...]]:
    """Of a doc_id that stands twice the last, as in a collection; and what was left out."""
    rejects: list[Reject] = []
    read = list(read_documents(dataset.corpus, on_reject=rejects.append))
    documents = list({document.doc_id: document for document in read}.values())
    if not documents:
        raise EvaluationError(
            f"{dataset.path}: holds no documents; expected a corpus beside the queries; add it"
        )
    warnings: list[str] = []
    if rejects:
        warnings.append(f"{len(rejects):,} lines of the corpus give no document")
    if len(read) > len(documents):
        warnings.append(f"{len(read) - len(documents):,} documents have an id that comes again")
    return documents, tuple(warnings)


def _spread(n: int, most: int) -> list[int]:
    """At most so many of 0 to n - 1, evenly spread; all of them where `most` is 0."""
    if not most or n <= most:
        return list(range(n))
    places: list[int] = np.linspace(0, n - 1, most).round().astype(int).tolist()
    return places


def _training(
    choice: Choice, dataset: Dataset, measured: Mapping[str, str], documents: Sequence[Document]
) -> TrainingQueries:
    if choice.training_queries is not None:
        texts = read_sample_queries(choice.training_queries)
        about = f"queries of {choice.training_queries.name}"
        return given_texts(texts, measured, about=about, seed=choice.seed)
    if choice.train is None:
        return from_documents(documents, seed=choice.seed)
    found = dataset
    if choice.train != choice.split:
        found = load_dataset(choice.dataset, split=choice.train)
    about = f"other queries of the split {choice.train}"
    training = from_queries(found.queries, measured, about=about, seed=choice.seed)
    if not training.texts:
        raise EvaluationError(
            f"{choice.dataset}: every query of the split {choice.train!r} is measured; expected "
            "others to learn from; measure fewer with --queries, or leave --train out"
        )
    return training
