"""What are the token ids of a text, behind the prompt and the marker of its side?

Encoders that tell queries from documents do it by a prompt, which is text ("query: "), or by a
marker, which is one token of its own ("[Q] " of PyLate, "[unused0]" of ColBERT).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EncoderError


class TextPieces(Protocol):
    """A tokenizer, as `lexmax.encoders.pieces.Pieces` is one."""

    @property
    def before(self) -> NDArray[np.int64]:
        """Ids of the tokens that begin every text, such as [CLS]."""
        ...

    @property
    def after(self) -> NDArray[np.int64]:
        """Ids of the tokens that end every text, such as [SEP]."""
        ...

    def first(self, text: str, limit: int) -> NDArray[np.int64]:
        """The first `limit` ids without those, or all where the text has fewer."""
        ...


@runtime_checkable
class NamesPieces(Protocol):
    """A tokenizer that can say what its ids stand for."""

    @property
    def names(self) -> Mapping[int, str]:
        """Piece by id."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands before every text of a side.

    Attributes:
        ids: Special tokens of the prompt, which no text can write, int64.
        text: The rest of it; its pieces may join with those of the text.
    """

    ids: tuple[int, ...] = ()
    text: str = ""


NO_PROMPT = Prompt()


@dataclass(frozen=True, slots=True)
class MarkedTexts:
    """Token ids of the texts of one side.

    Attributes:
        pieces: The tokenizer.
        max_tokens: Tokens of a text that are read, with prompt and markers; the rest is left out.
        prompt: Stands before every text.
        marker: Id of the token that is set in behind the first one; None for none.

    Raises:
        EncoderError: if `max_tokens` leaves no room for text.
    """

    pieces: TextPieces
    max_tokens: int
    prompt: Prompt = NO_PROMPT
    marker: int | None = None

    def __post_init__(self) -> None:
        around = self.n_around + len(self.pieces.first(self.prompt.text, self.max_tokens))
        if self.max_tokens <= around:
            raise EncoderError(
                f"texts have {self.max_tokens} tokens at most, of which prompt and markers take "
                f"{around}; expected room for at least one of the text; allow more tokens"
            )

    @property
    def n_around(self) -> int:
        """Tokens of a text that are neither its own nor of the prompt's text."""
        fixed = len(self.pieces.before) + len(self.prompt.ids) + len(self.pieces.after)
        return fixed + (self.marker is not None)

    @property
    def n_prompt(self) -> int:
        """Tokens before the text: markers and prompt."""
        ahead = len(self.pieces.before) + len(self.prompt.ids) + (self.marker is not None)
        return ahead + len(self.pieces.first(self.prompt.text, self.max_tokens))

    def rows(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Ids of each text, int64 (its tokens,); none for a text that has none of its own."""
        room = self.max_tokens - self.n_around
        alone = self.pieces.first(self.prompt.text, room)
        return [self._row(text, room, alone) for text in texts]

    def names(self, ids: NDArray[np.int64]) -> list[str]:
        """What these ids stand for; the ids themselves where the tokenizer does not say."""
        names: Mapping[int, str] = {}
        if isinstance(self.pieces, NamesPieces):
            names = self.pieces.names
        return [names.get(int(token), f"#{token}") for token in ids]

    def _row(self, text: str, room: int, alone: NDArray[np.int64]) -> NDArray[np.int64]:
        own = self.pieces.first(self.prompt.text + text, room)
        if not text.strip() or np.array_equal(own, alone):
            return np.empty(0, dtype=np.int64)
        head = np.array(self.prompt.ids, dtype=np.int64)
        row = np.concatenate([self.pieces.before, head, own, self.pieces.after])
        return row if self.marker is None else np.insert(row, 1, self.marker)
