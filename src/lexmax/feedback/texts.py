"""Which texts are asked when a query is put together with what answers it?

Li, Mourad, Zhuang, Koopman & Zuccon, arXiv 2108.11044, section 3.1: `concatenated` asks one text
(CT), `concatenated_each` one a passage (CA), `windows` one a part of all passages (SW). Where there
are several, each gives a ranking, and the rankings become one: by `mean_scores`, `max_scores`,
`lexmax.fusion.weighted_sum(..., missing="zero")` (CombSUM) or `lexmax.fusion.borda`.

Texts are not cut: encoders cut at what their models read. Words are what white space separates.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import InputError
from lexmax.fusion import Row
from lexmax.types import best_first


def concatenated(query: str, passages: Sequence[str]) -> str:
    """The query, then all passages (CT); passages without words are left out."""
    return " ".join([query, *_wordy(passages)])


def concatenated_each(query: str, passages: Sequence[str]) -> list[str]:
    """The query with each passage (CA); the query alone where no passage has words."""
    return [f"{query} {passage}" for passage in _wordy(passages)] or [query]


def windows(query: str, passages: Sequence[str], *, size: int = 64, stride: int = 32) -> list[str]:
    """The query with each window over the words of all passages, one behind the other (SW).

    Windows begin every `stride` words and have `size` of them; the last ends with the last word.
    The query alone where no passage has words.

    Raises:
        InputError: if a size or stride is less than one, or the stride skips words.
    """
    if not 1 <= stride <= size:
        raise InputError(f"found size {size} and stride {stride}; expected 1 <= stride <= size")
    words = " ".join(passages).split()
    last = max(len(words) - size, 0)
    starts = [*range(0, last, stride), last] if words else []
    return [" ".join([query, *words[start : start + size]]) for start in starts] or [query]


def mean_scores(rankings: Sequence[Row]) -> Row:
    """The mean of a document's scores; a ranking that lacks it counts with its least score.

    Empty rankings do not count. Returns ordinals and scores, best first, ties by ordinal.
    """
    ordinals, table = _table(rankings)
    floors = np.nanmin(table, axis=1, keepdims=True, initial=np.inf)
    means = np.where(np.isnan(table), floors, table).mean(axis=0)
    return best_first(ordinals, means.astype(np.float32), len(ordinals))


def max_scores(rankings: Sequence[Row]) -> Row:
    """The greatest of a document's scores. Best first, ties by ordinal."""
    ordinals, table = _table(rankings)
    return best_first(ordinals, np.nanmax(table, axis=0).astype(np.float32), len(ordinals))


def _table(rankings: Sequence[Row]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All ordinals, ascending, and scores by ranking that holds any; NaN where one is missing."""
    filled = [row for row in rankings if len(row[0])] or [_NOTHING]
    ordinals = np.unique(np.concatenate([found for found, _ in filled]))
    table = np.full((len(filled), len(ordinals)), np.nan)
    for i, (found, scores) in enumerate(filled):
        table[i, np.searchsorted(ordinals, found)] = scores
    return ordinals, table


def _wordy(passages: Sequence[str]) -> list[str]:
    return [passage for passage in passages if passage.strip()]


_NOTHING: Row = (np.zeros(0, np.int64), np.zeros(0, np.float32))
