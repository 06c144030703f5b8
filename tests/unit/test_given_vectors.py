"""Vectors that come with documents and queries: pending, in segments, merged, rebuilt, refused."""

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import CorruptionError, DocumentError, EncoderError, QueryError, ShapeError
from lexmax.index.layout import Layout
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.verification import verify
from lexmax.indexing import index_corpus
from lexmax.merging import COMPACT
from lexmax.rebuilding import rebuild
from lexmax.results import SearchResult
from lexmax.types import Document
from lexmax.vectors import Query, Vectors

TERMS = ["sail", "wind", "bone", "milk"]


def vectors(seed: int, n_tokens: int = 3) -> Vectors:
    rng = np.random.default_rng(seed)
    weights = {term: float(w) for term, w in zip(TERMS, rng.integers(0, 9, 4), strict=True)}
    tokens = rng.standard_normal((n_tokens, 8)).astype(np.float16).astype(np.float32)
    tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
    pooled = rng.standard_normal(16).astype(np.float32)
    return Vectors(weights, tokens, pooled / np.linalg.norm(pooled))


def document(i: int) -> Document:
    return Document(f"d{i}", f"text {i}", vectors=vectors(i))


def create(path: Path, encoders: Encoders | None = None, **specs: Any) -> Collection:
    given = {"sparse": "impacts", "multivector": "given?dim=8", "pooled": "given-pooled?dim=16"}
    chosen: dict[str, Any] = {**given, **specs}
    return Collection.create(path, **chosen, encoders=encoders, merge_in_background=False)


def scores(result: SearchResult) -> dict[str, float]:
    return {hit.doc_id: hit.score for hit in result.hits}


def expected(documents: list[Document], query: Vectors, part: str) -> Mapping[str, float]:
    """By dot products and MaxSim of what was given."""

    def score(other: Vectors) -> float:
        if part == "sparse":
            of_query: Any = query.sparse
            of_doc: Any = other.sparse
            return float(sum(weight * of_doc.get(term, 0.0) for term, weight in of_query.items()))
        if part == "pooled":
            assert query.pooled is not None
            assert other.pooled is not None
            return float(query.pooled @ other.pooled)
        assert query.tokens is not None
        assert other.tokens is not None
        return float((query.tokens @ other.tokens.T).max(axis=1).sum())

    return {one.doc_id: score(one.vectors) for one in documents if one.vectors is not None}


def check(collection: Collection, documents: list[Document]) -> None:
    asked = Query(vectors=vectors(99))
    pipelines = {"sparse": "sparse", "multivector-exact": "tokens", "pooled": "pooled"}
    for pipeline, part in pipelines.items():
        found = scores(collection.search(asked, len(documents) + 5, pipeline=pipeline))
        assert asked.vectors is not None
        wanted = expected(documents, asked.vectors, part)
        wanted = {name: score for name, score in wanted.items() if part != "sparse" or score > 0}
        assert found.keys() == wanted.keys(), pipeline
        tolerance = {"sparse": 1e-4, "tokens": 0.05, "pooled": 0.02}[part]  # int8 keeps the others
        for name, score in wanted.items():
            assert found[name] == pytest.approx(score, abs=tolerance), (pipeline, name)


def test_given_vectors_are_searched_pending_in_segments_merged_and_after_a_restart(
    tmp_path: Path,
) -> None:
    documents = [document(i) for i in range(20)]
    with create(tmp_path / "c") as collection:
        collection.add(documents[:7])
        check(collection, documents[:7])
        collection.flush()
        check(collection, documents[:7])
        collection.add(documents[7:])
        collection.flush()
        check(collection, documents)
        collection.delete(["d3"])
        collection.merge(policy=COMPACT)
        del documents[3]
        check(collection, documents)
    with Collection.open(tmp_path / "c") as collection:
        check(collection, documents)
    assert not verify(tmp_path / "c").problems


def test_pending_documents_keep_their_vectors_over_a_restart(tmp_path: Path) -> None:
    documents = [document(i) for i in range(5)]
    with create(tmp_path / "c") as collection:
        collection.add(documents)
    with Collection.open(tmp_path / "c") as collection:
        assert collection.n_segments == 0
        check(collection, documents)


def test_a_document_with_other_vectors_replaces_the_one_before(tmp_path: Path) -> None:
    with create(tmp_path / "c") as collection:
        collection.add([document(1)])
        assert collection.add([document(1)]).unchanged == 1
        other = Document("d1", "text 1", vectors=vectors(55))
        assert collection.add([other]).replaced == 1
        check(collection, [other])


def test_what_is_forgotten_is_forgotten_with_its_vectors(tmp_path: Path) -> None:
    with create(tmp_path / "c") as collection:
        collection.add([document(i) for i in range(4)])
        collection.flush()
        collection.delete(["d0", "d1"])
        collection.merge(policy=COMPACT)
    catalog = sqlite3.connect(Layout(tmp_path / "c").catalog)
    assert catalog.execute("SELECT COUNT(*) FROM vectors").fetchone() == (2,)
    catalog.close()


def test_a_damaged_segment_is_built_again_from_the_vectors(tmp_path: Path) -> None:
    documents = [document(i) for i in range(6)]
    with create(tmp_path / "c") as collection:
        collection.add(documents)
        collection.flush()
    segment = next(Layout(tmp_path / "c").folder.glob("segments/*"))
    largest = max(segment.rglob("*.npy"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"?")
    assert rebuild(tmp_path / "c", Silent()).n_docs == 6
    with Collection.open(tmp_path / "c") as collection:
        check(collection, documents)


def test_changed_bytes_of_vectors_are_noticed(tmp_path: Path) -> None:
    with create(tmp_path / "c") as collection:
        collection.add([document(1)])
    catalog = sqlite3.connect(Layout(tmp_path / "c").catalog)
    catalog.execute("UPDATE vectors SET pooled = zeroblob(64)")
    catalog.commit()
    catalog.close()
    assert "serial 1" in "".join(verify(tmp_path / "c").problems)
    with (
        Collection.open(tmp_path / "c") as collection,
        pytest.raises(CorruptionError, match="differ"),
    ):
        collection.search(Query(vectors=vectors(2)), pipeline="pooled")


def test_documents_with_and_without_vectors_share_a_collection(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    encoder = cheap_encoders.multivector("minilm")
    as_encoded = encoder.encode_documents(["wind in the sail"]).row(0)
    given = Vectors(tokens=as_encoded)
    with create(
        tmp_path / "c", cheap_encoders, sparse="bm25", multivector="minilm", pooled=None
    ) as c:
        c.add([Document("text", "wind in the sail"), Document("given", "no", vectors=given)])
        for _ in range(2):
            found = scores(c.search("wind", pipeline="multivector-exact"))
            assert found["text"] == pytest.approx(found["given"], abs=1e-2)
            assert set(scores(c.search("wind", pipeline="bm25"))) == {"text"}
            of_query = Vectors(tokens=encoder.encode_queries(["wind"]).row(0))
            asked = Query(vectors=of_query)
            assert scores(c.search(asked, pipeline="multivector-exact")) == found
            both = c.search_batch(["wind", asked], 2, pipeline="multivector-exact")
            assert both.doc_ids[0] == both.doc_ids[1]
            c.flush()


def test_queries_without_text_say_what_they_lack(tmp_path: Path) -> None:
    with create(tmp_path / "c", sparse="bm25", multivector=None) as collection:
        collection.add([document_of_pooled()])
        with pytest.raises(QueryError, match=r"no text.*vectors for sparse, or a text"):
            collection.search(Query(vectors=Vectors(pooled=np.ones(16))), pipeline="bm25")
        with pytest.raises(QueryError, match="16"):
            collection.search(Query("x", Vectors(pooled=np.ones(4))), pipeline="pooled")
        with pytest.raises(QueryError, match=r"has a text only.*pooled, of 16 dimensions"):
            collection.search("words", pipeline="pooled")
        with pytest.raises(QueryError, match="empty"):
            collection.search(Query())


@pytest.mark.parametrize(
    ("pipeline", "nothing"),
    [
        ("sparse", Vectors({"sail": 0.0})),
        ("multivector", Vectors(tokens=[])),
        ("pooled", Vectors(pooled=np.zeros(16))),
    ],
)
def test_vectors_without_anything_to_search_for(
    tmp_path: Path, pipeline: str, nothing: Vectors
) -> None:
    with create(tmp_path / "c") as collection:
        collection.add([document(0)])
        with pytest.raises(QueryError, match="vectors have nothing to search for"):
            collection.search(Query(vectors=nothing), pipeline=pipeline)


def test_terms_of_arrays_are_told_by_their_type() -> None:
    with pytest.raises(ShapeError, match=r"terms of type int64, .*expected str or int; .*tolist"):
        Vectors({np.int64(7): 1.0})  # type: ignore[dict-item]


def document_of_pooled() -> Document:
    return Document("a", "words", vectors=Vectors(pooled=np.ones(16)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "has no vectors called sparse, tokens, pooled"),
        (Vectors({"a": 1.0}, np.ones((1, 8)), None), "no vectors called pooled"),
        (Vectors({"a": 1.0}, np.ones((1, 9)), np.ones(16)), "tokens has 9 dimensions; expected 8"),
        (Vectors({"a": 1.0}, np.ones((1, 8)), np.ones(15)), "pooled has 15 dimensions"),
        (Vectors({"a": 1.0}, np.full((1, 8), 1e5), np.ones(16)), "float16"),
    ],
)
def test_documents_whose_vectors_do_not_fit_are_refused(
    tmp_path: Path, given: Vectors | None, message: str
) -> None:
    with create(tmp_path / "c") as collection:
        with pytest.raises(DocumentError, match=message):
            collection.add([document(0), Document("bad", "", vectors=given)])
        assert collection.n_docs == 0


@pytest.mark.parametrize(("codec", "greatest"), [("fp16", 65504.0), ("int8", 1e16)])
def test_pooled_vectors_that_the_codec_cannot_hold_are_refused(
    tmp_path: Path, codec: str, greatest: float
) -> None:
    """Else searches and builds would fail ever after: a document is indexed once it is stored."""
    only_pooled = {"sparse": None, "multivector": None, "pooled": "given-pooled?dim=2"}
    with create(tmp_path / "c", **only_pooled, pooled_codec=codec, neighbours=2) as collection:
        least, most = [1.0, 0.0], [greatest, -greatest]
        collection.add([Document("a", "", vectors=Vectors(pooled=least))])
        collection.add([Document("b", "", vectors=Vectors(pooled=most))])
        beyond = Vectors(pooled=[0.0, -1.001 * greatest])
        with pytest.raises(
            DocumentError, match=rf"'c': pooled .*{re.escape(f'{greatest:g}')}.*{codec}"
        ):
            collection.add([Document("c", "", vectors=beyond)])
        for _ in range(2):
            assert list(scores(collection.search(Query(vectors=Vectors(pooled=least))))) == [
                "b",
                "a",
            ]
            collection.flush()


def test_pending_tokens_score_as_those_of_a_segment(tmp_path: Path) -> None:
    for codec in ("int8", "fp16"):
        plan = MultiVectorPlan(codec=codec)
        with create(tmp_path / codec, sparse=None, pooled=None, plan=plan) as collection:
            collection.add(
                [Document(f"d{i}", "", vectors=Vectors(tokens=vectors(i).tokens)) for i in range(9)]
            )
            asked = Query(vectors=Vectors(tokens=vectors(99).tokens))
            pending = scores(collection.search(asked, 9, pipeline="multivector-exact"))
            collection.flush()
            assert scores(collection.search(asked, 9, pipeline="multivector-exact")) == pending


def test_an_index_that_is_not_there_takes_no_vectors(tmp_path: Path) -> None:
    with (
        create(tmp_path / "c", multivector=None, pooled=None) as collection,
        pytest.raises(DocumentError, match="tokens, for which this collection has no index"),
    ):
        collection.add([document(0)])


def test_a_document_of_no_terms_and_no_tokens_is_kept(tmp_path: Path) -> None:
    nothing = Vectors({"sail": 0.0}, [], np.zeros(16))
    with create(tmp_path / "c") as collection:
        collection.add([Document("none", "", vectors=nothing), document(1)])
        collection.flush()
        found = scores(collection.search(Query(vectors=vectors(2)), pipeline="multivector-exact"))
        assert "none" not in found or found["none"] == 0
        assert "none" not in scores(
            collection.search(Query(vectors=Vectors({"sail": 1})), pipeline="sparse")
        )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([1], "of type list"),
        ({"dense": [1]}, "'dense'"),
        ({"sparse": [1]}, "sparse is of type list"),
        ({"sparse": {"indices": [1, 1], "values": [1, 2]}}, "no index twice"),
        ({"sparse": {"indices": [1], "values": [1, 2]}}, "2 values"),
        ({"sparse": {"indices": [-1], "values": [1]}}, "outside 0"),
        ({"sparse": {"a": True}}, "no number"),
        ({"sparse": {"a": "1"}}, "no number"),
        ({"sparse": {"a": -1}}, "negative"),
        ({"sparse": {"a": 1e300}}, "infinite"),
        ({"sparse": {"a": 10**400}}, "infinite"),
        ({"pooled": [10**400]}, "no such array"),
        ({"sparse": {"a": 1, 2: 1}}, "of type int, str, neither"),
        ({"sparse": {"a": 1, "": 1}}, "a term without a name"),
        ({"tokens": [[1, 2], [1]]}, "tokens is no such array"),
        ({"tokens": [1, 2]}, "vectors of one length"),
        ({"tokens": [["a"]]}, "tokens is no such array"),
        ({"pooled": [[1]]}, "a list of numbers"),
        ({"pooled": [float("nan")]}, "NaN"),
        ({"pooled": [1e39]}, "infinite"),
        ({"pooled": [True, False]}, "a list of numbers"),
    ],
)
def test_vectors_that_are_none_are_refused(said: object, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Vectors.of(said)


def test_a_corpus_may_bring_vectors(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(
        '{"_id": "a", "vectors": {"sparse": {"sail": 2, "wind": 1}, "pooled": [1, 0]}}\n'
        '{"_id": "b", "text": "b", "vectors": {"sparse": {"sail": 1}, "pooled": [0, 1]}}\n'
        '{"_id": "c", "text": "c", "vectors": {"sparse": {"sail": 1}, "pooled": [0, "x"]}}\n'
        '{"_id": "d", "text": "without vectors"}\n'
    )
    report = index_corpus(
        tmp_path / "c",
        [str(corpus)],
        choice=IndexChoice(sparse="impacts", multivector=None, pooled="given-pooled?dim=2"),
        watcher=Silent(),
        max_rejects=5,
    )
    assert (report.n_docs, report.rejected) == (2, 2)
    with Collection.open(tmp_path / "c") as collection:
        assert scores(collection.search("sail^3", pipeline="sparse")) == {"a": 6, "b": 3}
        asked = Query(vectors=Vectors({"wind": 1}, pooled=np.array([0, 1])))
        assert scores(collection.search(asked, pipeline="sparse")) == {"a": 1}
        assert collection.search(asked, pipeline="pooled").hits[0].doc_id == "b"


def test_ids_of_terms_are_those_of_the_encoder(tmp_path: Path) -> None:
    with create(tmp_path / "c", multivector=None, pooled=None) as collection:
        collection.add([Document("a", "", vectors=Vectors({7: 2.0, 4_000_000_000: 1.0}))])
        asked = Query(vectors=Vectors({4_000_000_000: 3.0}))
        assert scores(collection.search(asked)) == {"a": 3.0}


def test_given_needs_its_dimensions() -> None:
    for make, spec in ((Encoders().multivector, "given"), (Encoders().dense, "given-pooled")):
        with pytest.raises(EncoderError, match="dim=128"):
            make(spec)
