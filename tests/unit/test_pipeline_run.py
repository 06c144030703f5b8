"""What the stages of a pipeline make of a small collection."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import EncoderError, InputError, PipelineError, QueryError
from lexmax.results import SearchResult
from lexmax.types import Document, Json

WORDS = ["sail", "wind", "wing", "flow", "bone", "milk", "calcium", "dense", "shock", "thrust"]


class Lengths:
    """Scores a text by its number of characters; some texts may break it."""

    spec = "cross-encoder:lengths"
    fingerprint = "lengths"

    def __init__(self, breaks_at: str | None = None) -> None:
        self.breaks_at = breaks_at
        self.n_read = 0

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        self.n_read += len(texts)
        scores = np.array([len(text) for text in texts], dtype=np.float32)
        if self.breaks_at is not None:
            scores[[self.breaks_at in text for text in texts]] = np.nan
        return scores


@pytest.fixture
def documents() -> list[Document]:
    return [
        Document(f"d{i}", " ".join(WORDS[(i * j + j * j) % 10] for j in range(1, 3 + i % 7)))
        for i in range(60)
    ]


@pytest.fixture
def collection(
    tmp_path: Path, cheap_encoders: Encoders, documents: list[Document]
) -> Iterator[Collection]:
    with Collection.create(tmp_path / "ix", encoders=cheap_encoders) as made:
        made.add(documents[:40])
        made.flush()
        made.add(documents[40:])
        yield made


def ids(result: SearchResult) -> list[str]:
    return [hit.doc_id for hit in result.hits]


def asked(collection: Collection, *, k: int = 8, **pipeline: Json) -> SearchResult:
    pipeline.setdefault("preset", "hybrid")
    return collection.search("bone milk wing", k, pipeline=pipeline)


def test_each_stage_reports_what_came_in_and_out(collection: Collection) -> None:
    result = asked(collection, rerank=[{"by": "maxsim", "depth": 20}])
    names = [report.stage for report in result.stages]
    assert names == ["encode", "sparse", "multivector", "fuse", "maxsim"]
    sparse, multivector, fuse, maxsim = result.stages[1:]
    assert fuse.n_in == sparse.n_out + multivector.n_out
    assert maxsim.n_in == fuse.n_out <= fuse.n_in
    assert maxsim.n_out == 20
    assert set(result.timings_ms) == {f"{name}_ms" for name in names}


@pytest.mark.parametrize("placement", ["before", "after", "both"])
@pytest.mark.parametrize("method", ["average", "rocchio"])
def test_feedback_searches_again(collection: Collection, placement: str, method: str) -> None:
    result = asked(collection, feedback={"method": method, "placement": placement, "k": 3})
    names = [report.stage for report in result.stages]
    assert names == ["encode", "sparse", "multivector", "fuse", "feedback", "sparse",
                     "multivector", "fuse"]  # fmt: skip
    assert len(result.hits) == 8


def test_what_is_not_searched_again_keeps_its_ranking(collection: Collection) -> None:
    feedback: Json = {"method": "rocchio", "signals": ["multivector"], "placement": "both"}
    names = [report.stage for report in asked(collection, feedback=feedback).stages]
    assert names[4:] == ["feedback", "multivector", "fuse"]
    alone: Json = {"method": "rocchio", "signals": ["multivector"], "placement": "before"}
    assert [one.stage for one in asked(collection, feedback=alone).stages][4:] == [
        "feedback",
        "multivector",
    ]


def test_feedback_that_changes_nothing_changes_no_ranking(collection: Collection) -> None:
    feedback: Json = {"method": "rocchio", "alpha": 1, "beta": 0}
    assert ids(asked(collection, feedback=feedback)) == ids(asked(collection))


def test_terms_of_what_was_found_find_more(collection: Collection) -> None:
    collection.add([Document("both", "zinc copper"), Document("other", "copper tin")])
    only = collection.search("zinc", 60, pipeline="bm25")
    assert ids(only) == ["both"]
    feedback: Json = {"method": "rm3", "terms": 5, "k": 5}
    more = collection.search("zinc", 60, pipeline={"preset": "bm25", "feedback": feedback})
    assert ids(more) == ["both", "other"]


def test_tokens_of_what_was_found_are_searched_for(collection: Collection) -> None:
    tokens: Json = {"method": "colbert-prf", "k": 3, "clusters": 4, "tokens": 2}
    found = collection.search("calcium", 5, pipeline={"preset": "multivector", "feedback": tokens})
    plain = collection.search("calcium", 5, pipeline="multivector")
    assert len(found.hits) == 5
    assert found.hits[0].score > plain.hits[0].score


@pytest.mark.parametrize("how", ["concatenate", "each", "windows"])
@pytest.mark.parametrize("aggregate", ["borda", "comb-sum", "mean", "max"])
def test_texts_of_what_was_found_are_asked(
    collection: Collection, how: str, aggregate: str
) -> None:
    collection.add([Document("both", "zinc copper"), Document("other", "copper tin")])
    feedback: Json = {
        "method": "text", "how": how, "aggregate": aggregate, "k": 2, "size": 4, "stride": 2
    }  # fmt: skip
    more = collection.search("zinc", 60, pipeline={"preset": "bm25", "feedback": feedback})
    assert ids(more) == ["both", "other"]
    names = [one.stage for one in more.stages]
    assert names == ["encode", "sparse", "feedback", "sparse"]


def test_stored_vectors_of_another_signal_order_again(collection: Collection) -> None:
    by_terms = {hit.doc_id: hit.score for hit in collection.search(
        "bone milk wing", 60, pipeline="sparse").hits}  # fmt: skip
    again = asked(collection, preset="multivector", rerank=[{"by": "sparse", "depth": 60}], k=60)
    for hit in again.hits:
        assert hit.score == pytest.approx(by_terms.get(hit.doc_id, 0.0), rel=1e-5)


@pytest.mark.parametrize("method", ["mmr", "coverage"])
def test_diversified_hits_are_among_the_candidates(collection: Collection, method: str) -> None:
    wide = ids(asked(collection, k=30))
    chosen = asked(collection, diversify={"method": method, "depth": 30}, k=6)
    assert len(set(ids(chosen))) == 6
    assert set(ids(chosen)) <= set(wide)
    if method == "mmr":
        relevant = asked(collection, diversify={"method": "mmr", "trade_off": 1, "depth": 30}, k=6)
        assert ids(relevant) == wide[:6]


@pytest.mark.parametrize("method", ["hops", "pagerank"])
def test_the_graph_adds_what_lies_beside_the_hits(
    tmp_path: Path, cheap_encoders: Encoders, documents: list[Document], method: str
) -> None:
    made = Collection.create(tmp_path / "graph", encoders=cheap_encoders, neighbours=4)
    made.add([*documents, Document("only", "zinc flow sail"), Document("gone", "zinc")])
    made.flush()
    made.delete(["gone"])
    found = ids(made.search("zinc", 10, pipeline="bm25"))
    graph: Json = {"method": method}
    more = ids(made.search("zinc", 10, pipeline={"preset": "bm25", "graph": graph}))
    assert found == ["only"]
    assert more[0] == "only"
    assert len(more) > 1
    assert "gone" not in more
    plain = {"preset": "bm25", "graph": graph}
    without = Collection.create(tmp_path / "plain", encoders=cheap_encoders)
    without.add([Document("only", "zinc flow sail")])
    assert ids(without.search("zinc", 10, pipeline=plain)) == ["only"]


def test_hits_are_left_out_before_those_asked_for(collection: Collection) -> None:
    whole = ids(collection.search("bone milk wing", 20))
    part = collection.search("bone milk wing", 5, offset=7)
    assert ids(part) == whole[7:12]
    assert [hit.rank for hit in part.hits] == [1, 2, 3, 4, 5]
    assert collection.search("bone milk wing", 5, offset=1000).hits == ()


def test_no_time_leaves_out_what_can_be_left_out(collection: Collection) -> None:
    result = collection.search(
        "bone milk wing",
        5,
        pipeline={
            "preset": "hybrid",
            "feedback": {"method": "average"},
            "rerank": [{"by": "maxsim"}],
            "diversify": {"method": "mmr"},
        },
        timeout_ms=1e-6,
    )
    assert result.partial
    assert ids(result) == ids(collection.search("bone milk wing", 5, pipeline="sparse"))
    assert len(result.notes) == 4
    assert all("the time was up" in note for note in result.notes)


def _with_scorer(tmp_path: Path, cheap: Encoders, scorer: Lengths) -> Collection:
    class WithPairs(Encoders):
        def pairs(self, spec: str) -> Lengths:
            if spec != scorer.spec:
                raise EncoderError(f"found no scorer {spec}; expected {scorer.spec}")
            return scorer

    registry = WithPairs()
    registry.__dict__.update(cheap.__dict__)
    return Collection.create(tmp_path / "pairs", encoders=registry)


def test_pairs_are_read_again_and_remembered(
    tmp_path: Path, cheap_encoders: Encoders, documents: list[Document]
) -> None:
    scorer = Lengths()
    made = _with_scorer(tmp_path, cheap_encoders, scorer)
    made.add(documents)
    rerank: Json = [{"by": "pairs", "scorer": scorer.spec, "depth": 12}]
    result = asked(made, rerank=rerank)
    lengths = [len(hit.text) for hit in result.hits]
    assert lengths == sorted(lengths, reverse=True)
    read = scorer.n_read
    assert ids(asked(made, rerank=rerank)) == ids(result)
    assert scorer.n_read == read
    with pytest.raises(EncoderError, match="found no scorer"):
        asked(made, rerank=[{"by": "pairs", "scorer": "yes-no:absent"}])


def test_a_scorer_that_breaks_leaves_the_ranking_as_it_was(
    tmp_path: Path, cheap_encoders: Encoders, documents: list[Document]
) -> None:
    made = _with_scorer(tmp_path, cheap_encoders, Lengths(breaks_at="milk"))
    made.add(documents)
    result = asked(made, rerank=[{"by": "pairs", "scorer": Lengths.spec, "depth": 12}])
    assert ids(result) == ids(asked(made))
    assert "NaN" in result.notes[0]
    assert not result.partial


def test_a_batch_with_filters_gives_what_single_queries_get(collection: Collection) -> None:
    collection.declare_fields({"kind": "keyword"})
    collection.add(
        [Document(f"n{i}", " ".join(WORDS[i:]), metadata={"kind": "ab"[i % 2]}) for i in range(10)]
    )
    queries = ["bone milk", "wing shock", "calcium", "the", "sail wind bone"]
    filters: list[str | None] = ["kind = a", None, "kind = b", "kind = a", "kind = none"]
    batch = collection.search_batch(queries, 7, filter=filters)
    for i, query in enumerate(queries):
        try:
            single = ids(collection.search(query, 7, filter=filters[i]))
        except QueryError:
            single = []
        assert batch.doc_ids[i] == single
    assert batch.doc_ids[4] == []
    with pytest.raises(InputError, match="found 1 filters for 5 queries"):
        collection.search_batch(queries, 7, filter=["kind = a"])


def test_a_stage_may_have_a_filter_of_its_own(collection: Collection) -> None:
    collection.declare_fields({"year": "integer"})
    collection.add([Document("old", "bone milk wing", metadata={"year": 1990})])
    collection.add([Document("new", "bone milk wing", metadata={"year": 2020})])
    stages: Json = [
        {"signal": "sparse", "filter": "year < 2000"},
        {"signal": "multivector", "filter": {"must": [{"field": "year", "range": {"gte": 2000}}]}},
    ]
    found = collection.search("bone milk wing", 10, pipeline={"retrieve": stages})
    assert set(ids(found)) == {"old", "new"}


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ({"preset": "multivector", "rerank": [{"by": "pooled"}]}, "needs a pooled index"),
        ({"retrieve": [{"signal": "sparse", "encoder": "splade"}]}, "is for the encoder splade"),
    ],
)
def test_what_a_collection_cannot_run_is_refused(
    collection: Collection, pipeline: dict[str, Json], message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        collection.search("bone", pipeline=pipeline)


def test_feedback_for_terms_needs_bm25(tmp_path: Path, cheap_encoders: Encoders) -> None:
    made = Collection.create(tmp_path / "x", sparse=None, encoders=cheap_encoders)
    made.add([Document("1", "bone")])
    with pytest.raises(PipelineError, match="feedback is for sparse"):
        made.search("bone", pipeline={"preset": "multivector", "feedback": {"method": "rm3"}})
