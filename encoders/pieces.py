"""Which pieces of a tokenizer's vocabulary does a text give?"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers

from lexmax.encoders.wordpieces import WordPieces
from lexmax.errors import EncoderError


class Pieces:
    """Any `tokenizer.json`: word pieces, byte pairs, unigrams.

    Names of special tokens in a text, such as "[SEP]", are text like any other. Of a long text
    only the beginning is read where the tokenizer is one of BERT's kind.

    Attributes:
        names: Piece by id.
        before: Markers that stand before a text, such as [CLS], int64.
        after: Markers that stand behind it, such as [SEP], int64.
        vocabulary_hash: xxh3 (128 bits) of all pieces and their ids; only under equal ones does
            an id mean the same.
        splits_at_spaces: Whether the pieces of a text are those of its parts between spaces.
    """

    def __init__(self, path: Path, *, lower_case: bool = False) -> None:
        """Reads `path`, a `tokenizer.json`; texts are lower-cased first where that is wanted.

        Raises:
            EncoderError: if the file is missing or damaged.
        """
        self._tokenizer: Any = _tokenizer(path)
        names: dict[str, int] = self._tokenizer.get_vocab()
        by_id = sorted((piece_id, name) for name, piece_id in names.items())
        self.names: Mapping[int, str] = MappingProxyType(dict(by_id))
        self.vocabulary_hash = _hash_of(by_id)
        self.splits_at_spaces = _is_berts(json.loads(self._tokenizer.to_str()))
        self.before, self.after = self._markers(path)
        self._words = WordPieces(path) if self.splits_at_spaces and not lower_case else None
        if lower_case:
            _lower_case_first(self._tokenizer)

    @property
    def n_markers(self) -> int:
        """Markers that stand around a text."""
        return len(self.before) + len(self.after)

    def first(self, text: str, limit: int) -> NDArray[np.int64]:
        """The first `limit` piece ids without markers, or all where the text has fewer."""
        if self._words is not None:
            return self._words.first(text, limit)
        return np.array(self.ids(text)[:limit], dtype=np.int64)

    def ids(self, text: str) -> list[int]:
        """All piece ids without markers."""
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode("utf-8")  # A lone surrogate becomes "?".
        # One text a call: the batch call starts threads that complain on a later fork.
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return found

    def distinct(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Ids of all pieces of each text without markers, each once, ascending."""
        return [np.unique(np.array(self.ids(text), dtype=np.uint32)) for text in texts]

    def ids_and_starts(self, text: str) -> tuple[list[int], list[int]]:
        """All piece ids without markers, and at which character of the ASCII text each begins."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return found.ids, [start for start, _ in found.offsets]

    def marked(self, text: str, max_tokens: int) -> NDArray[np.int64]:
        """Piece ids between markers, `max_tokens` in all at most; none where the text has none."""
        pieces = self.first(text, max_tokens - self.n_markers)
        return np.concatenate([self.before, pieces, self.after]) if len(pieces) else pieces

    def _markers(self, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        encoded = self._tokenizer.encode("a")
        inner = np.flatnonzero(np.array(encoded.special_tokens_mask) == 0)
        if len(inner) == 0:
            raise EncoderError(
                f"{path} gives no piece for the letter a; expected the tokenizer of a text model"
            )
        ids = np.array(encoded.ids, dtype=np.int64)
        return ids[: inner[0]], ids[inner[-1] + 1 :]


def _tokenizer(path: Path) -> Any:
    if not path.is_file():
        raise EncoderError(
            f"{path.parent} lacks {path.name}; copy or download the model again, whole; where it "
            "has an older vocabulary file instead, run "
            f'`python -c "from transformers import AutoTokenizer as T; '
            f"T.from_pretrained('{path.parent}').save_pretrained('{path.parent}')\"`"
        )
    try:
        tokenizer: Any = Tokenizer.from_file(str(path))
    except Exception as error:
        raise EncoderError(
            f"{path} is damaged ({error}); expected a tokenizer; copy or download it again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def _is_berts(written: Mapping[str, Any]) -> bool:
    """BERT's own splitting at white space, with no piece that could reach over one."""
    parts: list[Any] = [written[part] for part in ("model", "pre_tokenizer", "normalizer")]
    kinds = [None if part is None else part.get("type") for part in parts]
    return (
        kinds[:2] == ["WordPiece", "BertPreTokenizer"]
        and kinds[2] in (None, "BertNormalizer")
        and all(token["special"] for token in written["added_tokens"])
    )


def _lower_case_first(tokenizer: Any) -> None:
    found = tokenizer.normalizer
    steps: list[Any] = [normalizers.Lowercase(), *([] if found is None else [found])]
    tokenizer.normalizer = normalizers.Sequence(steps)


def _hash_of(by_id: list[tuple[int, str]]) -> str:
    digest = xxhash.xxh3_128()
    for piece_id, name in by_id:
        digest.update(f"{piece_id}\0{name}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
