"""Searches of split documents are those of their passages, grouped by hand."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.index.snapshot import Snapshot
from lexmax.passages import PassagePlan
from lexmax.types import Document

SENTENCES = ["Sail on.", "Milk and bone.", "A wing in flow.", "Bone.", "Air is dense air.", "Wing."]
TEXTS = st.lists(st.sampled_from(SENTENCES), max_size=8).map(" ".join)
QUERIES = ["bone wing", "dense air on wing", "sail", "nothing of these"]
SIGNALS = ["sparse", "multivector-exact", "pooled"]
Scored = dict[int, list[float]]


@contextmanager
def filled(
    texts: list[str], gone: set[int], n_pending: int, encoders: Encoders
) -> Iterator[Collection]:
    """Two segments, pending documents, and some that were deleted or replaced."""
    with tempfile.TemporaryDirectory() as folder:
        collection = Collection.create(
            Path(folder, "c"),
            passages=PassagePlan(8, 4),
            pooled="minilm-pooled",
            encoders=encoders,
            merge_in_background=False,
        )
        documents = [Document(f"d{i}", text, "T") for i, text in enumerate(texts)]
        cut = (len(texts) - n_pending) // 2
        for some in (documents[:cut], documents[cut : len(texts) - n_pending]):
            collection.add(some)
            collection.flush()
        collection.add(documents[len(texts) - n_pending :])
        collection.delete([f"d{i}" for i in gone])
        try:
            yield collection
        finally:
            collection.abandon()


def by_document(snapshot: Snapshot, scores: np.ndarray, least: float) -> Scored:
    """Scores of the living passages of each document above a score, by serial."""
    found: Scored = {}
    for part in snapshot.parts:
        for i, serial in enumerate(part.segment.serials.tolist()):
            score = float(scores[part.base + i])
            if (part.alive is None or part.alive[i]) and score > least:
                found.setdefault(serial, []).append(score)
    return found


def ranked(collection: Collection, by_serial: dict[int, float]) -> list[tuple[str, float]]:
    """Best first, ties by the document that was stored first."""
    order = sorted(by_serial, key=lambda serial: (-by_serial[serial], serial))
    ids = collection._catalog.doc_ids(np.array(order, np.int64))
    return [(doc_id, by_serial[serial]) for doc_id, serial in zip(ids, order, strict=True)]


def all_scores(collection: Collection, name: str, query: str) -> tuple[Snapshot, Scored]:
    """What every living passage scores, each by itself."""
    snapshot, encoders = collection.snapshot(), collection.encoders
    ordinals = np.arange(snapshot.n_docs)
    if name == "sparse":
        assert encoders.sparse is not None
        terms = encoders.sparse.encode_queries([query], snapshot).row(0)
        return snapshot, by_document(snapshot, snapshot.score_sparse(terms, ordinals), 0.0)
    if name == "pooled":
        assert encoders.pooled is not None
        vector = encoders.pooled.encode_queries([query])[0]
        return snapshot, by_document(snapshot, snapshot.score_pooled(vector, ordinals), -np.inf)
    assert encoders.multivector is not None
    tokens = encoders.multivector.encode_queries([query]).row(0)
    return snapshot, by_document(snapshot, snapshot.maxsim(tokens, ordinals), -np.inf)


def n_passages(snapshot: Snapshot, serial: int) -> int:
    return sum(int((part.segment.serials == serial).sum()) for part in snapshot.parts)


corpora: Any = st.lists(TEXTS, min_size=1, max_size=14)
slowly: Any = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@slowly
@given(
    texts=corpora,
    gone=st.sets(st.integers(0, 13), max_size=4),
    n_pending=st.integers(0, 3),
    k=st.integers(1, 15),
)
def test_the_best_passages_are_found_however_deep_they_lie(
    cheap_encoders: Encoders, texts: list[str], gone: set[int], n_pending: int, k: int
) -> None:
    with filled(texts, gone, min(n_pending, len(texts)), cheap_encoders) as collection:
        for name, query in product(SIGNALS, QUERIES):
            _, scored = all_scores(collection, name, query)
            best = {serial: max(scores) for serial, scores in scored.items()}
            result = collection.search(query, k, pipeline=name)
            found = [(hit.doc_id, hit.score) for hit in result.hits]
            assert found == ranked(collection, best)[:k]
            batch = collection.search_batch(QUERIES, k, pipeline=name)
            assert batch.doc_ids[QUERIES.index(query)] == [doc_id for doc_id, _ in found]


@slowly
@given(texts=corpora, gone=st.sets(st.integers(0, 13), max_size=4), n=st.integers(1, 5))
def test_means_of_the_best_passages_by_hand(
    cheap_encoders: Encoders, texts: list[str], gone: set[int], n: int
) -> None:
    with filled(texts, gone, 1, cheap_encoders) as collection:
        for name, query in product(SIGNALS, QUERIES):
            snapshot, scored = all_scores(collection, name, query)
            last = min((min(scores) for scores in scored.values()), default=0.0)
            means: dict[int, float] = {}
            for serial, scores in scored.items():
                n_counted = min(n, n_passages(snapshot, serial))
                counted = sorted(scores, reverse=True)[:n_counted]
                counted += [last] * (n_counted - len(counted))
                means[serial] = float(np.float32(sum(counted) / n_counted))
            # As many documents as there are: every passage is found.
            pipeline = {"preset": name, "documents": {"by": "top", "n": n}}
            result = collection.search(query, len(texts), pipeline=pipeline)
            by_hand = ranked(collection, means)
            # Sums in another order may differ in the last bit.
            assert [hit.score for hit in result.hits] == pytest.approx([one[1] for one in by_hand])
            assert {hit.doc_id: hit.score for hit in result.hits} == pytest.approx(dict(by_hand))


@slowly
@given(texts=corpora, gone=st.sets(st.integers(0, 13), max_size=4), k=st.integers(1, 6))
def test_every_stage_leaves_as_many_documents_as_are_asked_for(
    cheap_encoders: Encoders, texts: list[str], gone: set[int], k: int
) -> None:
    """However few passages a stage reads, none is lost to passages of one document."""
    stages: list[dict[str, Any]] = [
        {"rerank": [{"by": "maxsim", "depth": 1}]},
        {"rerank": [{"by": "pooled", "depth": 2}, {"by": "maxsim", "depth": 1}]},
        {"feedback": {"method": "rocchio", "k": 2}},
        {"diversify": {"method": "mmr", "depth": 3}},
    ]
    with filled(texts, gone, 1, cheap_encoders) as collection:
        n_living = len(texts) - len({i for i in gone if i < len(texts)})
        # Texts are never empty: all have the title.
        for more in stages:
            pipeline = {"retrieve": [{"signal": "multivector", "engine": "exact"}], **more}
            result = collection.search("bone wing t", k, pipeline=pipeline)
            ids = [hit.doc_id for hit in result.hits]
            assert len(ids) == len(set(ids)) == min(k, n_living), more
            batch = collection.search_batch(["sail", "bone wing t"], k, pipeline=pipeline)
            assert batch.doc_ids[1] == ids
            assert all(
                hit.passage is not None
                and hit.text[hit.passage.start : hit.passage.end] == hit.passage.text
                for hit in result.hits
            )
