"""Which word pieces does a text begin with?"""

import json
import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

_CHARACTERS_A_PIECE = 16
"""Read at first for each piece wanted; about three times what English takes."""

_FARTHEST = 512
"""Characters that are searched for the end of a word."""

# BERT's tokenizer ends a word before each of these, and before each Chinese character, whatever
# stands around it.
_ENDS_WORD = frozenset(" \n\t\r。、" + string.punctuation)

# In texts of these characters BERT's words are runs of letters and digits, and single others.
_PLAIN = re.compile(r"[\t\n\r -~]*")
_WORD = re.compile(r"[A-Za-z0-9]+|[!-/:-@\[-`{-~]")
_BETWEEN_SPACES = re.compile(r"[^\t\n\r ]+")

_KNOWN_WORDS = 1 << 16
"""Words whose pieces are remembered: some 15 MB."""

_LONGEST_KNOWN = 32


class WordPieces:
    """BERT word pieces of the beginning of a text.

    Reads only as much of a text as the wanted pieces need, so that a text of a megabyte costs
    what its first page costs. Names of special tokens, such as "[SEP]", are text like any other.
    Pieces of words are remembered; may be used from many threads.
    """

    def __init__(self, path: Path) -> None:
        """Reads `path`, a `tokenizer.json`."""
        tokenizer: Any = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        written = json.loads(tokenizer.to_str())
        self._splits_at_spaces = _splits_at_spaces(written)
        normalizer: Mapping[str, Any] = written["normalizer"] or {}
        self._lower = bool(normalizer.get("lowercase"))
        self._known: dict[str, list[int]] = {}

    def first(self, text: str, limit: int) -> NDArray[np.int64]:
        """The first `limit` word piece ids, or all where the text has fewer."""
        # Word pieces depend on their own word only, so those of a part that ends between two
        # words are the first of the whole.
        size = limit * _CHARACTERS_A_PIECE
        while size < len(text):
            end = _last_end_of_word(text, size)
            if end > 0 and len(ids := self._ids(text[:end])) >= limit:
                return ids[:limit]
            size *= 4
        return self._ids(text)[:limit]

    def names(self, ids: NDArray[np.int64]) -> list[str]:
        """The pieces of these ids."""
        return [str(self._tokenizer.id_to_token(int(piece_id))) for piece_id in ids]

    def _ids(self, text: str) -> NDArray[np.int64]:
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode("utf-8")  # A lone surrogate becomes "?".
        whole = self._by_words if self._splits_at_spaces else self._by_tokenizer
        return np.array(whole(text), dtype=np.int64)

    def _by_words(self, text: str) -> list[int]:
        """As `_by_tokenizer`, and many times as fast once the words are known."""
        ids: list[int] = []
        known = self._known
        for word in self._words(text):
            pieces = known.get(word)
            ids += self._learned(word) if pieces is None else pieces
        return ids

    def _words(self, text: str) -> Iterator[str]:
        """Parts whose pieces, joined, are those of the text."""
        if _PLAIN.fullmatch(text):
            yield from _WORD.findall(text.lower() if self._lower else text)
            return
        for part in _BETWEEN_SPACES.findall(text):
            if _PLAIN.fullmatch(part):
                yield from _WORD.findall(part.lower() if self._lower else part)
            else:
                yield part

    def _learned(self, word: str) -> list[int]:
        pieces = self._by_tokenizer(word)
        if len(word) <= _LONGEST_KNOWN:
            if len(self._known) >= _KNOWN_WORDS:
                self._known = {}
            self._known[word] = pieces
        return pieces

    def _by_tokenizer(self, text: str) -> list[int]:
        # One text a call: the batch call starts threads that complain on a later fork.
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return found


def _splits_at_spaces(written: Mapping[str, Any]) -> bool:
    """Whether this is BERT's tokenizer, with no piece that could reach over the end of a word."""
    parts: list[Mapping[str, Any]] = [
        written[part] or {} for part in ("model", "pre_tokenizer", "normalizer")
    ]
    kinds = [part.get("type") for part in parts]
    return (
        kinds[:2] == ["WordPiece", "BertPreTokenizer"]
        and kinds[2] in (None, "BertNormalizer")
        and all(token["special"] for token in written["added_tokens"])
    )


def _last_end_of_word(text: str, size: int) -> int:
    """The last position up to `size` before which a word surely ends; 0 if none is near."""
    for end in range(size, max(size - _FARTHEST, 0), -1):
        if text[end] in _ENDS_WORD or "\u4e00" <= text[end] <= "\u9fff":
            return end
    return 0
