"""Which documents, or sources of documents, make a collection's searches better or worse?

Judged queries are asked, and what each document of a ranking is of use to its query follows from
the judgements. Importance is learned from some of the queries (`lexmax.importance`), and the rest
decide how much is dropped: weights that are learned from few queries fit those queries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError, InputError
from lexmax.importance import (
    Ascent,
    Cut,
    RankedLists,
    Weights,
    ascended,
    best_cut,
    gradients,
)
from lexmax.importance.ascent import ASCENT
from lexmax.importance.weights import Source, SourceWeight, source_of
from lexmax.types import Document

_LEAST_QUERIES = 2
_BATCH = 64


class Rankings(Protocol):
    """The answers to a batch."""

    @property
    def doc_ids(self) -> Sequence[Sequence[str]]:
        """Of each query, best first."""
        ...


class Searched(Protocol):
    """What can be asked, as a `Collection` can."""

    def search_batch(
        self, queries: Sequence[str], k: int, *, pipeline: str | None = None
    ) -> Rankings:
        """Rankings of many queries."""
        ...

    def get(self, doc_ids: Sequence[str]) -> Sequence[Document | None]:
        """Documents of these ids."""
        ...


class Counting(Protocol):
    """Told how many queries are done, of how many; may stop it."""

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` are done."""
        ...


@dataclass(frozen=True, slots=True)
class Valuation:
    """How a corpus is valued.

    Attributes:
        k: Documents that a search returns; utility is their mean over k.
        depth: Documents of each ranking that are looked at, k or more: what moves up when others
            are dropped.
        held_out: Share of the queries that decide how much is dropped.
        seed: Of who they are.
        ascent: How weights are learned.
    """

    k: int = 10
    depth: int = 100
    held_out: float = 0.3
    seed: int = 0
    ascent: Ascent = ASCENT


VALUATION = Valuation()


@dataclass(frozen=True, slots=True)
class ValueReport:
    """What a corpus is worth, and what of it is not.

    Attributes:
        weights: Of every source that a query found, heaviest first.
        importance: Derivative of the expected utility by each source's probability at its start,
            in the order of the weights.
        cut: Where weights are cut, by the held-out queries.
        n_queries: Judged queries that found something.
        n_held_out: Of these, how many decided about the cut.
        n_empty: Judged queries that found nothing, and so say nothing.
        n_documents: Documents in the rankings.
        utility: Mean expected utility of the other queries before and after learning.
    """

    weights: Weights
    importance: NDArray[np.float64]
    cut: Cut
    n_queries: int
    n_held_out: int
    n_empty: int
    n_documents: int
    utility: tuple[float, float]


def value_corpus(
    collection: Searched,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    *,
    pipeline: str | None = None,
    by: str | None = None,
    rules: Valuation = VALUATION,
    progress: Counting | None = None,
) -> ValueReport:
    """Value the documents of a collection, or the sources that a field of the metadata names.

    A document's utility to a query is its relevance over the greatest of all judgements; what was
    not judged counts 0.

    Args:
        collection: What is asked.
        queries: Text by query_id.
        qrels: Relevance by doc_id by query_id.
        pipeline: How it is asked; None for what the collection does by itself.
        by: Entry of the metadata whose values are sources; None for each document by itself.
        rules: How.
        progress: Told how far it has come.

    Raises:
        EvaluationError: if fewer than two judged queries find something, or nothing is relevant.
        InputError: if k, depth or held_out cannot be, no document has the field, or its values
            are lists or mappings.
        PipelineError: if there is no such pipeline.
    """
    _check(rules)
    judged = _judged(queries, qrels)
    rankings = _asked(collection, judged, queries, pipeline, rules.depth, progress)
    found = {query_id: ids for query_id, ids in rankings.items() if ids}
    if len(found) < _LEAST_QUERIES:
        raise EvaluationError(
            f"{len(found)} of {len(judged)} judged queries find a document; expected "
            f"{_LEAST_QUERIES} or more, because some are to be held out; check that collection "
            "and judgements belong together"
        )
    doc_ids = sorted({doc_id for ids in found.values() for doc_id in ids})
    sources, source_of_id = _sources(collection, doc_ids, by)
    lists = _lists(found, qrels, source_of_id, len(sources))
    return _valued(lists, sources, by, rules, _Counts(len(judged) - len(found), len(doc_ids)))


@dataclass(frozen=True, slots=True)
class _Counts:
    empty: int
    documents: int


def _valued(
    lists: RankedLists, sources: Sequence[Source], by: str | None, rules: Valuation, counts: _Counts
) -> ValueReport:
    learning, held_out = _split(len(lists), rules)
    to_learn = lists.take(learning)
    start = np.full(lists.n_sources, rules.ascent.start)
    importance = gradients(to_learn, start, k=rules.k, epsilon=rules.ascent.epsilon)
    p, reached = ascended(to_learn, k=rules.k, rules=rules.ascent)
    cut = best_cut(p, to_learn.seen, lists.take(held_out), k=rules.k)
    order: NDArray[np.int64] = np.argsort(-p, kind="stable")
    weights = tuple(SourceWeight(sources[int(i)], float(p[i]), bool(cut.keep[i])) for i in order)
    return ValueReport(
        Weights(by, weights),
        importance[order],
        cut,
        len(lists),
        len(held_out),
        counts.empty,
        counts.documents,
        (reached[0], reached[-1]),
    )


def _check(rules: Valuation) -> None:
    if rules.k < 1 or rules.depth < rules.k:
        raise InputError(
            f"k is {rules.k} and depth {rules.depth}; expected k of 1 or more, and depth of k or "
            "more, best several times k, so that something stands behind what is dropped"
        )
    if not 0 < rules.held_out < 1:
        raise InputError(
            f"held_out is {rules.held_out}; expected a share between 0 and 1, such as 0.3"
        )


def _judged(queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]) -> list[str]:
    judged = [query_id for query_id in queries if qrels.get(query_id)]
    if not judged:
        raise EvaluationError(
            f"none of {len(queries):,} queries is judged; expected judgements, from which the "
            "utility of documents follows; check that queries and qrels belong together"
        )
    if not any(grade > 0 for query_id in judged for grade in qrels[query_id].values()):
        raise EvaluationError(
            f"the judgements of {len(judged):,} queries name no relevant document; expected some "
            "above 0, or all documents are worth the same"
        )
    return judged


def _asked(
    collection: Searched,
    judged: Sequence[str],
    queries: Mapping[str, str],
    pipeline: str | None,
    depth: int,
    progress: Counting | None,
) -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for start in range(0, len(judged), _BATCH):
        some = judged[start : start + _BATCH]
        answers = collection.search_batch([queries[q] for q in some], depth, pipeline=pipeline)
        found |= dict(zip(some, answers.doc_ids, strict=True))
        if progress is not None:
            progress(len(found), len(judged))
    return found


def _sources(
    collection: Searched, doc_ids: Sequence[str], by: str | None
) -> tuple[list[Source], Mapping[str, int]]:
    """Every source once, and the number of each document's."""
    if by is None:
        return list(doc_ids), {doc_id: i for i, doc_id in enumerate(doc_ids)}
    numbers: dict[tuple[str, Source], int] = {}
    found: dict[str, int] = {}
    names: set[str] = set()
    for doc_id, document in zip(doc_ids, collection.get(doc_ids), strict=True):
        if document is None:  # Deleted since the search.
            document = Document(doc_id, "")
        names |= set(document.metadata)
        source = _scalar(source_of(document, by), by, doc_id)
        # True is 1 to a dictionary, and another source.
        found[doc_id] = numbers.setdefault((type(source).__name__, source), len(numbers))
    if by not in names:
        known = ", ".join(sorted(names)[:20]) or "none"
        raise InputError(
            f"no document that was found has the entry {by!r} in its metadata; found {known}; "
            "name one of these, or leave it out to value each document"
        )
    return [source for _, source in numbers], found


def _scalar(value: object, by: str, doc_id: str) -> Source:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise InputError(
        f"document {doc_id!r} has a {type(value).__name__} in {by!r}; expected a text, a number or "
        "true or false, which name one source; take another entry of the metadata"
    )


def _lists(
    rankings: Mapping[str, Sequence[str]],
    qrels: Mapping[str, Mapping[str, int]],
    source_of_id: Mapping[str, int],
    n_sources: int,
) -> RankedLists:
    greatest = max(grade for query_id in rankings for grade in qrels[query_id].values())
    rows = [
        (
            [source_of_id[doc_id] for doc_id in ids],
            [max(qrels[query_id].get(doc_id, 0), 0) / max(greatest, 1) for doc_id in ids],
        )
        for query_id, ids in rankings.items()
    ]
    return RankedLists.of(rows, n_sources)


def _split(n: int, rules: Valuation) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Queries to learn from and held-out ones, at least one of each."""
    n_held_out = min(max(round(n * rules.held_out), 1), n - 1)
    order = np.random.default_rng(rules.seed).permutation(n).astype(np.int64)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])
