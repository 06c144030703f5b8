"""How is a file packed? As its name says."""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import zstandard

_LEVEL = 3


def packed(path: Path, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a file of this name: .zst and .gz are packed, anything else is left alone.

    Equal blocks give equal bytes.
    """
    packer: Any
    if path.suffix == ".zst":
        packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    elif path.suffix == ".gz":
        # By zlib and not by gzip, which would put the time into the head.
        packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    else:
        yield from blocks
        return
    for block in blocks:
        yield packer.compress(block)
    yield packer.flush()
