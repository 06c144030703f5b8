import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import CorruptionError, LockedError
from lexmax.index.multivector_engines import EXACT_MAXSIM
from lexmax.index.spec_ranges import SpecRange, spec_ranges
from lexmax.indexing import index_documents
from lexmax.merging import COMPACT, worth_merging
from lexmax.types import Document, Hits, SparseBatch, TokenBatch

WORDS = np.array(["sail", "ship", "bone", "milk", "wing", "flow", "dense", "air", "calcium"])


def documents(start: int, stop: int, *, words: int = 6) -> list[Document]:
    rng = np.random.default_rng(start)
    return [Document(f"d{i}", " ".join(rng.choice(WORDS, words))) for i in range(start, stop)]


def filled(path: Path, encoders: Encoders, *sizes: int, sparse: str = "bm25") -> Collection:
    """A collection with a segment of each size; the third word of the spec fixes its length."""
    collection = Collection.create(
        path, sparse=sparse, encoders=encoders, merge_in_background=False
    )
    start = 0
    for place, size in enumerate(sizes):
        collection.add(documents(start, start + size, words=4 + place))
        collection.flush()
        start += size
    return collection


def segment_ids(collection: Collection) -> list[str]:
    return sorted(path.name for path in (collection.path / "segments").iterdir())


def answers(collection: Collection) -> list[Hits]:
    """Hits of fixed queries over the newest snapshot: every document, by serial."""
    snapshot = collection.snapshot()
    queries = SparseBatch.from_rows(
        [{int(t): 0.7 for t in _terms(collection, "sail bone air")}, {}, _terms(collection, "milk")]
    )
    tokens = collection.encoders.multivector
    assert tokens is not None
    vectors = tokens.encode_queries(["sail bone", "calcium air dense"])
    found = [
        snapshot.search_sparse(queries, 200),
        snapshot.search_multivector(vectors, 200, engine=EXACT_MAXSIM),
    ]
    return [Hits(_by_serial(snapshot.serials, hits), hits.scores) for hits in found]


def _by_serial(serials, hits: Hits) -> np.ndarray:  # noqa: ANN001
    rows = np.full(hits.ordinals.shape, -1, np.int64)
    known = hits.ordinals >= 0
    rows[known] = serials(hits.ordinals[known])
    return rows


def _terms(collection: Collection, text: str) -> dict[int, float]:
    encoder = collection.encoders.sparse
    assert encoder is not None
    batch = encoder.encode_documents([text])
    return {int(t): float(w) for t, w in zip(*batch.row(0), strict=True)}


def assert_same(left: Sequence[Hits], right: Sequence[Hits]) -> None:
    for a, b in zip(left, right, strict=True):
        n = min(a.ordinals.shape[1], b.ordinals.shape[1])
        assert np.array_equal(a.ordinals[:, :n], b.ordinals[:, :n])
        assert np.array_equal(a.scores[:, :n], b.scores[:, :n])
        assert np.all(a.ordinals[:, n:] < 0)


def test_scores_stay_and_deleted_documents_go(tmp_path: Path, cheap_encoders: Encoders) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 20, 20, 20, 20)
    collection.delete([f"d{i}" for i in range(0, 80, 7)])
    collection.add([Document("d3", "a sail of a ship"), Document("late", "bone")])
    before = answers(collection)

    report = collection.merge()

    assert (report.n_merges, report.n_dropped) == (1, 13)
    assert (report.before.n_segments, report.after.n_segments) == (4, 1)
    assert (report.before.n_docs, report.after.n_docs) == (80, 67)
    assert report.after.n_bytes < report.before.n_bytes
    assert_same(answers(collection), before)
    assert collection.verify().problems == ()
    assert segment_ids(collection) == ["000000000001-000000000080-1"]
    assert collection._catalog.deleted_serials().tolist() == []
    assert collection.n_docs == 69


def test_a_merged_segment_has_the_bytes_of_one_that_was_built_at_once(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    spec = "bm25?avg_doc_len=5"  # a fitted length would differ
    one = filled(tmp_path / "one", cheap_encoders, sparse=spec)
    one.add([text for start in (0, 30, 60) for text in documents(start, start + 30)])
    one.flush()
    three = Collection.create(
        tmp_path / "three", sparse=spec, encoders=cheap_encoders, merge_in_background=False
    )
    for start in (0, 30, 60):
        three.add(documents(start, start + 30))
        three.flush()
    three.merge()

    left, right = (next((c.path / "segments").iterdir()) for c in (one, three))
    names = sorted(path.name for path in left.iterdir())
    assert names == sorted(path.name for path in right.iterdir())
    for name in set(names) - {"segment.json"}:
        assert (left / name).read_bytes() == (right / name).read_bytes(), name


def test_the_manifest_says_which_encoder_made_which_weights(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    # Constants are measured anew where a collection has doubled.
    collection = filled(tmp_path / "ix", cheap_encoders, 10, 10, 20)
    sources = [spec_ranges(one, "sparse")[0] for one in collection._reader.manifests()]
    assert len({one.spec for one in sources}) == 3
    collection.merge()
    collection.add(documents(100, 160))
    collection.flush()
    collection.add(documents(200, 260))
    collection.flush()
    collection.merge(policy=COMPACT)

    (manifest,) = collection._reader.manifests()
    found = spec_ranges(manifest, "sparse")
    assert found[:3] == sources
    assert found[3].first_serial == 41
    assert manifest.encoders["sparse"]["spec"] == found[-1].spec
    assert spec_ranges(manifest, "multivector") == [SpecRange(1, 160, "minilm")]


def test_a_collection_without_living_documents_has_no_segment(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 5, 5)
    collection.delete([f"d{i}" for i in range(10)])
    report = collection.merge()

    assert (report.n_dropped, report.after.n_segments) == (10, 0)
    assert segment_ids(collection) == []
    assert collection._catalog.all_serials().tolist() == []
    collection.add([Document("d1", "ship")])
    assert [hit.doc_id for hit in collection.search("ship", pipeline="bm25").hits] == ["d1"]
    collection.flush()
    assert segment_ids(collection) == ["000000000011-000000000011"]
    assert collection.verify().problems == ()


def test_documents_deleted_during_a_merge_stay_deleted(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 10, 10, 10)

    class Meanwhile(Silent):
        def advance(self, stage: str, done: int, total: int) -> None:
            if stage == "fde" and done == total:
                collection.delete(["d0"])
                collection.add([Document("d15", "vitamin"), Document("new", "vitamin")])

    report = collection.merge(Meanwhile())

    assert report.n_merges == 1
    found = collection.search("sail vitamin", 40, pipeline="multivector-exact").hits
    assert len(found) == len({hit.doc_id for hit in found}) == 30
    assert "d0" not in {hit.doc_id for hit in found}
    assert {hit.doc_id: hit.text for hit in found}["d15"] == "vitamin"
    assert collection.verify().problems == ()
    assert collection.merge(policy=COMPACT).n_dropped == 2
    assert collection._catalog.deleted_serials().tolist() == []


def test_an_old_version_is_found_until_the_new_one_is_published(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 4, 4, 4)
    collection.store([Document("d5", "vitamin")], ingest=("files", 1))
    before = answers(collection)

    assert collection.merge().n_dropped == 0
    assert_same(answers(collection), before)
    collection.flush()
    assert collection.merge(policy=COMPACT).n_dropped == 1
    assert collection.search("vitamin", 1, pipeline="bm25").hits[0].doc_id == "d5"
    assert collection.verify().problems == ()


def test_a_forgotten_version_brings_no_older_one_back(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    """The ingest that published the new version has not ended when that is deleted and dropped."""
    collection = filled(tmp_path / "ix", cheap_encoders)
    collection.add([Document("a", "old ship")])
    collection.store([Document("a", "new ship")], ingest=("files", 1))
    ended, collection._catalog.end_ingests = collection._catalog.end_ingests, lambda: None
    collection.flush()
    collection._catalog.end_ingests = ended
    collection.delete(["a"])
    collection.merge()

    assert segment_ids(collection) == []
    assert collection.search("ship", pipeline="bm25").hits == ()


def test_segments_of_other_encoders_stay_apart(tmp_path: Path, cheap_encoders: Encoders) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 9, 9)
    encoder = collection.encoders.multivector
    type(encoder).fingerprint, kept = "other vectors", type(encoder).fingerprint  # type: ignore
    try:
        collection.add(documents(50, 59))
        collection.flush()
        assert collection.merge(policy=COMPACT).after.n_segments == 2
    finally:
        type(encoder).fingerprint = kept  # type: ignore


def test_halves_are_copied_as_they_are(tmp_path: Path) -> None:
    from lexmax.index.multivector_build import MultiVectorPlan
    from lexmax.index.segment import Segment, SegmentPlan, SegmentWriter

    vectors = TokenBatch.from_rows([np.eye(3, dtype=np.float32) * 0.3, np.ones((1, 3))], 3)
    encoders = {"multivector": {"spec": "x", "fingerprint": "x"}}

    def plan(name: str) -> SegmentPlan:
        return SegmentPlan(name, np.array([4, 6]), encoders, 3, MultiVectorPlan("fp16"))

    writer = SegmentWriter(tmp_path / "s" / "a", tmp_path / "t" / "a", plan("a"))
    writer.append(None, vectors)
    writer.finish()
    copied = SegmentWriter(tmp_path / "s" / "b", tmp_path / "t" / "b", plan("b"))
    copied.copy(Segment.open(tmp_path / "s" / "a"), np.arange(2))
    copied.finish()
    for path in (tmp_path / "s" / "a").glob("*.npy"):
        assert path.read_bytes() == (tmp_path / "s" / "b" / path.name).read_bytes()


def test_a_reader_that_comes_too_late_takes_the_newer_segments(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 10, 10, 10)
    expected = answers(collection)
    catalog = collection._catalog
    reader_of = type(collection._reader)
    opened = reader_of._opened

    def late(reader, rows):  # noqa: ANN001, ANN202
        if reader is not collection._reader and len(catalog.segments()) == 3:
            collection.merge()
        return opened(reader, rows)

    monkeypatch.setattr(reader_of, "_opened", late)
    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as other:
        assert_same(answers(other), expected)
        with pytest.raises(LockedError):
            other.merge()


def test_a_segment_that_is_really_missing_is_an_error(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 3, 3, 3)
    shutil.rmtree(collection.path / "segments" / "000000000004-000000000006")
    with pytest.raises(CorruptionError, match=r"segment\.json: missing"):
        collection.merge()
    with pytest.raises(CorruptionError, match=r"segment\.json: missing"):
        Collection.open(tmp_path / "ix", encoders=cheap_encoders)


def test_a_search_whose_documents_were_forgotten_looks_again(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 10)
    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as other:
        for call in ("documents", "doc_ids", "versions"):
            (best,) = other.search("sail ship", 1, pipeline="multivector-exact").hits
            other._searcher.documents.close()  # nor is it kept from the search before
            looked_up = getattr(other._catalog, call)

            def late(wanted, *, doc_id=best.doc_id, look_up=looked_up):  # noqa: ANN001, ANN202
                monkeypatch.undo()
                collection.delete([doc_id])
                collection.merge(policy=COMPACT)
                return look_up(wanted)

            monkeypatch.setattr(other._catalog, call, late)
            if call == "doc_ids":
                ids = other.search_batch(["sail ship"], 1, pipeline="multivector-exact").doc_ids[0]
            else:
                allowed = [f"d{i}" for i in range(10)] if call == "versions" else None
                found = other.search("sail ship", 1, pipeline="multivector-exact", doc_ids=allowed)
                ids = [hit.doc_id for hit in found.hits]
            assert len(ids) == 1
            assert best.doc_id not in ids


def test_worth_merging_looks_at_published_segments_only(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    collection = filled(tmp_path / "ix", cheap_encoders, 3, 3)
    collection.add(documents(50, 53))
    assert not worth_merging(collection.snapshot())
    collection.flush()
    assert worth_merging(collection.snapshot())


def test_a_batch_job_merges_what_it_built(tmp_path: Path) -> None:
    for start in (0, 10, 20):
        report = index_documents(
            tmp_path / "ix",
            iter(documents(start, start + 10)),
            name=None,
            choice=IndexChoice(multivector=None),
            watcher=Silent(),
        )
    assert (report.n_docs, report.n_segments) == (30, 1)
