"""What are the term weights of a text, by a table of one weight a term?

No model runs: pieces are looked up. Queries of such encoders are ready in microseconds (Geng et
al. 2024, arXiv 2411.04403; Nardini et al., "Li-LSR", SIGIR 2025).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.pieces import Pieces
from lexmax.encoders.term_pruning import batch_of
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch, TermStatistics

Duplicates = Literal["set", "sum"]

_MAX_KNOWN_WORDS = 1 << 16
_LONGEST_KNOWN = 64

_Row = tuple[NDArray[np.uint32], NDArray[np.float32]]


class TermTable:
    """Weights of pieces, whatever stands around them.

    Weights of zero and below are none: a piece that has one is left out of every text.

    Attributes:
        pieces: Make ids of texts.
        weights: Weight of every id of the vocabulary, float32 (n_terms,).
        duplicates: Whether a piece that stands twice counts once ("set", as idf tables are
            trained) or twice ("sum", as Li-LSR's code has it).
        max_tokens: Pieces of a text that are read.
        prompt: Stands before every text that has pieces.
    """

    def __init__(
        self,
        pieces: Pieces,
        weights: NDArray[np.float32],
        *,
        duplicates: Duplicates = "set",
        max_tokens: int = 512,
        prompt: str = "",
    ) -> None:
        """Checks the table against the vocabulary.

        Raises:
            EncoderError: if it has too few weights, one is not finite, or a value is out of range.
        """
        if duplicates not in ("set", "sum"):
            raise EncoderError(f"duplicates is {duplicates!r}; expected set or sum")
        if max_tokens < 1:
            raise EncoderError(f"max_tokens is {max_tokens}; expected 1 or more")
        if weights.ndim != 1 or len(weights) <= max(pieces.names):
            raise EncoderError(
                f"a table of shape {weights.shape} for a vocabulary of {len(pieces.names):,} "
                "pieces; expected one weight each; take the tokenizer that the table was made with"
            )
        if not np.isfinite(weights).all():
            raise EncoderError("the table of weights holds NaN or infinity; expected finite ones")
        self.pieces = pieces
        self.weights = np.maximum(weights, 0).astype(np.float32)
        self.duplicates: Duplicates = duplicates
        self.max_tokens = max_tokens
        self.prompt = prompt
        self._known = _KnownWords(pieces)

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        return batch_of([self._row(text) for text in texts])

    def _row(self, text: str) -> _Row:
        found = self._ids(text)
        if self.prompt and found:
            found = self._ids(self.prompt + text)
        counts: dict[int, int] = {}
        for piece in found:
            counts[piece] = counts.get(piece, 0) + 1
        term_ids = np.array(sorted(counts), dtype=np.uint32)
        weights = self.weights[term_ids]
        if self.duplicates == "sum" and len(counts) < len(found):
            weights = weights * np.array([counts[i] for i in term_ids.tolist()], dtype=np.float32)
        if weights.all():
            return term_ids, weights
        return term_ids[weights > 0], weights[weights > 0]

    def _ids(self, text: str) -> list[int]:
        # A text of more characters than words could fill is rare; its beginning is enough.
        if not self.pieces.splits_at_spaces or len(text) > 16 * self.max_tokens:
            return list(self.pieces.first(text, self.max_tokens).tolist())
        return self._known.ids(text.split(" "))[: self.max_tokens]


class _KnownWords(dict[str, list[int]]):
    """Pieces by word, found on first use; emptied when it grows past its bound."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self._pieces = pieces

    def ids(self, words: Sequence[str]) -> list[int]:
        """Piece ids of all words, one after another."""
        new = [word for word in words if word not in self]
        if len(new) > 1:
            self._learn([word for word in new if len(word) <= _LONGEST_KNOWN and word.isascii()])
        found: list[int] = []
        for word in words:
            found += self[word]
        return found

    def __missing__(self, word: str) -> list[int]:
        found = self._pieces.ids(word)
        if len(word) <= _LONGEST_KNOWN:
            self._keep(word, found)
        return found

    def _learn(self, words: Sequence[str]) -> None:
        """Find the pieces of several words by one call, which takes little longer than one."""
        ids, starts = self._pieces.ids_and_starts(" ".join(words))
        end, at = -1, 0
        for word in words:
            end += 1 + len(word)
            first = at
            at = bisect_left(starts, end, first)
            self._keep(word, ids[first:at])

    def _keep(self, word: str, found: list[int]) -> None:
        if len(self) >= _MAX_KNOWN_WORDS:
            self.clear()
        self[word] = found


@dataclass(frozen=True, slots=True)
class InferenceFree:
    """A sparse encoder of both sides by one table, as `idf:PATH` names it.

    Its use is with documents that a model expands: `splade:MODEL?queries=idf:PATH`. By itself it
    weighs documents as it does queries, so that the score of a document is the sum of squares of
    the weights of the pieces that it shares with the query.

    Attributes:
        spec: What `Encoders.sparse` makes this very encoder from.
        fingerprint: Hashes of the table and of the vocabulary, and how duplicates count.
        table: Of both sides.
    """

    spec: str
    fingerprint: str
    table: TermTable

    def fitted(self, sample: Sequence[str]) -> "InferenceFree":
        """Itself: its weights are those of the table."""
        return self

    def encode_documents(self, texts: Sequence[str]) -> SparseBatch:
        """As `encode_queries`."""
        return self.table.encode(texts)

    def encode_queries(self, texts: Sequence[str], statistics: TermStatistics) -> SparseBatch:
        """One row a text, whatever the collection knows; an empty text gives an empty row."""
        return self.table.encode(texts)

    def term(self, term_id: int, texts: Sequence[str]) -> str:
        """The piece of this id.

        Raises:
            EncoderError: if the vocabulary has no such id.
        """
        return piece_of(term_id, self.table.pieces.names)

    def own_terms(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Ids of each text's pieces, ascending."""
        return self.table.pieces.distinct(texts)

    def vocabulary(self, texts: Sequence[str]) -> Mapping[int, str]:
        """All pieces by id."""
        return self.table.pieces.names


def piece_of(term_id: int, names: Mapping[int, str]) -> str:
    """The piece of this id.

    Raises:
        EncoderError: if the vocabulary has no such id.
    """
    if term_id not in names:
        raise EncoderError(
            f"term {term_id} is none of the {len(names):,} pieces of the vocabulary; "
            "expected a term of this encoder's own"
        )
    return names[term_id]
