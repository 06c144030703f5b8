"""Whatever is done to a saved index, it is refused, or it answers; it never crashes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index.sparse import SparseIndex
from lexmax.types import Hits, SparseBatch

_ROUNDS = 60
_NAMES = [
    *("sparse.terms", "sparse.steps", "sparse.doc_freqs", "sparse.window_starts"),
    *("sparse.window_ptr", "sparse.list_terms", "sparse.list_ptr"),
    *("sparse.offsets", "sparse.impacts"),
    *("forward.indptr", "forward.terms", "forward.weights"),
]


def _documents() -> SparseBatch:
    rng = np.random.default_rng(3)
    return SparseBatch.from_rows(
        [
            {int(t): float(rng.random() + 0.01) for t in rng.choice(30, rng.integers(0, 9))}
            for _ in range(150)
        ]
    )


def _mutations(original: bytes, seed: int) -> Iterator[bytes]:
    rng = np.random.default_rng(seed)
    for _ in range(_ROUNDS):
        yield original[: rng.integers(len(original))]
        flipped = bytearray(original)
        flipped[rng.integers(len(original))] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)
        for extreme in (b"\xff", b"\x00", b"\x7f", b"\x80"):
            place, width = int(rng.integers(64, len(original))), int(rng.choice([1, 4, 8, 64]))
            yield (original[:place] + extreme * width + original[place + width :])[: len(original)]
        noise = bytearray(original)
        noise[128:] = rng.bytes(len(original) - 128)
        yield bytes(noise)
        yield original + rng.bytes(int(rng.integers(1, 20)))


def _use(folder: Path) -> None:
    queries = SparseBatch.from_rows([{t: 1.0 + t for t in range(30)}, {3: 1.0}, {99: 1.0}, {}])
    index = SparseIndex.open(folder)
    index.doc_freqs(np.arange(40, dtype=np.uint32))
    for k in (1, 1000):
        alive = np.arange(index.n_docs) % 3 > 0
        assert isinstance(index.search(queries, k, alive=alive), Hits)
    index.weights(np.arange(index.n_docs))


@pytest.mark.parametrize("name", _NAMES)
def test_a_damaged_file_is_refused_or_answers(tmp_path: Path, name: str) -> None:
    SparseIndex.build(_documents(), window_docs=40).save(tmp_path)
    path = tmp_path / f"{name}.npy"
    original = path.read_bytes()
    refusals: list[str] = []
    for mutated in _mutations(original, seed=_NAMES.index(name)):
        path.write_bytes(mutated)
        try:
            _use(tmp_path)
        except CorruptionError as error:
            refusals.append(str(error))
    assert all(refusal.startswith(str(tmp_path)) for refusal in refusals)
    # Every cut file, at the least, and every one with bytes added.
    assert len(refusals) >= 2 * _ROUNDS
