"""A snapshot is the same whatever the pieces are that it comes in."""

import io
import itertools
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lexmax.archiving import Archive
from lexmax.collection import Collection
from lexmax.errors import SnapshotError
from lexmax.restoring import Restoring
from lexmax.snapshot_tar import BLOCK, MANIFEST, SnapshotManifest, Written, header, read_header
from lexmax.types import Document

NAMES = st.sampled_from(
    [
        "catalog.sqlite",
        "segments/000000000001-000000000040/sparse.rows.npy",
        f"relevance/{'a' * 64}/adapter-{'0' * 32}.safetensors",
        MANIFEST,
    ]
)


@given(name=NAMES, n_bytes=st.integers(0, 1 << 33), modified_s=st.integers(0, 1 << 33))
def test_headers_are_read_as_written(name: str, n_bytes: int, modified_s: int) -> None:
    written = header(name, n_bytes, modified_s=modified_s)
    assert len(written) == BLOCK
    assert read_header(written) == (name, n_bytes)
    member = tarfile.TarInfo.frombuf(written, "utf-8", "strict")
    assert (member.name, member.size, member.isreg()) == (name, n_bytes, True)


@given(block=st.binary(min_size=BLOCK, max_size=BLOCK))
def test_other_blocks_are_refused_or_end_it(block: bytes) -> None:
    try:
        assert read_header(block) is None
        assert not any(block)
    except SnapshotError:
        pass


@given(
    members=st.dictionaries(
        NAMES.filter(lambda name: name != MANIFEST),
        st.builds(Written, st.integers(0, 1 << 50), st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
    ),
    generation=st.integers(0, 1 << 60),
)
def test_manifests_are_read_as_written(members: dict[str, Written], generation: int) -> None:
    manifest = SnapshotManifest(generation, "2026-01-01T00:00:00Z", members)
    assert SnapshotManifest.from_bytes(manifest.to_bytes()) == manifest


@given(content=st.binary(max_size=200))
def test_other_manifests_are_refused(content: bytes) -> None:
    with pytest.raises(SnapshotError):
        SnapshotManifest.from_bytes(content)


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("made") / "pets"
    with Collection.create(path, multivector=None) as collection:
        collection.add([Document(str(i), f"a cat {i}") for i in range(9)])
        collection.flush()
    with Archive(path) as archive:
        return b"".join(archive.chunks())


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 100_000), max_size=60), step=st.integers(1, 3000))
def test_pieces_of_any_size_make_the_same_files(
    tar: bytes, tmp_path_factory: pytest.TempPathFactory, cuts: list[int], step: int
) -> None:
    places = sorted({0, *(min(cut, len(tar)) for cut in cuts), *range(0, len(tar), step), len(tar)})
    folder = tmp_path_factory.mktemp("restored")
    with Restoring(folder / "twin") as restoring:
        for start, end in itertools.pairwise(places):
            restoring.feed(tar[start:end])
        found = {
            path.relative_to(folder / ".twin.restoring").as_posix(): path.read_bytes()
            for path in (folder / ".twin.restoring").rglob("*")
            if path.is_file() and path.name != "writer.lock"
        }
    assert found == _files(tar)
    assert not list(folder.iterdir())


def _files(tar: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        files = {member.name: opened.extractfile(member) for member in opened.getmembers()}
        return {
            name: file.read()
            for name, file in files.items()
            if file is not None and name != MANIFEST
        }
