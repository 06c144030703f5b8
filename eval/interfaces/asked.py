"""What does a toolkit ask, and in which form does it want the answers?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ClientError, EvaluationError
from lexmax.eval.runs import descending
from lexmax.results import MAX_QUERY_CHARS, Ranking, SearchResult
from lexmax.stages import Pipeline
from lexmax.types import Document, ranges

if TYPE_CHECKING:
    from lexmax.client import Client

Scores: TypeAlias = dict[str, dict[str, float]]
"""By query_id, then by doc_id; the order of the documents is theirs, scores strictly descend."""

Asked: TypeAlias = str | Pipeline | Mapping[str, Any] | None

_BATCH = 32
_LOOKED_UP = 1024
# What a service says, among other things, of a query in which there is nothing to search for.
_INVALID = "query_invalid"


class Searched(Protocol):
    """What answers: a `Collection`, or the collection of a service."""

    @property
    def n_docs(self) -> int:
        """Documents that it holds."""
        ...

    def add(self, documents: Iterable[Document]) -> object:
        """Stores documents; those that are there as they are stay."""
        ...

    def get(self, doc_ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids; None where there is none."""
        ...

    def search_batch(
        self,
        queries: Sequence[str],
        k: int,
        *,
        pipeline: Asked = None,
        doc_ids: Iterable[str] | None = None,
    ) -> Ranking:
        """The k best of all documents, or of these alone, for each query."""
        ...


@dataclass(frozen=True, slots=True)
class ServedCollection:
    """A collection of a service, asked as one that lies in a folder is.

    Attributes:
        client: Asks the service.
        name: Of the collection.
    """

    client: "Client"
    name: str

    @property
    def n_docs(self) -> int:
        """Documents that it holds."""
        return self.client.describe(self.name).n_docs

    def add(self, documents: Iterable[Document]) -> object:
        """Stores documents; those that are there as they are stay."""
        return self.client.add(self.name, documents)

    def get(self, doc_ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids; None where there is none."""
        return [self.client.get(self.name, doc_id) for doc_id in doc_ids]

    def search_batch(
        self,
        queries: Sequence[str],
        k: int,
        *,
        pipeline: Asked = None,
        doc_ids: Iterable[str] | None = None,
    ) -> Ranking:
        """The k best documents of each query.

        Raises:
            EvaluationError: if `doc_ids` is not None, which no service can be asked.
        """
        if doc_ids is not None:
            raise EvaluationError(
                f"collection {self.name!r} of a service is asked to rank given documents; expected "
                "a collection in a folder; open it with lexmax.Collection"
            )
        results = [self._search(query, k, _said(pipeline)) for query in queries]
        failures = [one for one in results if isinstance(one, ClientError)]
        # What is wrong with every query is wrong with the pipeline or k.
        if failures and len(failures) == len(results):
            raise failures[0]
        hits = [() if isinstance(one, ClientError) else one.hits for one in results]
        return Ranking(
            [[hit.doc_id for hit in found] for found in hits],
            [np.array([hit.score for hit in found], np.float32) for found in hits],
            {},
        )

    def _search(
        self, query: str, k: int, pipeline: str | Mapping[str, Any] | None
    ) -> SearchResult | ClientError:
        """Its failure, where there is nothing to search for: a collection has no hits for that."""
        try:
            return self.client.search(self.name, query, k, pipeline=pipeline)
        except ClientError as error:
            if error.code == _INVALID and len(query) <= MAX_QUERY_CHARS:
                return error
            raise


def _said(pipeline: Asked) -> str | Mapping[str, Any] | None:
    """A pipeline as a service takes it."""
    if isinstance(pipeline, Pipeline):
        return pipeline.model_dump(mode="json", exclude_none=True)
    return pipeline


def answers(
    searched: Searched, queries: Mapping[str, str], k: int, *, pipeline: Asked = None
) -> Scores:
    """The k best documents of each query; an entry for every query, in their order."""
    query_ids, texts = list(queries), list(queries.values())
    found: Scores = {}
    for start, stop in ranges(len(texts), _BATCH):
        ranking = searched.search_batch(texts[start:stop], k, pipeline=pipeline)
        for query_id, doc_ids, scores in zip(
            query_ids[start:stop], ranking.doc_ids, ranking.scores, strict=True
        ):
            found[query_id] = _scored(doc_ids, scores)
    return found


def reranked(
    searched: Searched,
    queries: Mapping[str, str],
    candidates: Mapping[str, Sequence[str]],
    *,
    pipeline: Asked = None,
) -> Scores:
    """The candidates of each query in the order that the pipeline gives them, all of them.

    Those that the pipeline does not find, as BM25 does none without a word of the query, follow
    in the order given. A query that `candidates` does not name has none.
    """
    return {
        query_id: _reranked(searched, text, candidates.get(query_id, ()), pipeline)
        for query_id, text in queries.items()
    }


def _reranked(
    searched: Searched, text: str, candidates: Sequence[str], pipeline: Asked
) -> dict[str, float]:
    given = list(dict.fromkeys(candidates))
    if not given:
        return {}
    ranking = searched.search_batch([text], len(given), pipeline=pipeline, doc_ids=given)
    found, scores = ranking.doc_ids[0], ranking.scores[0]
    lost = [doc_id for doc_id in given if doc_id not in set(found)]
    least = min(0.0, *scores.tolist()) if len(scores) else 0.0
    return _scored([*found, *lost], np.append(scores, np.full(len(lost), least, np.float32)))


def _scored(doc_ids: Sequence[str], scores: NDArray[np.float32]) -> dict[str, float]:
    """Strictly descending: toolkits hand scores to trec_eval, which orders equal ones by id."""
    return dict(zip(doc_ids, descending(np.asarray(scores, np.float32)).tolist(), strict=True))


def fill(searched: Searched, documents: Iterable[Document]) -> None:
    """Makes the documents all that is searched.

    Raises:
        EvaluationError: if there are others, which would be found too.
    """
    doc_ids = set[str]()

    def counted() -> Iterable[Document]:
        for document in documents:
            doc_ids.add(document.doc_id)
            yield document

    searched.add(counted())
    require_alone(searched.n_docs, len(doc_ids))


def require_alone(n_docs: int, n_corpus: int) -> None:
    """Refuses a collection with more documents than the corpus.

    Raises:
        EvaluationError: if it has.
    """
    if n_docs != n_corpus:
        raise EvaluationError(
            f"the collection holds {n_docs:,} documents and the corpus {n_corpus:,}; expected no "
            "others, because they would be found too; use another collection"
        )


def document_texts(searched: Searched, doc_ids: Sequence[str]) -> list[str]:
    """Title and text of each document; empty where it is no longer there."""
    found: list[str] = []
    for start, stop in ranges(len(doc_ids), _LOOKED_UP):
        documents = searched.get(doc_ids[start:stop])
        found += ["" if document is None else document.full_text for document in documents]
    return found
