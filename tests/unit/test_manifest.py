import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError, IndexFormatError, StorageError
from lexmax.index import manifest
from lexmax.index.durable import to_json
from lexmax.index.manifest import (
    Manifest,
    describe_files,
    file_problems,
    read_manifest,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "small.npy", np.arange(10))
    (tmp_path / "large.bin").write_bytes(bytes(2 << 20))
    return tmp_path


def manifest_of(folder: Path) -> Manifest:
    encoders = {"sparse": {"spec": "bm25", "fingerprint": "bm25"}}
    return Manifest("1-9", 9, 1, 9, encoders, {}, describe_files(folder))


def test_what_was_written_is_read(folder: Path) -> None:
    manifest = manifest_of(folder)
    own = write_manifest(folder, manifest)

    assert read_manifest(folder, expected_xxh3=own) == manifest
    assert file_problems(folder, manifest, thorough=True) == []


def test_every_flipped_byte_of_the_manifest_is_found(folder: Path) -> None:
    write_manifest(folder, manifest_of(folder))
    path = folder / "segment.json"
    written = path.read_bytes()

    for i in range(len(written)):
        path.write_bytes(written[:i] + bytes([written[i] ^ 1]) + written[i + 1 :])
        with pytest.raises((CorruptionError, IndexFormatError)):
            read_manifest(folder)


def test_a_manifest_of_another_segment_is_found(folder: Path) -> None:
    manifest = manifest_of(folder)
    own = write_manifest(folder, manifest)
    write_manifest(folder, replace(manifest, n_docs=8))

    with pytest.raises(CorruptionError, match="differ"):
        read_manifest(folder, expected_xxh3=own)


def test_another_format_version_is_refused(folder: Path) -> None:
    (folder / "segment.json").write_bytes(to_json({"magic": "lexmax segment", "format_version": 5}))

    with pytest.raises(IndexFormatError, match="found format version 5, this build reads 1 to 4"):
        read_manifest(folder)


def test_missing_short_and_changed_files_are_told_apart(folder: Path) -> None:
    manifest = manifest_of(folder)
    small, large = folder / "small.npy", folder / "large.bin"
    content = small.read_bytes()

    small.write_bytes(content[:-1])
    assert "found 207 bytes, expected 208" in file_problems(folder, manifest, thorough=False)[0]
    small.write_bytes(content[:-1] + b"\x01")
    assert "bytes differ" in file_problems(folder, manifest, thorough=False)[0]
    small.unlink()
    assert "missing" in file_problems(folder, manifest, thorough=False)[0]
    small.write_bytes(content)

    large.write_bytes(b"\x01" + bytes((2 << 20) - 1))
    assert file_problems(folder, manifest, thorough=False) == []
    assert "bytes differ" in file_problems(folder, manifest, thorough=True)[0]


def test_what_the_disk_does_not_give_is_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = manifest_of(folder)

    def broken(path: Path) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(manifest, "checksum", broken)
    first, second = file_problems(folder, written, thorough=True)
    assert "large.bin: the disk does not give or take these bytes" in first
    assert "run `lexmax rebuild`" in second


def test_too_many_open_files_are_no_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = manifest_of(folder)

    def refuse(path: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(manifest, "checksum", refuse)
    with pytest.raises(StorageError, match="ulimit -n") as error:
        file_problems(folder, written, thorough=False)
    assert not isinstance(error.value, CorruptionError)
