import errno
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import lexmax.building
from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import (
    CorruptionError,
    EncoderError,
    LockedError,
    NotACollectionError,
    StorageError,
)
from lexmax.index import manifest
from lexmax.merging import COMPACT
from lexmax.rebuilding import rebuild
from lexmax.types import Document, SparseBatch

WORDS = ["sail", "ship", "bone", "milk", "wing", "flow"]


def text(i: int) -> str:
    return " ".join(WORDS[(i * j) % 6] for j in range(1, 3 + i % 4))


@pytest.fixture
def path(tmp_path: Path, cheap_encoders: Encoders) -> Path:
    """Three segments of which the second is the product of a merge, and some deletions."""
    path = tmp_path / "ix"
    with Collection.create(path, encoders=cheap_encoders, merge_in_background=False) as collection:
        for start, stop in ((0, 30), (30, 40), (40, 50)):
            collection.add(Document(f"d{i}", text(i)) for i in range(start, stop))
            collection.flush()
        collection.delete(["d3", "d33"])
    return path


def segments(path: Path) -> list[Path]:
    return sorted((path / "segments").iterdir())


def ranking(path: Path, encoders: Encoders) -> list[tuple[str, float]]:
    with Collection.open(path, encoders=encoders, merge_in_background=False) as collection:
        assert collection.verify().problems == ()
        exact = collection.search("ship wing", 60, pipeline="multivector-exact").hits
        assert len(collection.search("ship wing", 60, pipeline="bm25").hits) > 10
        return [(hit.doc_id, hit.score) for hit in exact]


@pytest.mark.parametrize("damage", ["flipped", "missing", "no manifest", "no folder"])
def test_a_damaged_segment_is_built_anew(path: Path, cheap_encoders: Encoders, damage: str) -> None:
    before = ranking(path, cheap_encoders)
    first, second, third = segments(path)
    untouched = {file: file.stat().st_mtime_ns for s in (first, third) for file in s.iterdir()}
    content = {file.name: file.read_bytes() for file in second.iterdir()}
    for file in sorted(second.iterdir()):
        if damage == "flipped" and file.name == "tokens.codes.npy":
            file.write_bytes(file.read_bytes()[:-1] + b"\x55")
        elif damage == "no folder" or (damage, file.name) in {
            ("missing", "serials.npy"),
            ("no manifest", "segment.json"),
        }:
            file.unlink()
    if damage != "flipped":
        with pytest.raises(CorruptionError, match="run `lexmax rebuild` on the collection"):
            Collection.open(path, encoders=cheap_encoders)

    report = rebuild(path, Silent(), encoders=cheap_encoders)

    assert (report.n_segments, report.rebuilt, report.n_docs) == (3, (second.name,), 9)
    assert ranking(path, cheap_encoders) == before
    assert {file: file.stat().st_mtime_ns for file in untouched} == untouched
    new = segments(path)[1]
    assert new.name == f"{second.name}-1"
    if damage in ("flipped", "missing"):  # without d33, with the weights that it had
        with Collection.open(path, encoders=cheap_encoders) as collection:
            manifests = collection._reader.manifests()
        assert manifests[1].encoders["sparse"]["spec"] in content["segment.json"].decode()
    assert rebuild(path, Silent(), encoders=cheap_encoders).rebuilt == ()


def test_a_sound_segment_is_rebuilt_to_the_same_bytes(path: Path, cheap_encoders: Encoders) -> None:
    third = segments(path)[2]
    content = {file.name: file.read_bytes() for file in third.iterdir()}
    (third / "serials.npy").unlink()
    rebuild(path, Silent(), encoders=cheap_encoders)
    new = segments(path)[2]
    for name in set(content) - {"segment.json"}:
        assert (new / name).read_bytes() == content[name], name


class StopAfter(Silent):
    def __init__(self, parts: int) -> None:
        self.left = parts

    def stopped(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_an_interrupted_rebuild_goes_on(
    path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexmax.building, "PART_DOCS", 5)
    before = ranking(path, cheap_encoders)
    (segments(path)[0] / "serials.npy").unlink()
    with pytest.raises(KeyboardInterrupt):
        rebuild(path, StopAfter(2), encoders=cheap_encoders)

    begun: list[int] = []

    class Watching(Silent):
        def advance(self, stage: str, done: int, total: int) -> None:
            begun.append(done)

    assert rebuild(path, Watching(), encoders=cheap_encoders).n_docs == 29
    assert begun[0] == 15
    assert ranking(path, cheap_encoders) == before


def test_a_segment_of_deleted_documents_only_vanishes(path: Path, cheap_encoders: Encoders) -> None:
    with Collection.open(path, encoders=cheap_encoders, merge_in_background=False) as collection:
        collection.delete([f"d{i}" for i in range(30, 40)])
    (segments(path)[1] / "serials.npy").unlink()
    assert rebuild(path, Silent(), encoders=cheap_encoders).n_docs == 0
    assert len(ranking(path, cheap_encoders)) == 39
    with Collection.open(path, encoders=cheap_encoders) as collection:
        assert collection.merge(policy=COMPACT).after.n_docs == 39


def test_what_cannot_be_rebuilt_is_said(
    path: Path, cheap_encoders: Encoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotACollectionError):
        rebuild(tmp_path / "nowhere", Silent())
    with Collection.open(path, encoders=cheap_encoders) as collection:
        collection.delete(["d4"])
        with pytest.raises(LockedError):
            rebuild(path, Silent(), encoders=cheap_encoders)
    (segments(path)[1] / "serials.npy").unlink()
    encoder = cheap_encoders.sparse("bm25")

    def imported(encoder: object, texts: Sequence[str]) -> SparseBatch:
        raise EncoderError("documents of this collection have imported vectors")

    with monkeypatch.context() as patch:
        patch.setattr(type(encoder), "encode_documents", imported)
        with pytest.raises(EncoderError, match="imported"):
            rebuild(path, Silent(), encoders=cheap_encoders)
    assert np.any([segment.name.endswith("40") for segment in segments(path)])
    assert rebuild(path, Silent(), encoders=cheap_encoders).n_docs == 9


def test_a_merge_that_took_the_documents_along_ends_an_interrupted_rebuild(
    path: Path, cheap_encoders: Encoders
) -> None:
    second = segments(path)[1] / "serials.npy"
    written = second.read_bytes()
    second.unlink()
    with pytest.raises(KeyboardInterrupt):
        rebuild(path, StopAfter(0), encoders=cheap_encoders)
    second.write_bytes(written)  # as from a backup

    with Collection.open(path, encoders=cheap_encoders, merge_in_background=False) as collection:
        collection.merge(policy=COMPACT)
        collection.flush()
        hits = collection.search("ship wing", 99, pipeline="multivector-exact").hits
        assert collection.n_segments == 1
        assert collection.verify().problems == ()
    assert len({hit.doc_id for hit in hits}) == len(hits) == 48


def test_what_the_system_refuses_is_no_damage(
    path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(manifest, "checksum", refuse)
    with pytest.raises(StorageError, match="check the folder and its permissions"):
        rebuild(path, Silent(), encoders=cheap_encoders)
