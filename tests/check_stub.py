"""Holds the committed stub of the native module against the one that the built module gives."""

import sys
from pathlib import Path

from nanobind.stubgen import StubGen

import lexmax.index._native as native

STUB = Path(__file__).parent.parent / "index" / "_native.pyi"


def main() -> int:
    """Compare, or with `--write` replace; 1 where they differ."""
    generator = StubGen(module=native)
    generator.put(native)
    fresh = generator.get()
    if "--write" in sys.argv:
        STUB.write_text(fresh)
        return 0
    if not STUB.exists() or STUB.read_text() != fresh:
        sys.stderr.write(f"{STUB} is out of date; run `make stub` and commit it\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
