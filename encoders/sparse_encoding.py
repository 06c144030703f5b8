"""What does a built learned sparse model make of texts?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders.backbone import States
from lexmax.encoders.inference_free import Duplicates, TermTable
from lexmax.encoders.shared_pass import Head, TokenRows
from lexmax.encoders.sparse_parts import SparseParts, content_of, materialised
from lexmax.encoders.sparse_sides import Side, TokenSide
from lexmax.encoders.splade import Side as TextSide
from lexmax.encoders.term_pruning import TermPruning, batch_of
from lexmax.encoders.training.regularizers import Regularizer, TopK
from lexmax.encoders.training.states import TextStates
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch

Expand = Callable[[Sequence[str]], Sequence[str]]
"""From texts to texts with their expansion behind them."""

_KEEP_ALL = TermPruning()


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which terms are kept of each side's texts.

    Attributes:
        document: Of documents.
        query: Of queries.
    """

    document: TermPruning = _KEEP_ALL
    query: TermPruning = _KEEP_ALL


def trained_pruning(parts: SparseParts) -> Pruning:
    """What the model was trained with: k terms on a side that has `TopK`, else all."""
    regularization = parts.model.regularization
    return Pruning(_pruning(regularization.document), _pruning(regularization.query))


def _pruning(regularizer: Regularizer | None) -> TermPruning:
    return TermPruning(top_k=regularizer.k) if isinstance(regularizer, TopK) else _KEEP_ALL


@dataclass(frozen=True, slots=True)
class StatesEncoding:
    """Texts through a transformer and the modules of a side.

    Attributes:
        trunk: Transformer and tokenizer.
        side: From states to weights.
        max_tokens: Pieces of a text that are read, markers counted.
        pruning: Which terms are kept.
        expand: Puts the expansion behind a text, or None.
    """

    trunk: Trunk
    side: Side
    max_tokens: int
    pruning: TermPruning = _KEEP_ALL
    expand: Expand | None = None

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        return self.shared_head().encode(texts)

    def shared_head(self) -> Head[SparseBatch]:
        """How texts are encoded, for those who share a pass through the transformer."""
        return Head(
            self.trunk.backbone,
            lambda texts: TokenRows(self.token_rows(texts)),
            lambda rows: KeptWeights(len(rows.ids), self),
        )

    def token_rows(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Token ids of each text, markers included; none for a text without pieces."""
        expanded = texts if self.expand is None else self.expand(texts)
        return [self.trunk.pieces.marked(text, self.max_tokens) for text in expanded]

    def weights(self, states: States) -> torch.Tensor:
        """Weights of all terms, (b, n_terms), of texts that went through the transformer."""
        texts = TextStates(states.ids, states.mask, states.mask, states.hidden)
        weights: torch.Tensor = self.side(content_of(texts, self.trunk.special_ids))
        return weights


class KeptWeights:
    """A sink that keeps of each batch's weights the terms above zero that pruning leaves."""

    def __init__(self, n_rows: int, encoding: StatesEncoding) -> None:
        self._encoding = encoding
        nothing = np.empty(0, np.uint32), np.empty(0, np.float32)
        self._rows = [nothing] * n_rows

    def take(self, states: States) -> None:
        """Weigh the terms of these rows; negative weights are dropped, as no index takes them.

        Raises:
            EncoderError: if a weight is no finite number.
        """
        with torch.inference_mode():
            weights = self._encoding.weights(states).float().cpu().numpy()
        if not np.isfinite(weights).all():
            raise EncoderError(
                "the model gives a text weights of NaN or infinity; expected finite ones; its "
                "weights are damaged or too large: copy it again, or take another checkpoint"
            )
        for place, i in enumerate(states.rows):
            self._rows[i] = self._encoding.pruning.row(weights[place])

    def batch(self) -> SparseBatch:
        """Rows of all texts, in their order."""
        return batch_of(self._rows)


@dataclass(frozen=True, slots=True)
class TableEncoding:
    """Texts by the table that a side is at this moment; made anew for every call.

    Attributes:
        trunk: Its tokenizer, and which tokens are special: those weigh nothing.
        side: Weighs tokens whatever stands around them.
        max_tokens: Pieces of a text that are read, markers counted.
        pruning: Which terms are kept.
        expand: Puts the expansion behind a text, or None.
    """

    trunk: Trunk
    side: TokenSide
    max_tokens: int
    pruning: TermPruning = _KEEP_ALL
    expand: Expand | None = None

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        expanded = texts if self.expand is None else self.expand(texts)
        return pruned(self.table().encode(expanded), self.pruning)

    def table(self) -> TermTable:
        """The table, for those who keep it."""
        weights = materialised(self.side).numpy()
        weights[sorted(self.trunk.special_ids)] = 0
        duplicates: Duplicates = "sum" if self.side.repeats == "sum" else "set"
        limit = self.max_tokens - self.trunk.pieces.n_markers
        return TermTable(self.trunk.pieces, weights, duplicates=duplicates, max_tokens=limit)


@dataclass(frozen=True, slots=True)
class PrunedTable:
    """Texts by a table, and which terms are kept.

    Attributes:
        table: Gives the weights.
        pruning: Which terms are kept.
    """

    table: TermTable
    pruning: TermPruning

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        return pruned(self.table.encode(texts), self.pruning)


def pruned(batch: SparseBatch, pruning: TermPruning) -> SparseBatch:
    """The batch with the terms that pruning leaves of each row."""
    if pruning == _KEEP_ALL:
        return batch
    kept: list[tuple[NDArray[np.uint32], NDArray[np.float32]]] = []
    for i in range(len(batch)):
        term_ids, weights = batch.row(i)
        places, left = pruning.row(weights)
        kept.append((term_ids[places], left))
    return batch_of(kept)


def document_encoding(
    parts: SparseParts, pruning: Pruning, *, expand: Expand | None = None
) -> TextSide:
    """How documents become weights, with whatever the modules hold when it is called."""
    return _encoding(
        parts.documents, parts.document, parts.limits.document, pruning.document, expand
    )


def query_encoding(
    parts: SparseParts, pruning: Pruning, *, expand: Expand | None = None
) -> TextSide:
    """How queries become weights, with whatever the modules hold when it is called."""
    return _encoding(parts.queries, parts.query, parts.limits.query, pruning.query, expand)


def _encoding(
    trunk: Trunk, side: Side, max_tokens: int, pruning: TermPruning, expand: Expand | None
) -> TextSide:
    if isinstance(side, TokenSide):
        return TableEncoding(trunk, side, max_tokens, pruning, expand)
    return StatesEncoding(trunk, side, max_tokens, pruning, expand)
