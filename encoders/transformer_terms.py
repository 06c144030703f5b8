"""What does a transformer weigh each term of its vocabulary in a text?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders import shared_pass
from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.term_pruning import TermPruning, batch_of
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch

Head: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From states (b, width, dim) and bool (b, width) to weights (b, n_terms), as `MlmHead` has it."""

_KEEP_ALL = TermPruning()


@dataclass(frozen=True, slots=True)
class TransformerTerms:
    """Texts through a backbone and a head over its vocabulary.

    Attributes:
        backbone: Gives the states.
        head: Gives the weights of all terms.
        pieces: Make ids of texts.
        max_tokens: Pieces of a text that are read, markers counted.
        pruning: Which terms are kept.
        prompt: Stands before every text that has pieces.
    """

    backbone: Backbone
    head: Head
    pieces: Pieces
    max_tokens: int
    pruning: TermPruning = _KEEP_ALL
    prompt: str = ""

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        return self.shared_head().encode(texts)

    def shared_head(self) -> shared_pass.Head[SparseBatch]:
        """How texts are encoded, for those who share a pass through the backbone."""
        return shared_pass.Head(
            self.backbone,
            lambda texts: shared_pass.TokenRows(self.token_rows(texts)),
            lambda rows: KeptTerms(len(rows.ids), self.head, self.pruning),
        )

    def token_rows(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Token ids of each text, markers included; none for a text without pieces."""
        rows = [self.pieces.marked(text, self.max_tokens) for text in texts]
        if not self.prompt:
            return rows
        return [
            self.pieces.marked(self.prompt + text, self.max_tokens) if len(row) else row
            for text, row in zip(texts, rows, strict=True)
        ]


class KeptTerms:
    """A sink that keeps of each batch's weights, (b, n_terms), the terms above zero."""

    def __init__(self, n_rows: int, head: Head, pruning: TermPruning) -> None:
        self._head = head
        self._pruning = pruning
        nothing = np.empty(0, np.uint32), np.empty(0, np.float32)
        self._rows = [nothing] * n_rows

    def take(self, states: States) -> None:
        """Weigh the terms of these rows.

        Markers count as tokens of the text, as they do where such models are trained.

        Raises:
            EncoderError: if a weight is no finite number.
        """
        with torch.inference_mode():
            weights = self._head(states.hidden, states.mask).float().cpu().numpy()
        if not np.isfinite(weights).all():
            raise EncoderError(
                "the model gives a text weights of NaN or infinity; expected finite ones; its "
                "weights are damaged or too large: copy it again, or take another checkpoint"
            )
        for place, i in enumerate(states.rows):
            self._rows[i] = self._pruning.row(weights[place])

    def batch(self) -> SparseBatch:
        """Rows of all texts, in their order."""
        return batch_of(self._rows)
