"""What are the token ids of a query and a document, side by side?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.marked_texts import TextPieces
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class PairTemplate:
    """Markers around and between two texts, as in [CLS] query [SEP] document [SEP].

    Attributes:
        before: Ids that begin, int64.
        between: Ids between the two, int64.
        after: Ids that end, int64.
        types: Segment of each part: before, first text, between, second text, after.
    """

    before: NDArray[np.int64]
    between: NDArray[np.int64]
    after: NDArray[np.int64]
    types: tuple[int, int, int, int, int]

    @staticmethod
    def of(tokenizer: Any) -> "PairTemplate":
        """The template of a Rust tokenizer, from a pair of one letter each.

        Raises:
            EncoderError: if it does not keep the two apart.
        """
        found = tokenizer.encode("a", "a")
        ids, types = np.array(found.ids, dtype=np.int64), list(found.type_ids)
        parts = list(found.sequence_ids)
        if 0 not in parts or 1 not in parts or parts.index(0) > parts.index(1):
            raise EncoderError(
                "the tokenizer does not put a second text behind the first; expected the tokenizer "
                "of a model that reads pairs; take the one that the model was trained with"
            )
        first = _span(parts, 0)
        second = _span(parts, 1)
        between = ids[first[1] : second[0]]
        kinds = (
            types[0],
            types[first[0]],
            types[first[1]],
            types[second[0]],
            types[-1],
        )
        return PairTemplate(ids[: first[0]], between, ids[second[1] :], kinds)

    @property
    def n_markers(self) -> int:
        """Tokens that are of neither text."""
        return len(self.before) + len(self.between) + len(self.after)


def _span(parts: list[int | None], which: int) -> tuple[int, int]:
    places = [i for i, part in enumerate(parts) if part == which]
    return places[0], places[-1] + 1


@dataclass(frozen=True, slots=True)
class PairRow:
    """One query with one document.

    Attributes:
        ids: int64 (its tokens,).
        types: Segment of each, int64 (its tokens,).
    """

    ids: NDArray[np.int64]
    types: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PairTexts:
    """Token ids of pairs.

    Attributes:
        pieces: The tokenizer.
        template: Its markers.
        max_tokens: Tokens of a pair that are read; more are cut off the longer of the two, then
            off both.
        prompt: Stands before every query.

    Raises:
        EncoderError: if `max_tokens` leaves no room for two texts.
    """

    pieces: TextPieces
    template: PairTemplate
    max_tokens: int
    prompt: str = ""

    def __post_init__(self) -> None:
        least = self.template.n_markers + 2
        if self.max_tokens < least:
            raise EncoderError(
                f"pairs have {self.max_tokens} tokens at most; expected {least} or more, of which "
                f"{least - 2} are markers; allow more tokens"
            )

    def rows(self, query: str, texts: Sequence[str]) -> list[PairRow | None]:
        """A row for each text; None where it, or the query, has no words."""
        room = self.max_tokens - self.template.n_markers
        first = self.pieces.first(self.prompt + query, room)
        if not query.strip() or not len(self.pieces.first(query, 1)):
            return [None] * len(texts)
        return [self._row(first, self.pieces.first(text, room), room) for text in texts]

    def _row(
        self, first: NDArray[np.int64], second: NDArray[np.int64], room: int
    ) -> PairRow | None:
        if len(second) == 0:
            return None
        n_first, n_second = longest_first(len(first), len(second), room)
        known = self.template
        parts = (known.before, first[:n_first], known.between, second[:n_second], known.after)
        return PairRow(np.concatenate(parts), np.repeat(known.types, [len(part) for part in parts]))


def longest_first(n_first: int, n_second: int, room: int) -> tuple[int, int]:
    """Tokens of two texts that remain where both together may have `room`.

    The longer is cut down to the shorter, then both alike; what is odd goes to the longer one, or
    to the second. This is how the tokenizers library cuts pairs ("longest_first").
    """
    if n_first + n_second <= room:
        return n_first, n_second
    short = min(n_first, n_second)
    long = max(short, room - short)
    if short + long > room:
        short, long = room // 2, room - room // 2
    return (short, long) if n_first <= n_second else (long, short)
