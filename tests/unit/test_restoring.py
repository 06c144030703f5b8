"""Snapshots in one file: whole and checked, or refused and without a trace."""

import io
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from lexmax.archiving import Archive, write_snapshot
from lexmax.collection import Collection
from lexmax.drafts import sweep
from lexmax.errors import (
    CollectionExistsError,
    CorruptionError,
    InputError,
    LockedError,
    NotACollectionError,
)
from lexmax.index.verification import verify
from lexmax.merging import COMPACT
from lexmax.restoring import RestoreLimits, Restoring, restore
from lexmax.snapshot_tar import MANIFEST
from lexmax.types import Document


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "pets"
    with Collection.create(path, multivector=None, fields={"year": "integer"}) as collection:
        collection.add(
            Document(str(i), f"a cat number {i}", metadata={"year": i}) for i in range(40)
        )
        collection.flush()
        collection.add([Document("dog", "a dog"), Document("7", "another cat")])
        collection.delete(["3"])
    write_snapshot(path, path.with_name("pets.tar"))
    return path


@pytest.fixture
def pets(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "pets"))


@pytest.fixture
def tar(made: Path, pets: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made.with_name("pets.tar"), tmp_path / "pets.tar"))


def said(path: Path) -> dict[str, object]:
    with Collection.open(path) as collection:
        found = [
            (hit.doc_id, hit.score)
            for query in ("cat", "number 7", "dog", "another")
            for hit in collection.search(query, 100).hits
        ]
        described = {
            name: value for name, value in collection.describe().items() if name != "bytes"
        }
        return {"hits": found, "described": described}


def feed(path: Path, content: bytes, **limits: int) -> None:
    with Restoring(path, limits=RestoreLimits(**limits)) as restoring:
        restoring.feed(content)
        restoring.check()
        restoring.publish()


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        found: dict[str, bytes] = {}
        for member in opened.getmembers():
            file = opened.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
        return found


def test_it_comes_back_as_it_was(pets: Path, tar: Path, tmp_path: Path) -> None:
    report = restore(tar, tmp_path / "twin")
    assert said(tmp_path / "twin") == said(pets)
    assert (report.n_docs, report.n_bytes) == (40, tar.stat().st_size)
    assert verify(tmp_path / "twin").problems == ()
    with Collection.open(tmp_path / "twin") as twin:
        twin.add([Document("new", "a new cat")])
        assert twin.search("new").hits[0].doc_id == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets", "pets.tar", "twin"]


def test_any_tar_reads_it_and_its_size_was_known(pets: Path, tar: Path) -> None:
    names = list(members(tar.read_bytes()))
    assert names[0] == "catalog.sqlite"
    assert names[-1] == MANIFEST
    with Archive(pets) as archive:
        assert archive.n_bytes == len(b"".join(archive.chunks())) == tar.stat().st_size
        assert archive.n_members == len(names)


def test_a_tar_that_was_packed_anew_is_as_good(tar: Path, pets: Path, tmp_path: Path) -> None:
    again = io.BytesIO()
    with tarfile.open(fileobj=again, mode="w", format=tarfile.GNU_FORMAT) as packed:
        for name, content in members(tar.read_bytes()).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    feed(tmp_path / "twin", again.getvalue())
    assert said(tmp_path / "twin") == said(pets)


def test_calibrations_and_sample_queries_come_along(pets: Path, tmp_path: Path) -> None:
    (pets / "relevance" / "a-rather-long-name-for-a-calibration-of-sixty-four-characters-xx").mkdir(
        parents=True
    )
    (pets / "sample").mkdir()
    [calibration] = (pets / "relevance").iterdir()
    (calibration / "calibration.json").write_bytes(b"{}")
    (calibration / f"adapter-{'0' * 32}.safetensors").write_bytes(b"abc")
    (calibration / "notes.txt").write_bytes(b"mine")
    (pets / "sample" / "sample.offsets.npy").write_bytes(b"")
    write_snapshot(pets, tmp_path / "pets.tar")
    restore(tmp_path / "pets.tar", tmp_path / "twin")
    found = sorted(
        str(path.relative_to(tmp_path / "twin"))
        for room in ("relevance", "sample")
        for path in (tmp_path / "twin" / room).rglob("*")
        if path.is_file()
    )
    assert [name.rsplit("/", 1)[1] for name in found] == [
        f"adapter-{'0' * 32}.safetensors",
        "calibration.json",
        "sample.offsets.npy",
    ]


def test_an_unfinished_build_stays_out_and_its_documents_are_pending(
    pets: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(pets / "catalog.sqlite")) as connection, connection:
        connection.execute("INSERT INTO builds VALUES ('000000000041-000000000042', '{}')")
    write_snapshot(pets, tmp_path / "pets.tar")
    restore(tmp_path / "pets.tar", tmp_path / "twin")
    with Collection.open(tmp_path / "twin") as twin:
        assert twin.search("dog").hits[0].doc_id == "dog"
        assert twin.flush() == 1


def test_a_snapshot_is_written_once_or_not_at_all(pets: Path, tar: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is there already"):
        write_snapshot(pets, tar)
    with pytest.raises(NotACollectionError):
        write_snapshot(tmp_path / "none", tmp_path / "none.tar")
    assert not (tmp_path / "none.tar").exists()


def test_damage_is_not_carried_on(pets: Path, tmp_path: Path) -> None:
    [segment] = (pets / "segments").iterdir()
    file = segment / "sparse.postings.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptionError, match=r"sparse\.postings\.npy: its bytes differ"):
        write_snapshot(pets, tmp_path / "pets.tar")
    file.unlink()
    with pytest.raises(CorruptionError):
        write_snapshot(pets, tmp_path / "pets.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets"]
    assert not list(pets.glob(".*"))


def test_a_merge_takes_nothing_away(pets: Path, tmp_path: Path) -> None:
    before = said(pets)
    with Collection.open(pets) as collection, Archive(pets) as archive:
        chunks = archive.chunks()
        first = [next(chunks) for _ in range(4)]
        collection.add(Document(f"new {i}", "a new cat") for i in range(10))
        collection.flush()
        assert collection.merge(policy=COMPACT).n_merges == 1
        feed(tmp_path / "twin", b"".join(first) + b"".join(chunks))
    assert said(tmp_path / "twin") == before


def test_the_place_must_be_free(tar: Path, pets: Path, tmp_path: Path) -> None:
    with pytest.raises(CollectionExistsError):
        restore(tar, pets)
    (tmp_path / "empty").mkdir()
    restore(tar, tmp_path / "empty")
    with Restoring(tmp_path / "twin"), pytest.raises(LockedError):
        Restoring(tmp_path / "twin")
    with Restoring(tmp_path / "late") as restoring:
        restoring.feed(tar.read_bytes())
        restoring.check()
        (tmp_path / "late").mkdir()
        (tmp_path / "late" / "file").touch()
        with pytest.raises(CollectionExistsError):
            restoring.publish()
    with pytest.raises(InputError, match="no such file"):
        restore(tmp_path / "none.tar", tmp_path / "twin")


KILLED = """
import os, signal, sys
from pathlib import Path
from lexmax.restoring import Restoring
restoring = Restoring(Path(sys.argv[2]))
restoring.feed(Path(sys.argv[1]).read_bytes()[:20000])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_restore_leaves_a_folder_that_the_next_one_removes(
    tar: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "twin"
    subprocess.run([sys.executable, "-c", KILLED, str(tar), str(twin)], check=False)
    left = tmp_path / ".twin.restoring"
    assert (left / "catalog.sqlite").exists()
    assert not twin.exists()
    with Restoring(tmp_path / "held"):
        sweep(tmp_path, ".*.restoring")
        assert sorted(path.name for path in tmp_path.glob(".*")) == [".held.restoring"]
    left.mkdir()
    (left / "old").mkdir()
    restore(tar, twin)
    assert not list(tmp_path.glob(".*"))
    assert not (twin / "old").exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from lexmax.archiving import write_snapshot
from lexmax.errors import DiskFullError
from lexmax.restoring import restore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = int(sys.argv[4])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    job = {"snapshot": write_snapshot, "restore": restore}[sys.argv[1]]
    job(Path(sys.argv[2]), Path(sys.argv[3]))
except DiskFullError:
    sys.exit(7)
"""


@pytest.mark.parametrize(
    ("job", "most_bytes"),
    # What SQLite keeps beside an open catalog has 32 kB.
    [("snapshot", 33_000), ("snapshot", 60_000), ("restore", 100), ("restore", 40_000)],
)
def test_a_full_disk_leaves_nothing(
    pets: Path, tar: Path, tmp_path: Path, job: str, most_bytes: int
) -> None:
    before = sorted(path.name for path in pets.iterdir())
    given = {"snapshot": (pets, tmp_path / "again.tar"), "restore": (tar, tmp_path / "twin")}[job]
    command = [sys.executable, "-c", FULL, job, *map(str, given), str(most_bytes)]
    assert subprocess.run(command, check=False).returncode == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets", "pets.tar"]
    assert sorted(path.name for path in pets.iterdir()) == before
