import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.index.token_codec import Codec
from lexmax.index.tokens import TokenStoreWriter
from lexmax.types import TokenBatch


def _parts(seed: int, n: int) -> list[TokenBatch]:
    rng = np.random.default_rng(seed)
    return [
        TokenBatch.from_rows(
            [
                rng.standard_normal((int(rng.integers(0, 5)), 3)).astype(np.float32)
                for _ in range(int(rng.integers(0, 4)))
            ],
            3,
        )
        for _ in range(n)
    ]


def _bytes(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 6),
    codec=st.sampled_from(["int8", "fp16"]),
    stops=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), max_size=3),
)
def test_an_interrupted_writer_ends_with_the_same_bytes(
    seed: int, n: int, codec: Codec, stops: list[tuple[int, int, bool]]
) -> None:
    parts = _parts(seed, n)
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder, "whole"), Path(folder, "broken")
        whole.mkdir()
        broken.mkdir()
        writer = TokenStoreWriter(whole, 3, codec=codec)
        for part in parts:
            writer.append(part)
        writer.close()

        # Each stop: this many parts are checkpointed, as many more are lost, some bytes are torn.
        writer, done = TokenStoreWriter(broken, 3, codec=codec), 0
        for kept, lost, torn in stops:
            for part in parts[done : done + kept]:
                writer.append(part)
            done = min(n, done + kept)
            state = writer.checkpoint()
            for part in parts[done : done + lost]:
                writer.append(part)
            if torn:
                for path in broken.iterdir():
                    path.write_bytes(path.read_bytes() + b"\x07")
            writer = TokenStoreWriter.resume(broken, state)
        for part in parts[done:]:
            writer.append(part)
        writer.close()
        assert _bytes(broken) == _bytes(whole)
