"""Where may a long text be cut, so that each piece can be read and found by itself?

A token is here at most six letters or digits of a word, or one other character that is no space;
of scripts that are written without spaces (U+2E80 and on) every character is one. In English text
that is about one word piece of a transformer: abstracts of SciFact have .94 pieces a token on
average and never more than 1.2, so 180 tokens fit an encoder of 256 pieces. No tokenizer is asked:
a text has the same passages whatever encodes it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, InputError
from lexmax.types import Document, Json

MAX_WINDOW = 100_000

Span: TypeAlias = tuple[int, int]
Spans: TypeAlias = NDArray[np.int32]
"""Start and end of passages in characters, int32 (n, 2)."""

_WIDE = "\u2e80-\U0010ffff"
_TOKEN = re.compile(rf"(?!\s)[{_WIDE}]|[^\W{_WIDE}]{{1,6}}|[^\w\s]")
# What ends a sentence and the white space behind it, or an empty line. A run of points is looked
# at from its first one only: texts of nothing but points would take quadratic time.
_SENTENCE_END = re.compile(
    r"""(?<![.!?\u2026])[.!?\u2026]++["'\u2019\u201d)\]\u00bb]*+\s++"""
    r"""|[\u3002\uff01\uff1f]++[\u300d\u300f\u201d\uff09]*+\s*+"""
    r"""|\n\s*\n\s*"""
)


@dataclass(frozen=True, slots=True)
class PassagePlan:
    """How long passages are and how far one begins behind the other, in tokens.

    A passage has at most `window` tokens. The next begins at most `stride` tokens further on, and
    never behind the end of the one before.

    Raises:
        InputError: if not 1 <= stride <= window <= 100,000.
    """

    window: int = 180
    stride: int = 90

    def __post_init__(self) -> None:
        numbers = (self.window, self.stride)
        is_whole = all(type(n) is int for n in numbers)
        if not is_whole or not 1 <= self.stride <= self.window <= MAX_WINDOW:
            raise InputError(
                f"found passages of {self.window!r} tokens, one every {self.stride!r}; expected "
                f"whole numbers, 1 <= stride <= window <= {MAX_WINDOW:,}, such as 180/90"
            )

    @staticmethod
    def parse(text: str) -> "PassagePlan":
        """The plan that a text such as "180/90" (window/stride) says.

        Raises:
            InputError: if it is none.
        """
        window, slash, stride = text.partition("/")
        if not slash or not all(part.isascii() and part.isdigit() for part in (window, stride)):
            raise InputError(f"found passages {text!r:.40}; expected WINDOW/STRIDE, such as 180/90")
        return PassagePlan(int(window[:9]), int(stride[:9]))

    @staticmethod
    def from_json(written: Json) -> "PassagePlan | None":
        """The plan of a catalog's setting; None for null.

        Raises:
            CorruptionError: if it is something else.
        """
        if written is None:
            return None
        try:
            if isinstance(written, Mapping) and set(written) == {"window", "stride"}:
                return PassagePlan(written["window"], written["stride"])  # type: ignore[arg-type]
        except InputError:
            pass
        raise CorruptionError(
            f"the plan of passages is {written!r:.100}; expected window and stride; restore a "
            "backup"
        )

    def to_json(self) -> dict[str, Json]:
        """What `from_json` reads."""
        return asdict(self)


def split(text: str, plan: PassagePlan) -> list[Span]:
    """Start and end, in characters, of each passage of a text, both ascending.

    Every character that is no space is in a passage. One begins where a sentence begins, if any
    does in the second half of the stride, else at a word, else between tokens; likewise it ends
    where a sentence ends in the second half of the window. A text of at most `window` tokens is one
    passage, one without tokens an empty one.
    """
    tokens = [match.span() for match in _TOKEN.finditer(text)]
    if not tokens:
        return [(0, 0)]
    if len(tokens) <= plan.window:
        return [(tokens[0][0], tokens[-1][1])]
    places = _Places.of(text, tokens)
    return [(tokens[first][0], tokens[last - 1][1]) for first, last in places.windows(plan)]


def split_all(texts: Iterable[str], plan: PassagePlan) -> tuple[NDArray[np.int64], Spans]:
    """Passages of each text: how many, (n_texts,), and all their spans, (n_passages, 2)."""
    found = [split(text, plan) for text in texts]
    counts = np.array([len(spans) for spans in found], dtype=np.int64)
    flat = [span for spans in found for span in spans]
    return counts, np.array(flat, dtype=np.int32).reshape(-1, 2)


def passage_texts(documents: Sequence[Document], spans: Spans | None) -> list[str]:
    """What is encoded of each row: the title and the passage, or the whole document without spans.

    Args:
        documents: The document of each row.
        spans: Of each row; None if documents are not split.
    """
    if spans is None:
        return [document.full_text for document in documents]
    return [
        f"{document.title} {document.text[start:stop]}".strip()
        for document, (start, stop) in zip(documents, spans.tolist(), strict=True)
    ]


def _is_end(match: re.Match[str]) -> bool:
    """Whether a sentence ends there: a small letter goes on with one, as in "e.g. this"."""
    behind = match.string[match.end() : match.end() + 1]
    return not behind.islower() or match.group().count("\n") > 1


@dataclass(frozen=True, slots=True)
class Rows:
    """What is encoded of some documents, and where it comes from.

    Attributes:
        places: Which of the documents each row is of, int64 (n_rows,), ascending.
        spans: Of each row; None where documents are not split.
        texts: Of each row.
    """

    places: NDArray[np.int64]
    spans: Spans | None
    texts: list[str]

    @staticmethod
    def of(documents: Sequence[Document], plan: PassagePlan | None) -> "Rows":
        """A row a passage; without a plan a row a document."""
        if plan is None:
            return Rows(np.arange(len(documents)), None, passage_texts(documents, None))
        counts, spans = split_all((document.text for document in documents), plan)
        places = np.repeat(np.arange(len(documents)), counts)
        texts = passage_texts([documents[place] for place in places.tolist()], spans)
        return Rows(places, spans, texts)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a text of `n` tokens may be cut: before which tokens a sentence or a word begins."""

    n: int
    sentences: list[int]
    words: list[int]

    @staticmethod
    def of(text: str, tokens: Sequence[Span]) -> "_Places":
        words = [i for i in range(1, len(tokens)) if tokens[i][0] > tokens[i - 1][1]]
        first_at = {start: i for i, (start, _) in enumerate(tokens)}
        begins = (match.end() for match in _SENTENCE_END.finditer(text) if _is_end(match))
        return _Places(len(tokens), [first_at[at] for at in begins if at in first_at], words)

    def windows(self, plan: PassagePlan) -> list[Span]:
        """First token of each passage, and the one behind its last."""
        found: list[Span] = []
        first = stop = 0
        while first + plan.window < self.n:
            # Each ends further on than the one before, or it would be a part of that.
            half = first + plan.window // 2
            stop = self._last(max(half, stop), first + plan.window)
            found.append((first, stop))
            furthest = min(first + plan.stride, stop)
            first = self._last(first + (furthest - first) // 2, furthest)
        return [*found, (first, self.n)]

    def _last(self, after: int, limit: int) -> int:
        """The last place to cut at in (after, limit]: a sentence, else a word, else the limit."""
        for places in (self.sentences, self.words):
            found = bisect_right(places, limit) - 1
            if found >= 0 and places[found] > after:
                return places[found]
        return limit
