"""Stages after retrieval over documents that lack tokens, a vector or terms, and over none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.collection import Collection
from lexmax.merging import COMPACT
from lexmax.results import SearchResult
from lexmax.types import Document
from lexmax.vectors import Query, Vectors

QUERY = Query(vectors=Vectors({"a": 1.0}, np.eye(4)[:2], np.ones(3)))


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """`none` and `nothing`, which the sparse index finds first, have no tokens and no vector."""
    rows = {
        "none": Vectors({"a": 4.0}, [], np.zeros(3)),
        "low": Vectors({"a": 1.0}, -np.eye(4)[:1], -np.ones(3)),
        "nothing": Vectors({"a": 3.0}, [], np.zeros(3)),
        "high": Vectors({"a": 2.0}, np.eye(4), np.ones(3)),
    }
    with Collection.create(
        tmp_path / "c",
        sparse="impacts",
        multivector="given?dim=4",
        pooled="given-pooled?dim=3",
        merge_in_background=False,
    ) as made:
        made.add([Document(name, "", vectors=vectors) for name, vectors in rows.items()])
        yield made


def search(collection: Collection, **stages: Any) -> SearchResult:
    return collection.search(QUERY, 10, pipeline={"retrieve": [{"signal": "sparse"}], **stages})


def ids(result: SearchResult) -> list[str]:
    return [hit.doc_id for hit in result.hits]


@pytest.mark.parametrize("by", ["maxsim", "pooled"])
def test_documents_that_a_signal_says_nothing_of_go_behind(collection: Collection, by: str) -> None:
    assert ids(search(collection)) == ["none", "nothing", "high", "low"]
    result = search(collection, rerank=[{"by": by}])
    assert ids(result) == ["high", "low", "none", "nothing"]
    scores = [hit.score for hit in result.hits]
    assert np.isfinite(scores).all()
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


def test_of_which_nothing_at_all_is_said_keep_their_order(collection: Collection) -> None:
    collection.delete(["high", "low"])
    result = search(collection, rerank=[{"by": "maxsim"}])
    assert [(hit.doc_id, hit.score) for hit in result.hits] == [("none", 4.0), ("nothing", 3.0)]


@pytest.mark.parametrize("method", ["mmr", "coverage"])
@pytest.mark.parametrize("by", ["maxsim", "pooled"])
def test_reranked_documents_are_diversified(collection: Collection, by: str, method: str) -> None:
    result = search(collection, rerank=[{"by": by}], diversify={"method": method})
    assert sorted(ids(result)) == ["high", "low", "none", "nothing"]
    assert result.hits[0].doc_id == "high"


@pytest.mark.parametrize("method", ["average", "rocchio", "colbert-prf", "rm3"])
@pytest.mark.parametrize("placement", ["before", "after", "both"])
def test_nothing_found_feeds_nothing_back(
    collection: Collection, method: str, placement: str
) -> None:
    collection.delete(["none", "low", "nothing", "high"])
    collection.merge(policy=COMPACT)
    collection.flush()
    stages = {
        "retrieve": [{"signal": one} for one in ("sparse", "multivector", "pooled")],
        "feedback": {"method": method, "placement": placement},
    }
    assert ids(search(collection, **stages)) == []
    with Collection.open(collection.path) as opened:
        assert ids(search(opened, **stages)) == []


def test_two_fusions_of_different_rankings_are_explained(collection: Collection) -> None:
    """Feedback for terms before fusion: the second fusion is of the sparse rankings alone."""
    pipeline = {
        "retrieve": [{"signal": "sparse"}, {"signal": "sparse"}, {"signal": "pooled"}],
        "fuse": {"method": "comb-sum"},
        "feedback": {"method": "rocchio", "signals": ["sparse"], "placement": "before"},
    }
    explained = collection.explain(QUERY, 4, pipeline=pipeline)
    assert ids(explained.result) == ids(collection.search(QUERY, 4, pipeline=pipeline))
    assert [len(one.fusions) for one in explained.documents] == [2] * 4
    for document in explained.documents:
        for fusion in document.fusions:
            assert sum(share.share for share in fusion.shares) == pytest.approx(fusion.score)


@pytest.mark.parametrize("scale", ["min-max", "z-score", "none"])
@pytest.mark.parametrize("method", ["weighted-sum", "comb-sum", "comb-mnz"])
def test_scores_beyond_float32_are_fused(collection: Collection, method: str, scale: str) -> None:
    collection.add(
        [
            Document(name, "", vectors=Vectors({"a": weight}, np.eye(4), np.ones(3)))
            for name, weight in (("huge", 1e30), ("huger", 3e30))
        ]
    )
    asked = Query(vectors=Vectors({"a": 1e20}, np.eye(4)[:1], np.ones(3)))
    pipeline = {
        "retrieve": [{"signal": "sparse"}, {"signal": "multivector"}],
        "fuse": {"method": method, "scale": scale},
        "graph": {"method": "hops"},
        "diversify": {"method": "mmr", "trade_off": 1.0},
    }
    result = collection.search(asked, 10, pipeline=pipeline)
    assert {hit.doc_id for hit in result.hits[:2]} == {"huge", "huger"}
    assert not any(np.isnan(hit.score) for hit in result.hits)
