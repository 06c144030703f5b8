"""What no snapshot has, or one that was damaged, is refused and leaves nothing."""

import hashlib
import io
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from lexmax.archiving import write_snapshot
from lexmax.collection import Collection
from lexmax.errors import SnapshotError
from lexmax.index.verification import verify
from lexmax.restoring import RestoreLimits, Restoring
from lexmax.snapshot_tar import BLOCK, MANIFEST, header
from lexmax.types import Document


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    with Collection.create(folder / "pets", multivector=None, fields={"year": "integer"}) as one:
        one.add(Document(str(i), f"a cat number {i}", metadata={"year": i}) for i in range(40))
        one.flush()
        one.add([Document("dog", "a dog")])
        one.delete(["3"])
    write_snapshot(folder / "pets", folder / "pets.tar")
    return folder / "pets.tar"


@pytest.fixture
def tar(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "pets.tar"))


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


def tar_of(given: dict[str, bytes]) -> bytes:
    parts = [
        header(name, len(content), modified_s=0) + content + bytes(-len(content) % BLOCK)
        for name, content in given.items()
    ]
    return b"".join(parts) + bytes(2 * BLOCK)


def signed(given: dict[str, bytes]) -> bytes:
    """A snapshot of other files, with a manifest that fits them."""
    manifest = orjson.loads(given[MANIFEST])
    content = {name: value for name, value in given.items() if name != MANIFEST}
    manifest["members"] = {
        name: {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
        for name, value in content.items()
    }
    return tar_of({**content, MANIFEST: orjson.dumps(manifest)})


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_cut_snapshot_is_refused(tar: Path, tmp_path: Path, share: float) -> None:
    content = tar.read_bytes()
    with pytest.raises(SnapshotError):
        feed(tmp_path / "twin", content[: int(len(content) * share)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets.tar"]


def test_a_flipped_bit_is_found_wherever_it_is(tar: Path, tmp_path: Path) -> None:
    content = bytearray(tar.read_bytes())
    held = 0
    for at in range(0, len(content), max(len(content) // 67, 1)):
        content[at] ^= 0x10
        try:
            feed(tmp_path / "twin", bytes(content))
        except SnapshotError:
            held += 1
            assert not (tmp_path / "twin").exists()
        else:  # what fills a block, or a header's owner and time, is not content
            restored = tmp_path / "twin"
            assert verify(restored).problems == ()
            shutil.rmtree(restored)
        content[at] ^= 0x10
    assert held > 30


def other(name: str, **more: object) -> bytes:
    member = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(member, key, value)
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "first",
    [
        other("../evil"),
        other("/etc/passwd"),
        other("segments/../../evil"),
        other("segments/000000000001-000000000040/../../../evil"),
        other("segments/000000000001-000000000040/.hidden"),
        other("catalog.sqlite-wal"),
        other("writer.lock"),
        other("catalog.sqlite\x00.txt", size=0).replace(
            b"catalog.sqlite\x00.txt", b"Catalog.sqlite\x00.tx"
        ),
        other("catalog.sqlite", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        other("catalog.sqlite", type=tarfile.LNKTYPE, linkname="MANIFEST.json"),
        other("catalog.sqlite", type=tarfile.CHRTYPE),
        other("catalog.sqlite", type=tarfile.FIFOTYPE),
        other("catalog.sqlite", type=tarfile.DIRTYPE),
        other("catalog.sqlite", type=tarfile.GNUTYPE_SPARSE),
        other("x" * 300),
        other("catalog.sqlite", size=-1 << 40),
        b"\x1f\x8b" + bytes(510),
        b"not a tar at all".ljust(512),
    ],
)
def test_what_no_snapshot_has_is_refused(tmp_path: Path, first: bytes) -> None:
    with pytest.raises(SnapshotError), Restoring(tmp_path / "twin") as restoring:
        restoring.feed(first + bytes(BLOCK))
    assert list(tmp_path.iterdir()) == []


def test_names_stand_once_and_the_manifest_is_last(tar: Path, tmp_path: Path) -> None:
    found = members(tar.read_bytes())
    twice = tar_of({"catalog.sqlite": b"a"})[: 2 * BLOCK] + tar_of(found)
    with pytest.raises(SnapshotError, match="stands twice"):
        feed(tmp_path / "twin", twice)
    early = {MANIFEST: found.pop(MANIFEST), **found}
    with pytest.raises(SnapshotError, match="that one last"):
        feed(tmp_path / "twin", tar_of(early))
    with pytest.raises(SnapshotError, match="bytes follow the end"):
        feed(tmp_path / "twin", tar.read_bytes() + b"x")


def test_members_are_those_of_the_manifest(tar: Path, tmp_path: Path) -> None:
    found = members(tar.read_bytes())
    segment = next(name for name in found if name.endswith("serials.npy"))
    less = {name: content for name, content in found.items() if name != segment}
    more = {"sample/x.npy": b"x", **found}
    for given in (less, more):
        with pytest.raises(SnapshotError, match="its bytes differ"):
            feed(tmp_path / "twin", tar_of(given))
    with pytest.raises(SnapshotError, match="no sound collection"):
        feed(tmp_path / "twin", signed(less))


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b'{"magic": 1}',
        b"\xff",
        b'{"magic":"lexmax snapshot","format_version":9}',
        b'{"magic":"lexmax snapshot","format_version":1,"members":{"a":{"bytes":"x","sha256":1}}}',
    ],
)
def test_a_manifest_of_another_kind_is_refused(tar: Path, tmp_path: Path, manifest: bytes) -> None:
    found = members(tar.read_bytes()) | {MANIFEST: manifest}
    with pytest.raises(SnapshotError, match="MANIFEST"):
        feed(tmp_path / "twin", tar_of(found))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON documents BEGIN DELETE FROM documents; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE other (x)",
        "DROP TABLE ingests",
        "PRAGMA user_version = 99",
        "UPDATE settings SET value = 'x' WHERE name = 'encoders'",
        "UPDATE settings SET value = '7' WHERE name = 'fields'",
        "UPDATE documents SET text = 'changed'",
    ],
)
def test_a_stranger_in_the_catalog_is_refused(tar: Path, tmp_path: Path, statement: str) -> None:
    found = members(tar.read_bytes())
    catalog = tmp_path / "x.sqlite"
    catalog.write_bytes(found["catalog.sqlite"])
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute(statement)
    found["catalog.sqlite"] = catalog.read_bytes()
    catalog.unlink()
    with pytest.raises(SnapshotError) as raised:
        feed(tmp_path / "twin", signed(found))
    assert str(tmp_path) not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets.tar"]


def test_limits_hold(tar: Path, tmp_path: Path) -> None:
    content = tar.read_bytes()
    for limits in ({"n_bytes": len(content) - 1}, {"n_members": 3}):
        with pytest.raises(SnapshotError, match="more than may be restored"):
            feed(tmp_path / "twin", content, **limits)
    feed(tmp_path / "twin", content, n_bytes=len(content), n_members=100)
