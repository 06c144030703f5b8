"""Two engines are compared rank by rank; Lucene really runs where its extra is installed."""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson
import pytest

from lexmax import lucene, parity
from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.errors import InputError, PipelineError
from lexmax.importing import import_vectors
from lexmax.index.snapshot import Snapshot
from lexmax.types import Document, Hits, SparseBatch

needs_lucene = pytest.mark.skipif(
    not lucene.installed(), reason='needs `pip install "lexmax[lucene]"`'
)
N_DOCS = 700


class Rounded:
    """Our own ranking, but with tenfold scores, or the last document gone."""

    def __init__(self, factor: float = 1.0, drop: int = 0) -> None:
        self._factor, self._drop = factor, drop

    def search(self, snapshot: Snapshot, queries: SparseBatch, k: int) -> Hits:
        hits = snapshot.search_sparse(queries, k)
        rows = [hits.row(i) for i in range(len(hits))]
        return Hits.from_rows(
            [
                (ordinals[: len(ordinals) - self._drop], scores * np.float32(self._factor))
                for ordinals, scores in rows
            ],
            k,
        )


def vectors(weight: float = 1) -> dict[str, dict[str, float]]:
    """Few impacts and few terms, so that many documents tie; some have none."""
    rng = np.random.default_rng(8)
    return {
        f"d{i}": {
            f"t{t}": int(rng.integers(1, 4)) * weight
            for t in rng.choice(30, int(rng.integers(0, 9)), replace=False)
        }
        for i in range(N_DOCS)
    }


def collection_of(folder: Path, documents: Mapping[str, Mapping[str, float]]) -> Collection:
    lines = (
        orjson.dumps({"id": doc_id, "vector": vector}) + b"\n"
        for doc_id, vector in documents.items()
    )
    (folder / "x.jsonl").write_bytes(b"".join(lines))
    import_vectors(folder / "x.jsonl", folder / "ix", form="anserini", watcher=Silent())
    return Collection.open(folder / "ix")


def queries(*, whole: bool) -> dict[str, str]:
    rng = np.random.default_rng(9)
    found = {"none": "nowhere", "empty": " "}
    for i in range(40):
        terms = rng.choice(33, int(rng.integers(1, 12)), replace=False)
        weights = rng.integers(1, 5, len(terms)) if whole else rng.random(len(terms)) + 1e-6
        found[f"q{i}"] = " ".join(f"t{t}^{w}" for t, w in zip(terms, weights, strict=True))
    return found


def test_a_collection_agrees_with_itself(tmp_path: Path) -> None:
    with collection_of(tmp_path, vectors()) as collection:
        report = parity.compare(
            collection, queries(whole=True), k=50, watcher=Silent(), pipelines=("sparse", "sparse")
        )
    assert (report.n_queries, report.exact, dict(report.differences)) == (42, True, {})


@pytest.mark.parametrize(
    ("other", "difference"),
    [(Rounded(10), "rank 1 is d"), (Rounded(drop=1), "20 documents, there 19")],
)
def test_differences_are_told(tmp_path: Path, other: Rounded, difference: str) -> None:
    with collection_of(tmp_path, vectors()) as collection:
        object.__setattr__(collection.encoders, "backends", {"lucene": other})
        report = parity.compare(collection, {"q": "t1 t2"}, k=20, watcher=Silent())
    assert difference in report.differences["q"]


def test_weights_that_lucene_would_round_are_refused(tmp_path: Path) -> None:
    with (
        collection_of(tmp_path, vectors(0.5)) as collection,
        pytest.raises(InputError, match="weights that are not whole"),
    ):
        parity.compare(collection, {"q": "t1"}, k=5, watcher=Silent())


@pytest.mark.skipif(lucene.installed(), reason="the extra is installed")
def test_without_the_extra_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    with (
        collection_of(tmp_path, vectors()) as collection,
        pytest.raises(PipelineError, match=r'needs `pip install "lexmax\[lucene\]"`'),
    ):
        collection.search("t1", pipeline="lucene")


@needs_lucene
@pytest.mark.parametrize("k", [1, 10, 1000])
def test_lucene_ranks_as_we_do(tmp_path: Path, k: int) -> None:
    with collection_of(tmp_path, vectors()) as collection:
        whole = parity.compare(collection, queries(whole=True), k=k, watcher=Silent())
        rounded = parity.compare(collection, queries(whole=False), k=k, watcher=Silent())
    assert (whole.exact, dict(whole.differences)) == (True, {})
    assert (rounded.exact, dict(rounded.differences)) == (False, {})


@needs_lucene
def test_lucene_follows_deletions_and_filters(tmp_path: Path) -> None:
    with collection_of(tmp_path, vectors()) as collection:
        collection.search("t1", pipeline="lucene")
        (first,) = collection.path.glob("cache/lucene-*")
        collection.delete([f"d{i}" for i in range(0, N_DOCS, 2)])
        report = parity.compare(collection, queries(whole=True), k=30, watcher=Silent())
        (second,) = collection.path.glob("cache/lucene-*")
        allowed = [f"d{i}" for i in range(0, 60)]
        ours, theirs = (
            collection.search_batch(["t1^2 t5"], 40, pipeline=name, doc_ids=allowed)
            for name in ("sparse", "lucene")
        )
        problems = collection.verify().problems

    assert dict(report.differences) == {}
    assert first != second
    assert ours.doc_ids == theirs.doc_ids
    assert 0 < len(ours.doc_ids[0]) <= 30
    assert problems == ()


@needs_lucene
def test_lucene_rounds_floats_to_eight_bits_and_finds_pending_documents(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "ix", multivector=None) as collection:
        collection.add([Document("a", "fig fig tree"), Document("b", "fig tree tree tree")])
        (ours,), (theirs,) = (
            collection.search_batch(["fig"], 5, pipeline=name).scores
            for name in ("sparse", "lucene")
        )
        assert "lucene" in collection.describe()["pipelines"]  # type: ignore[operator]
    assert len(ours) == 2
    assert theirs == pytest.approx(ours, rel=0.01)


@needs_lucene
def test_lucene_answers_in_any_thread(tmp_path: Path) -> None:
    found: list[list[str]] = []
    with collection_of(tmp_path, vectors()) as collection:

        def search() -> None:
            found.append(collection.search_batch(["t1"], 5, pipeline="lucene").doc_ids[0])

        for _ in range(3):
            thread = threading.Thread(target=search)
            thread.start()
            thread.join()
        search()
        expected = collection.search_batch(["t1"], 5, pipeline="sparse").doc_ids[0]
    assert found == [expected] * 4


@needs_lucene
def test_a_damaged_cache_is_built_anew(tmp_path: Path) -> None:
    with collection_of(tmp_path, vectors()) as collection:
        collection.search("t1", pipeline="lucene")
    (folder,) = (tmp_path / "ix" / "cache").iterdir()
    (segments,) = folder.glob("segments_*")
    segments.write_bytes(b"nothing of Lucene's")
    with Collection.open(tmp_path / "ix") as collection:
        assert collection.search("t1", pipeline="lucene").hits


def test_an_index_that_another_process_has_built_meanwhile_is_used(tmp_path: Path) -> None:
    draft, folder = tmp_path / "lucene-3.7.tmp", tmp_path / "lucene-3"
    for place in (draft, folder):
        place.mkdir()
        (place / "lexmax.json").write_bytes(b'{"n_docs": 1, "scale": 1.0}')
    older = tmp_path / "lucene-2"
    older.mkdir()

    lucene._sweep(tmp_path, but=folder)
    lucene._publish(draft, folder)
    assert [left.name for left in tmp_path.iterdir()] == ["lucene-3"]


@needs_lucene
def test_an_older_index_is_let_go(tmp_path: Path) -> None:
    with collection_of(tmp_path, vectors()) as collection:
        collection.search("t1", pipeline="lucene")
        collection.delete(["d1"])
        collection.search("t1", pipeline="lucene")
        lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = [line for line in lines if f"{tmp_path}/ix/cache" in line]
    assert mapped
    assert not [line for line in mapped if line.endswith("(deleted)")]
