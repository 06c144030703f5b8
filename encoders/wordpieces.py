"""Which word pieces does a text begin with?"""

import string
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


class WordPieces:
    """BERT word pieces of the beginning of a text.

    Reads only as much of a text as the wanted pieces need, so that a text of a megabyte costs
    what its first page costs. Names of special tokens, such as "[SEP]", are text like any other.
    """

    def __init__(self, path: Path) -> None:
        """Reads `path`, a `tokenizer.json`."""
        tokenizer: Any = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer

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

    def _ids(self, text: str) -> NDArray[np.int64]:
        whole = text.encode("utf-8", "replace").decode("utf-8")  # A lone surrogate becomes "?".
        # One text a call: the batch call starts threads that complain on a later fork.
        return np.array(self._tokenizer.encode(whole, add_special_tokens=False).ids, dtype=np.int64)


def _last_end_of_word(text: str, size: int) -> int:
    """The last position up to `size` before which a word surely ends; 0 if none is near."""
    for end in range(size, max(size - _FARTHEST, 0), -1):
        if text[end] in _ENDS_WORD or "\u4e00" <= text[end] <= "\u9fff":
            return end
    return 0
