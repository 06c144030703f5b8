"""Which terms does a text hold?"""

import importlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any

from lexmax.errors import EncoderError

_ENGLISH = (
    "a an and are as at be but by for if in into is it no not of on or such "
    "that the their then there these they this to was will with"
)
ENGLISH_STOP_WORDS = frozenset(_ENGLISH.split())
"""The words that Lucene's English analysis has always dropped."""

STOP_WORDS = {"english": ENGLISH_STOP_WORDS, "none": frozenset[str]()}

MAX_WORD = 255
"""Characters of one word; a longer run, such as an encoded file, is cut into words of this size."""

# Han, kana, Hangul, and Thai, Lao, Khmer and Myanmar without their digits and punctuation.
_UNSPACED = (
    "\u3005-\u3007\u3021-\u3029\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U000323af\u1100-\u11ff\uac00-\ud7a3"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf"
    "\u1780-\u17d3\u17dc\u17dd\u1000-\u103f\u1050-\u108f\u109a-\u109d"
)
_FIRST_UNSPACED = "\u0e01"

_ASCII_WORD = re.compile(f"[a-z0-9]{{1,{MAX_WORD}}}")

# Inside a word these show nothing: soft hyphen, joiners, marks of direction, variation selectors.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)


@cache
def _marks() -> str:
    """Combining marks (Mn, Mc) as the inside of a character class."""
    # Above 0x1f000 the only marks are variation selectors, which are dropped before.
    points = [p for p in range(0x300, 0x1F000) if unicodedata.category(chr(p)) in ("Mn", "Mc")]
    return "".join(re.escape(chr(p)) for p in points)


@cache
def _unicode_word() -> re.Pattern[str]:
    letter = f"[^\\W_{_UNSPACED}]"
    return re.compile(f"[{_UNSPACED}]+|{letter}+(?:[{_marks()}]+{letter}*)*")


def _bigrams(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]


def _parts(word: str) -> Iterator[str]:
    return (word[i : i + MAX_WORD] for i in range(0, len(word), MAX_WORD))


def _unicode_words(text: str) -> Iterator[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFKC", folded))
    unspaced = re.compile(f"[{_UNSPACED}]")
    for word in _unicode_word().findall(visible):
        if word[0] >= _FIRST_UNSPACED and unspaced.match(word):
            yield from _bigrams(word)
        elif len(word) > MAX_WORD:
            yield from _parts(word)
        else:
            yield word


@dataclass(frozen=True, slots=True)
class Analyzer:
    """Cuts text into words, and words into terms; the same for documents and queries.

    A word is a run of letters, digits and the marks that combine with them (Unicode categories
    L, N, Mn and Mc), after NFKC and case folding, so that full-width, ligature and upper-case
    forms meet. Scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) and
    Korean, whose particles are joined to the noun, give overlapping pairs of characters instead.
    Accents are kept.

    Attributes:
        stop_words: "english" drops 33 words that stand in most documents; "none" drops nothing.
        stemmer: A Snowball algorithm such as "english", or None. Needs the extra `lexmax[stem]`.

    Raises:
        EncoderError: if the list or the algorithm is unknown, or PyStemmer is not installed.
    """

    stop_words: str = "english"
    stemmer: str | None = None
    _stop: frozenset[str] = field(init=False, repr=False, compare=False)
    _stem: Any = field(init=False, repr=False, compare=False)
    _lock: Any = field(default_factory=Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.stop_words not in STOP_WORDS:
            raise EncoderError(
                f"stop_words {self.stop_words!r} is not known; expected one of "
                f"{', '.join(sorted(STOP_WORDS))}"
            )
        object.__setattr__(self, "_stop", STOP_WORDS[self.stop_words])
        object.__setattr__(self, "_stem", _stemmer(self.stemmer))

    def words(self, text: str) -> list[str]:
        """Words in the order of the text, stop words among them."""
        if text.isascii():
            return _ASCII_WORD.findall(text.lower())
        return list(_unicode_words(text))

    def term(self, word: str) -> str:
        """The term that a word is indexed under; empty for a stop word."""
        if word in self._stop:
            return ""
        if self._stem is None:
            return word
        with self._lock:  # A Snowball stemmer keeps its working state in itself.
            return str(self._stem.stemWord(word))

    def terms(self, text: str) -> list[str]:
        """Terms in the order of the text, without stop words."""
        return [term for word in self.words(text) if (term := self.term(word))]


def _stemmer(algorithm: str | None) -> Any:
    if algorithm is None:
        return None
    try:
        snowball: Any = importlib.import_module("Stemmer")
    except ImportError as error:
        raise EncoderError(
            f"stemmer {algorithm!r} needs PyStemmer, which is not installed; "
            "run `pip install lexmax[stem]`, or leave the stemmer out"
        ) from error
    known = sorted(snowball.algorithms())
    if algorithm not in known:
        raise EncoderError(
            f"stemmer {algorithm!r} is not known; expected one of {', '.join(known)}"
        )
    return snowball.Stemmer(algorithm)
