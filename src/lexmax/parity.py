"""Does another engine rank the same documents in the same order, with the same scores?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lexmax.building import Watcher
from lexmax.collection import Collection
from lexmax.errors import InputError
from lexmax.exporting import weights_of

_BATCH_QUERIES = 32
# Products of float weights are added up in another order and width there.
_FLOAT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How many queries were answered alike; the differences, by query_id, in a sentence each.

    `exact` says that all weights were whole: then documents, their order and scores are equal to
    the last bit. Otherwise scores are equal rank by rank but for rounding of floats.
    """

    n_queries: int
    exact: bool
    differences: Mapping[str, str]


def compare(
    collection: Collection,
    queries: Mapping[str, str],
    *,
    k: int,
    watcher: Watcher,
    pipelines: tuple[str, str] = ("sparse", "lucene"),
) -> ParityReport:
    """Answer queries by two pipelines and compare the rankings, ties included.

    Raises:
        InputError: if the collection's weights are not whole, which Lucene would round.
        PipelineError: if the collection cannot run one of the pipelines.
        KeyboardInterrupt: if the watcher stopped it.
    """
    _require_whole(collection)
    differences: dict[str, str] = {}
    exact, named = True, list(queries.items())
    for start in range(0, len(named), _BATCH_QUERIES):
        batch = named[start : start + _BATCH_QUERIES]
        texts = [text for _, text in batch]
        whole = _are_whole(collection, texts)
        exact = exact and whole
        ours, theirs = (
            collection.search_batch(texts, k, pipeline=pipeline) for pipeline in pipelines
        )
        for i, (query_id, _) in enumerate(batch):
            found = _difference(
                (ours.doc_ids[i], ours.scores[i]), (theirs.doc_ids[i], theirs.scores[i]), whole
            )
            if found is not None:
                differences[query_id] = found
        watcher.advance("compare", min(start + _BATCH_QUERIES, len(named)), len(named))
        if watcher.stopped():
            raise KeyboardInterrupt
    return ParityReport(len(named), exact, differences)


_Row = tuple[list[str], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]


def _difference(ours: _Row, theirs: _Row, whole: bool) -> str | None:
    (doc_ids, scores), (their_ids, their_scores) = ours, theirs
    if len(doc_ids) != len(their_ids):
        return f"{len(doc_ids)} documents, there {len(their_ids)}"
    tolerance = 0.0 if whole else _FLOAT_TOLERANCE
    unequal = np.abs(scores - their_scores) > tolerance * np.abs(scores)
    if whole:
        unequal |= np.array([a != b for a, b in zip(doc_ids, their_ids, strict=True)], dtype=bool)
    if not unequal.any():
        return None
    i = int(np.argmax(unequal))
    return (
        f"rank {i + 1} is {doc_ids[i]} with {scores[i]}, there {their_ids[i]} with "
        f"{their_scores[i]}"
    )


def _require_whole(collection: Collection) -> None:
    for _, batch in weights_of(collection.snapshot()):
        if not np.all(batch.weights == np.rint(batch.weights)):
            raise InputError(
                f"{collection.path}: found weights that are not whole; expected impacts, which "
                "Lucene keeps as they are; make such a collection by `lexmax export --format "
                "ciff` and `lexmax import`"
            )


def _are_whole(collection: Collection, texts: list[str]) -> bool:
    if (encoder := collection.encoders.sparse) is None:
        return True
    weights = encoder.encode_queries(texts, collection.snapshot()).weights
    return bool(np.all(weights == np.rint(weights)))
