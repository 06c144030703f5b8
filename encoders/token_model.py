"""Which late-interaction model is it?

Values only: how texts become tokens, how tokens become vectors, which of the vectors are kept,
and what the model was trained to be good at.
"""

from dataclasses import dataclass
from typing import Literal

from lexmax.encoders.colbert import Expansion, TokenSide
from lexmax.encoders.heads.projection import ProjectionShape
from lexmax.encoders.marked_texts import NO_PROMPT, MarkedTexts, Prompt
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.pooling import Pooling
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class TokenReading:
    """How the texts of one side, queries or documents, are read.

    Attributes:
        max_tokens: Tokens of a text, prompt and markers counted.
        prompt: Stands before every text.
        marker: Id of the token that is set in behind the first one, such as ColBERT's [Q].
        expansion: What short texts are filled up with.
        skipped: Ids of tokens whose vectors are left out: punctuation, or [CLS] and [SEP].
        pooling: How vectors become fewer.
    """

    max_tokens: int = 256
    prompt: Prompt = NO_PROMPT
    marker: int | None = None
    expansion: Expansion | None = None
    skipped: tuple[int, ...] = ()
    pooling: Pooling | None = None

    def side(self, pieces: Pieces) -> TokenSide:
        """The same over a tokenizer.

        Raises:
            EncoderError: if there is no room for text, or an id is none of the tokenizer's.
        """
        named = [*self.prompt.ids, *self.skipped]
        named += [token for token in (self.marker,) if token is not None]
        named += [] if self.expansion is None else [self.expansion.token]
        if strange := [token for token in named if token not in pieces.names]:
            raise EncoderError(
                f"the tokenizer has no token {strange[0]}; expected one of its "
                f"{len(pieces.names):,} ids; take the tokenizer that the model was made for"
            )
        texts = MarkedTexts(pieces, self.max_tokens, self.prompt, self.marker)
        return TokenSide(texts, self.expansion, frozenset(self.skipped))


@dataclass(frozen=True, slots=True)
class LateInteractionModel:
    """A late-interaction model without its weights.

    Attributes:
        projection: From states to vectors.
        queries: How queries are read.
        documents: How documents are read.
        objective: What it was trained for: `maxsim`, or `xtr`, after which scores of tokens that
            were not retrieved may be imputed.
    """

    projection: ProjectionShape
    queries: TokenReading = TokenReading(max_tokens=64)
    documents: TokenReading = TokenReading()
    objective: Literal["maxsim", "xtr"] = "maxsim"


def without_markers(pieces: Pieces, *, max_tokens: int) -> TokenReading:
    """Texts as `minilm` reads them: [CLS] and [SEP] have no vectors."""
    around = {int(token) for token in (*pieces.before, *pieces.after)}
    return TokenReading(max_tokens=max_tokens, skipped=tuple(sorted(around)))
