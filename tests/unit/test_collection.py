import threading
from pathlib import Path

import numpy as np
import pytest

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import (
    CollectionExistsError,
    CorruptionError,
    DocumentError,
    EncoderError,
    InputError,
    LockedError,
    NotACollectionError,
    PipelineError,
    QueryError,
    StorageError,
)
from lexmax.types import Document

TEXTS = {
    "bones": "vitamin D keeps bones dense",
    "flight": "wings of an aircraft in supersonic flow",
    "milk": "milk holds calcium and vitamin D",
    "empty": "",
}


def documents() -> list[Document]:
    return [Document(doc_id, text) for doc_id, text in TEXTS.items()]


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Collection:
    made = Collection.create(tmp_path / "ix", encoders=cheap_encoders)
    made.add(documents())
    return made


def found(
    collection: Collection, query: str, pipeline: str | None = None, k: int = 10
) -> list[str]:
    return [hit.doc_id for hit in collection.search(query, k, pipeline=pipeline).hits]


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("pipeline", ["bm25", "multivector", "multivector-exact", "hybrid"])
def test_documents_are_found_pending_and_in_a_segment(
    collection: Collection, pipeline: str, flushed: bool
) -> None:
    if flushed:
        assert collection.flush() == 1
    result = collection.search("dense bones", 2, pipeline=pipeline)

    assert result.hits[0].doc_id == "bones"
    assert result.hits[0].rank == 1
    assert result.hits[0].text == TEXTS["bones"]
    assert result.pipeline == pipeline
    assert all(ms >= 0 for ms in result.timings_ms.values())


def test_pending_and_built_documents_get_the_same_scores(collection: Collection) -> None:
    before = collection.search("vitamin D for bones", 4, pipeline="multivector-exact")
    collection.flush()
    after = collection.search("vitamin D for bones", 4, pipeline="multivector-exact")

    assert [(h.doc_id, h.score) for h in before.hits] == [(h.doc_id, h.score) for h in after.hits]


def test_hybrid_tells_what_each_stage_gave(collection: Collection) -> None:
    hit = collection.search("calcium milk", 1, pipeline="hybrid").hits[0]

    assert hit.doc_id == "milk"
    assert set(hit.scores) == {"sparse", "multivector", "fuse"}
    assert hit.score == hit.scores["fuse"]


def test_a_new_version_replaces_the_old_in_every_index(collection: Collection) -> None:
    collection.flush()
    count = collection.add([Document("bones", "sails of a ship")])

    assert (count.added, count.replaced) == (0, 1)
    assert "bones" not in found(collection, "vitamin dense", "bm25")
    assert found(collection, "ship sails", "bm25") == ["bones"]
    collection.flush()
    assert found(collection, "ship sails", "multivector")[0] == "bones"
    assert collection.describe()["n_docs"] == 4


@pytest.mark.parametrize("flushed", [False, True])
def test_a_deleted_document_is_not_found_again(collection: Collection, flushed: bool) -> None:
    if flushed:
        collection.flush()
    assert collection.delete(["bones", "nothing"]) == 1

    for pipeline in ("bm25", "multivector", "multivector-exact", "hybrid"):
        assert "bones" not in found(collection, "vitamin bones", pipeline)
    assert collection.get(["bones", "milk"]) == [None, Document("milk", TEXTS["milk"])]


def test_single_answers_equal_those_of_a_batch(collection: Collection) -> None:
    collection.flush()
    collection.add([Document("late", "vitamin C and bones")])
    queries = ["vitamin bones", "supersonic wings", "!?"]

    for pipeline in ("bm25", "multivector", "hybrid"):
        ranking = collection.search_batch(queries, 3, pipeline=pipeline)
        for i, query in enumerate(queries[:2]):
            assert ranking.doc_ids[i] == found(collection, query, pipeline, k=3)
    assert collection.search_batch(["!?"], 3, pipeline="bm25").doc_ids == [[]]


def test_a_collection_opens_again_with_what_was_stored(
    collection: Collection, cheap_encoders: Encoders
) -> None:
    collection.flush()
    collection.add([Document("late", "vitamin C and bones")])
    before = found(collection, "vitamin bones", "hybrid")
    collection.close()

    with Collection.open(collection.path, encoders=cheap_encoders) as again:
        assert again.describe()["n_pending"] == 1
        assert found(again, "vitamin bones", "hybrid") == before


def test_two_segments_rank_like_one(tmp_path: Path, cheap_encoders: Encoders) -> None:
    rng = np.random.default_rng(3)
    words = np.array(["sail", "ship", "bone", "milk", "wing", "flow", "dense", "air"])
    texts = [Document(str(i), " ".join(rng.choice(words, 6))) for i in range(60)]
    one = Collection.create(tmp_path / "one", encoders=cheap_encoders)
    two = Collection.create(tmp_path / "two", encoders=cheap_encoders)
    one.add(texts)
    one.flush()
    for half in (texts[:25], texts[25:]):
        two.add(half)
        two.flush()

    for query in ("sail bone", "milk", "dense air flow"):
        left = one.search_batch([query], 60, pipeline="multivector-exact")
        right = two.search_batch([query], 60, pipeline="multivector-exact")
        assert left.doc_ids == right.doc_ids
        assert np.array_equal(left.scores[0], right.scores[0])


def test_k_may_exceed_the_collection(collection: Collection) -> None:
    collection.flush()
    assert len(found(collection, "vitamin", "multivector", k=10_000)) == 3
    assert found(collection, "vitamin", "bm25", k=10_000) == ["bones", "milk"]


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        ("vitamin", 0, "k is 0; expected 1 or more"),
        ("vitamin", -3, "k is -3; expected 1 or more"),
        ("  ", 10, "query is empty"),
        ("word " * 10_000, 10, "50,000 characters; expected at most 8,192"),
        ("\ud800", 10, "not valid text"),
    ],
)
def test_queries_that_cannot_be_answered_are_refused(
    collection: Collection, query: str, k: int, message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        collection.search(query, k)


@pytest.mark.parametrize("query", ["the of and", "!?,."])
def test_a_query_without_a_term_is_refused_by_bm25(collection: Collection, query: str) -> None:
    with pytest.raises(QueryError, match="no term to search for"):
        collection.search(query, pipeline="bm25")


def test_unknown_and_unfit_pipelines_are_refused(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "ix", multivector=None)
    collection.add([Document("1", "text")])

    with pytest.raises(PipelineError, match="no pipeline 'bm52'; expected one of"):
        collection.search("text", pipeline="bm52")
    with pytest.raises(PipelineError, match="needs a multivector index"):
        collection.search("text", pipeline="hybrid")
    assert found(collection, "text") == ["1"]


def test_paths_that_hold_no_collection_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")

    for path, message in (
        (tmp_path / "nowhere", "found nothing"),
        (file, "found a file"),
        (tmp_path, "without catalog.sqlite"),
    ):
        with pytest.raises(NotACollectionError, match=message):
            Collection.open(path)
    with pytest.raises(CollectionExistsError):
        Collection.create(tmp_path, multivector=None)
    with pytest.raises(CollectionExistsError):
        Collection.create(file, multivector=None)


def test_a_collection_needs_an_encoder_that_exists(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one or more"):
        Collection.create(tmp_path / "a", sparse=None, multivector=None)
    with pytest.raises(EncoderError):
        Collection.create(tmp_path / "b", sparse="bm52", multivector=None)
    assert not (tmp_path / "b").exists()


def test_an_empty_collection_answers_with_nothing(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with Collection.create(tmp_path / "ix", encoders=cheap_encoders) as collection:
        assert collection.flush() == 0
        for pipeline in ("bm25", "multivector", "hybrid"):
            assert found(collection, "vitamin", pipeline) == []


def test_the_second_writer_is_told_and_readers_go_on(
    collection: Collection, cheap_encoders: Encoders
) -> None:
    with Collection.open(collection.path, encoders=cheap_encoders) as other:
        with pytest.raises(LockedError):
            other.add([Document("x", "y")])
        assert found(other, "bones", "bm25") == ["bones"]


def test_a_reader_sees_what_another_writes(
    collection: Collection, cheap_encoders: Encoders
) -> None:
    with Collection.open(collection.path, encoders=cheap_encoders) as reader:
        assert found(reader, "ship", "bm25") == []
        collection.add([Document("ship", "a ship")])
        assert found(reader, "ship", "bm25") == ["ship"]
        collection.flush()
        assert found(reader, "ship", "bm25") == ["ship"]


def test_searches_go_on_while_documents_are_written(collection: Collection) -> None:
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                assert found(collection, "dense bones", "hybrid")[0] == "bones"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(20):
        collection.add([Document(f"n{i}", f"paper number {i}")])
        if i % 7 == 0:
            collection.flush()
        collection.delete([f"n{i - 1}"])
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_damage_is_found_when_a_collection_opens_or_is_verified(collection: Collection) -> None:
    collection.flush()
    collection.close()
    (segment,) = (collection.path / "segments").iterdir()
    assert collection.verify().problems == ()

    for path in sorted(segment.iterdir()):
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
        problems = collection.verify().problems
        assert len(problems) >= 1
        assert path.name in problems[0]
        with pytest.raises(CorruptionError, match=path.name):
            Collection.open(collection.path)
        path.write_bytes(content)
    assert collection.verify().problems == ()


def test_folders_that_no_catalog_names_are_swept_by_the_next_writer(
    collection: Collection, cheap_encoders: Encoders
) -> None:
    collection.flush()
    collection.close()
    (collection.path / "segments" / "left-over").mkdir()

    with Collection.open(collection.path, encoders=cheap_encoders) as again:
        again.add([Document("x", "y")])
    assert [p.name for p in (collection.path / "segments").iterdir()] == [
        "000000000001-000000000004"
    ]


def test_arguments_of_another_type_are_refused(collection: Collection) -> None:
    for query, k in ((b"bones", 3), (None, 3), ("bones", "3"), ("bones", 2.5), ("bones", True)):
        with pytest.raises(QueryError, match="expected a text and a whole number"):
            collection.search(query, k)  # type: ignore[arg-type]
    for call in (collection.delete, collection.add):
        with pytest.raises(InputError, match="is one text; expected a list"):
            call("bones")  # type: ignore[arg-type]
    for doc_id, text in ((1, "text"), ("1", None)):
        with pytest.raises(DocumentError, match="expected a text"):
            Document(doc_id, text)  # type: ignore[arg-type]
    assert collection.n_docs == 4


def test_a_closed_collection_says_so(collection: Collection) -> None:
    collection.close()
    with pytest.raises(StorageError, match="is closed; open it again"):
        collection.search("bones")


def test_documents_that_no_search_finds_yet_are_counted(collection: Collection) -> None:
    collection.store([Document("ship", "a ship")], ingest=("files", 1))
    assert collection.n_unseen == 1
    collection.flush()
    assert collection.n_unseen == 0
