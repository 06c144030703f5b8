"""A collection's weights as files: named, exact where they can be, and whole or not there."""

import errno
import gzip
import sqlite3
from pathlib import Path

import numpy as np
import orjson
import pytest
import scipy.sparse

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import CorruptionError, DiskFullError, InputError, StorageError
from lexmax.exporting import ExportReport, export_vectors
from lexmax.importing import import_vectors
from lexmax.index import vocabulary
from lexmax.index.layout import Layout
from lexmax.interchange import csr
from lexmax.merging import COMPACT
from lexmax.types import Document
from lexmax.vectors import Vectors

TEXTS = {"1": "Running dogs run", "2": "the quick dog", "gone": "unseen words", "3": "Élan, élan!"}


class StopsAt:
    """Stops as Ctrl-C does, once a stage has been seen."""

    def __init__(self, stage: str) -> None:
        self._stage, self._seen = stage, False

    def advance(self, stage: str, done: int, total: int) -> None:
        assert 0 < done <= total
        self._seen = self._seen or stage == self._stage

    def stopped(self) -> bool:
        return self._seen


@pytest.fixture
def stemmed(tmp_path: Path) -> Collection:
    """Two segments, a pending document, and one that was deleted."""
    collection = Collection.create(tmp_path / "ix", sparse="bm25?stemmer=english", multivector=None)
    documents = [Document(doc_id, text) for doc_id, text in TEXTS.items()]
    collection.add(documents[:2])
    collection.flush()
    collection.add(documents[2:3])
    collection.flush()
    collection.add(documents[3:])
    collection.delete(["gone"])
    return collection


def export(collection: Collection, path: Path, form: str = "anserini") -> ExportReport:
    return export_vectors(collection, path, form=form, watcher=Silent())


def vectors(path: Path) -> dict[str, dict[str, int]]:
    content = path.read_bytes()
    lines = gzip.decompress(content) if path.suffix == ".gz" else content
    records = [orjson.loads(line) for line in lines.splitlines()]
    return {record["id"]: record["vector"] for record in records}


def test_terms_of_texts_are_named_as_they_were_hashed(stemmed: Collection, tmp_path: Path) -> None:
    report = export(stemmed, tmp_path / "out.jsonl.gz")

    found = vectors(tmp_path / "out.jsonl.gz")
    assert {doc_id: set(vector) for doc_id, vector in found.items()} == {
        "1": {"run", "dog"},
        "2": {"quick", "dog"},
        "3": {"élan"},
    }
    assert report.survey.n_docs == 3
    assert report.n_unnamed == 0
    assert report.quantiser is not None
    assert report.quantiser.scale == pytest.approx(255 / report.survey.max_weight)
    assert max(w for vector in found.values() for w in vector.values()) == 255


def test_the_same_collection_gives_the_same_bytes(stemmed: Collection, tmp_path: Path) -> None:
    for form in ("ciff", "anserini", "csr"):
        first, second = tmp_path / f"a-{form}", tmp_path / f"b-{form}"
        export(stemmed, first, form)
        export(stemmed, second, form)
        assert first.read_bytes() == second.read_bytes()


def test_csr_is_exact(stemmed: Collection, tmp_path: Path) -> None:
    report = export(stemmed, tmp_path / "out.npz", "csr")

    matrix = scipy.sparse.load_npz(tmp_path / "out.npz")
    terms = csr.beside(tmp_path / "out.npz", "terms").read_text().splitlines()
    assert matrix.shape == (3, 4)
    assert matrix.dtype == np.float32
    assert terms == ["dog", "quick", "run", "élan"]
    assert csr.beside(tmp_path / "out.npz", "ids").read_text() == "1\n2\n3\n"
    assert [path.name for path in report.files] == ["out.npz", "out.ids.txt", "out.terms.txt"]
    (query,) = stemmed.search("quick", pipeline="sparse").hits
    encoder = stemmed.encoders.sparse
    assert encoder is not None
    (idf,) = encoder.encode_queries(["quick"], stemmed.snapshot()).weights
    assert query.score == matrix.toarray()[1, 1] * idf


def test_csr_that_was_exported_can_be_imported(stemmed: Collection, tmp_path: Path) -> None:
    export(stemmed, tmp_path / "out.npz", "csr")
    import_vectors(tmp_path / "out.npz", tmp_path / "back", form="csr", watcher=Silent())
    with Collection.open(tmp_path / "back") as back:
        export(back, tmp_path / "again.npz", "csr")

    for ending in (".npz", ".ids.txt", ".terms.txt"):
        first, second = (tmp_path / f"{name}{ending}" for name in ("out", "again"))
        assert first.read_bytes() == second.read_bytes()


def test_a_scale_is_kept(stemmed: Collection, tmp_path: Path) -> None:
    export_vectors(stemmed, tmp_path / "out", form="anserini", watcher=Silent(), scale=0.001)
    assert {w for vector in vectors(tmp_path / "out").values() for w in vector.values()} == {1}


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_that_is_none_is_refused(stemmed: Collection, tmp_path: Path, scale: float) -> None:
    with pytest.raises(InputError, match="number above 0"):
        export_vectors(stemmed, tmp_path / "out", form="ciff", watcher=Silent(), scale=scale)


def test_a_mark_that_begins_the_first_name_is_kept(tmp_path: Path) -> None:
    """Byte order marks are no part of the text that they begin, unless they stand twice."""
    marked = "\ufeffname"
    with Collection.create(tmp_path / "ix", sparse="impacts", multivector=None) as collection:
        vectors = Vectors({marked: 2.0})
        collection.add([Document(marked, "", vectors=vectors), Document("b", "", vectors=vectors)])
        export(collection, tmp_path / "out.npz", "csr")
    import_vectors(tmp_path / "out.npz", tmp_path / "back", form="csr", watcher=Silent())
    with Collection.open(tmp_path / "back") as back:
        assert [hit.doc_id for hit in back.search(marked).hits] == [marked, "b"]


def test_csr_has_no_scale(stemmed: Collection, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave --scale out"):
        export_vectors(stemmed, tmp_path / "out", form="csr", watcher=Silent(), scale=2.0)


def test_a_file_that_exists_is_kept_unless_forced(stemmed: Collection, tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    csr.beside(path, "ids").write_text("mine")
    with pytest.raises(InputError, match="--force"):
        export(stemmed, path, "csr")
    assert not path.exists()

    export_vectors(stemmed, path, form="csr", watcher=Silent(), force=True)
    assert csr.beside(path, "ids").read_text() == "1\n2\n3\n"
    with pytest.raises(InputError, match="found a folder"):
        export_vectors(stemmed, tmp_path, form="ciff", watcher=Silent(), force=True)


@pytest.mark.parametrize("form", ["ciff", "anserini", "csr"])
def test_ctrl_c_and_a_full_disk_leave_the_old_file(
    stemmed: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    before = sorted(left.name for left in tmp_path.iterdir())
    for stage in ("count", "name", "write"):
        with pytest.raises(KeyboardInterrupt):
            export_vectors(stemmed, path, form=form, watcher=StopsAt(stage), force=True)

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DiskFullError):
        export_vectors(stemmed, path, form=form, watcher=Silent(), force=True)
    assert path.read_text() == "old"
    assert sorted(left.name for left in tmp_path.iterdir()) == before


def test_a_collection_without_terms_is_refused(tmp_path: Path, cheap_encoders: Encoders) -> None:
    collection = Collection.create(tmp_path / "mv", sparse=None, encoders=cheap_encoders)
    with pytest.raises(InputError, match="no sparse index"):
        export(collection, tmp_path / "out")


def test_an_empty_collection_is_an_empty_file(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "ix", multivector=None)
    export(collection, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b""
    export(collection, tmp_path / "out.npz", "csr")
    assert scipy.sparse.load_npz(tmp_path / "out.npz").shape == (0, 0)


def test_terms_without_a_name_are_called_by_their_ids(tmp_path: Path) -> None:
    source = tmp_path / "x.jsonl"
    source.write_text('{"id": "a", "vector": {"7": 1, "b": 2}}\n')
    import_vectors(source, tmp_path / "ix", form="anserini", watcher=Silent())
    catalog = Layout(tmp_path / "ix").catalog
    ids = {term: term_id for term_id, term in vocabulary.read_terms(catalog).items()}
    vocabulary.write_terms(catalog, [(ids["7"], str(ids["b"]))])
    connection = sqlite3.connect(catalog)
    with connection:
        connection.execute("DELETE FROM vocabulary WHERE term_id = ?", (ids["b"],))
    connection.close()
    with Collection.open(tmp_path / "ix") as collection:
        report = export(collection, tmp_path / "out")

    assert report.n_unnamed == 1
    assert vectors(tmp_path / "out") == {"a": {str(ids["b"]): 1, f"#{ids['b']}": 2}}


def test_terms_of_any_characters_are_kept_where_the_format_can(tmp_path: Path) -> None:
    vector = {"a\nb": 1, "nul\0": 2, "tab\t": 3, "\U0001f995": 4, "ends\r": 5}
    source = tmp_path / "x.jsonl"
    source.write_bytes(orjson.dumps({"id": "a", "vector": vector}))
    import_vectors(source, tmp_path / "ix", form="anserini", watcher=Silent())
    with Collection.open(tmp_path / "ix") as collection:
        assert collection.verify().problems == ()
        with pytest.raises(InputError, match="does not fit a line"):
            export(collection, tmp_path / "out.npz", "csr")
        export(collection, tmp_path / "out.ciff", "ciff")
    import_vectors(tmp_path / "out.ciff", tmp_path / "back", form="ciff", watcher=Silent())
    with Collection.open(tmp_path / "back") as collection:
        export(collection, tmp_path / "out")

    assert vectors(tmp_path / "out") == {"a": vector}
    assert not (tmp_path / "out.npz").exists()


def test_what_a_killed_export_left_is_removed(stemmed: Collection, tmp_path: Path) -> None:
    left = tmp_path / ".out.exporting"
    left.mkdir()
    (left / "0.postings").write_bytes(b"half")
    (tmp_path / "out.tmp").write_bytes(b"half")
    export(stemmed, tmp_path / "out", "ciff")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ix", "out"]


def test_what_cannot_be_written_is_said_before_all_is_read(
    stemmed: Collection, tmp_path: Path
) -> None:
    class Nobody(Silent):
        def advance(self, stage: str, done: int, total: int) -> None:
            pytest.fail(stage)

    with pytest.raises(InputError, match="found no folder"):
        export_vectors(stemmed, tmp_path / "none" / "x", form="ciff", watcher=Nobody())
    with pytest.raises(InputError, match="leave --scale out"):
        export_vectors(stemmed, tmp_path / "x", form="csr", watcher=Nobody(), scale=2)


def test_documents_that_a_merge_forgets_meanwhile_are_said(tmp_path: Path) -> None:
    path = tmp_path / "ix"
    with Collection.create(path, multivector=None, merge_in_background=False) as collection:
        collection.add(Document(f"d{i}", f"milk{i}") for i in range(4))
        collection.flush()

    class Writes(Silent):
        def advance(self, stage: str, done: int, total: int) -> None:
            if stage == "name":
                with Collection.open(path, merge_in_background=False) as other:
                    other.delete(["d1"])
                    other.merge(policy=COMPACT)

    with Collection.open(path) as collection:
        with pytest.raises(StorageError, match=r"merged away meanwhile.*try again") as error:
            export_vectors(collection, tmp_path / "out", form="anserini", watcher=Writes())
        assert not isinstance(error.value, CorruptionError)
        assert export(collection, tmp_path / "out").survey.n_docs == 3
