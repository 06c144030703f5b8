"""Which pairs of query and document have been scored before?"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TypeAlias

import numpy as np
import xxhash
from numpy.typing import NDArray

from lexmax.errors import InputError

Key: TypeAlias = tuple[str, bytes, bytes]
"""Fingerprint of the scorer, xxh3 of the query, xxh3 of the document's text."""


def digest(text: str) -> bytes:
    """16 bytes that stand for a text, so that a cache does not keep it."""
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))


class ScoreCache:
    """Scores by pair; those that were not asked for longest go first. For many threads.

    An entry takes about 300 bytes, whatever the lengths of its texts.
    """

    def __init__(self, most: int = 65_536) -> None:
        """Keeps `most` pairs; 0 keeps none.

        Raises:
            InputError: if `most` is negative.
        """
        if most < 0:
            raise InputError(f"a cache of {most} scores; expected 0 or more; 0 keeps none")
        self._most = most
        self._scores: OrderedDict[Key, float] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """Pairs that are kept."""
        return len(self._scores)

    def found(self, keys: Sequence[Key]) -> NDArray[np.float32]:
        """Scores of these pairs, float32 (n,), NaN where there is none."""
        scores = np.full(len(keys), np.nan, dtype=np.float32)
        with self._lock:
            for i, key in enumerate(keys):
                if (score := self._scores.get(key)) is not None:
                    self._scores.move_to_end(key)
                    scores[i] = score
        return scores

    def keep(self, keys: Sequence[Key], scores: NDArray[np.float32]) -> None:
        """Remember scores, (n,); NaN is none."""
        with self._lock:
            for key, score in zip(keys, scores.tolist(), strict=True):
                if score == score:
                    self._scores[key] = score
                    self._scores.move_to_end(key)
            while len(self._scores) > self._most:
                self._scores.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._scores.clear()
