"""Whatever is done to a file of vectors, importing it ends, well or with an error of ours."""

import gzip
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from lexmax.building import Silent
from lexmax.errors import LexmaxError
from lexmax.importing import import_vectors
from lexmax.interchange.anserini import read_json_vectors
from lexmax.interchange.ciff import read_ciff
from lexmax.interchange.csr import read_csr
from lexmax.interchange.vectors import Incoming

GOLDEN = Path(__file__).parent.parent / "golden" / "ciff" / "words.ciff"
NUMBERS = GOLDEN.with_name("numbers.ciff.gz")
_ROUNDS = 400


def mutations(original: bytes, seed: int, rounds: int = _ROUNDS) -> Iterator[bytes]:
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        yield original[: rng.integers(len(original))]
        flipped = bytearray(original)
        for _ in range(int(rng.integers(1, 4))):
            flipped[rng.integers(len(original))] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)
        place, width = int(rng.integers(len(original))), int(rng.choice([1, 2, 5, 10]))
        for extreme in (b"\xff", b"\x00", b"\x7f", b"\x80"):
            yield original[:place] + extreme * width + original[place + width :]
        other = int(rng.integers(len(original)))
        yield original[:place] + original[other : other + 30] + original[place:]
        yield original[:place] + original[place + width :]


def drain(incoming: Incoming) -> int:
    ids = np.arange(len(incoming.terms), dtype=np.uint32)
    return sum(len(chunk.weights) for chunk in incoming.chunks(ids))


def _json_lines() -> bytes:
    return b"".join(
        b'{"id": "d%d", "contents": "text", "vector": {"a": %d, "b%d": 1.5}}\n' % (i, i, i)
        for i in range(12)
    )


def _matrix(*, compressed: bool) -> bytes:
    dense = np.random.default_rng(3).integers(0, 3, (9, 7)).astype(np.float32)
    file = BytesIO()
    scipy.sparse.save_npz(file, scipy.sparse.csr_array(dense), compressed=compressed)
    return file.getvalue()


@pytest.mark.parametrize("form", ["ciff", "ciff long", "anserini", "csr", "csr deflated"])
def test_a_damaged_file_is_refused_or_read(tmp_path: Path, form: str) -> None:
    path, workspace = tmp_path / "x", tmp_path / "work"
    workspace.mkdir()
    original = {
        "ciff": GOLDEN.read_bytes,
        # Long enough lists to be decoded as arrays.
        "ciff long": lambda: gzip.decompress(NUMBERS.read_bytes()),
        "anserini": _json_lines,
        "csr": lambda: _matrix(compressed=False),
        "csr deflated": lambda: _matrix(compressed=True),
    }[form]()
    refused: list[str] = []
    rounds = _ROUNDS if len(original) < 5000 else 30
    for content in mutations(original, 11, rounds):
        path.write_bytes(content)
        try:
            if form.startswith("ciff"):
                drain(read_ciff(path, workspace=workspace))
            elif form == "anserini":
                drain(read_json_vectors(path))
            else:
                drain(read_csr(path))
        except LexmaxError as error:
            refused.append(str(error))
    assert len(refused) > rounds
    assert all(str(path) in message for message in refused)


def test_a_damaged_file_leaves_no_collection(tmp_path: Path) -> None:
    path = tmp_path / "x.ciff"
    for i, content in enumerate(mutations(GOLDEN.read_bytes(), 5)):
        if i % 97:
            continue
        path.write_bytes(content)
        target = tmp_path / f"ix{i}"
        try:
            import_vectors(path, target, form="ciff", watcher=Silent())
        except LexmaxError:
            assert not target.exists()
        assert {left.name for left in tmp_path.glob(".*")} == set()
