"""How well does a document answer a query, read together by a cross-encoder?

Nogueira & Cho, "Passage Re-ranking with BERT" (arXiv 1901.04085).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders.backbone import PaddedRows
from lexmax.encoders.logit_model import LogitModel
from lexmax.encoders.pair_texts import PairRow, PairTexts


class CrossEncoder:
    """A transformer with a classifying head over the tokens of both texts.

    Batches hold pairs of similar length within a budget of tokens, and a score does not depend on
    its neighbours (within 1e-5). May be used from many threads.

    Attributes:
        texts: How pairs become tokens.
        label: Which of the model's outputs is the score.
    """

    def __init__(
        self,
        model: LogitModel,
        texts: PairTexts,
        activation: Callable[[torch.Tensor], torch.Tensor],
        *,
        spec: str,
        fingerprint: str,
        label: int = 0,
        takes_types: bool = True,
    ) -> None:
        """`model` gives logits (b, n_labels); `takes_types` says whether it knows segments."""
        self.texts = texts
        self.label = label
        self._model = model
        self._activation = activation
        self._spec = spec
        self._fingerprint = fingerprint
        self._takes_types = takes_types

    @property
    def spec(self) -> str:
        """What `Encoders.pairs` makes this very scorer from."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """Files and parameters that scores depend on; not where the files are."""
        return self._fingerprint

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Scores of these documents for the query, float32 (n_texts,).

        A text without words scores -inf; so does every text if the query has none.
        """
        return self.score_many([(query, texts)])[0]

    def score_many(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[NDArray[np.float32]]:
        """As `score`, for each query with its documents; all share batches."""
        rows = [row for query, texts in asked for row in self.texts.rows(query, texts)]
        scores = np.full(len(rows), -np.inf, dtype=np.float32)
        for batch in self._model.batches([0 if row is None else len(row.ids) for row in rows]):
            filled = [rows[int(i)] for i in batch]
            scores[batch] = self._scores([row for row in filled if row is not None])
        return np.split(scores, np.cumsum([len(texts) for _, texts in asked])[:-1])

    def _scores(self, rows: Sequence[PairRow]) -> NDArray[np.float32]:
        given = PaddedRows.of([row.ids for row in rows], pad_id=self._model.pad_id)
        inputs = {"input_ids": given.ids, "attention_mask": given.attention}
        if self._takes_types:
            inputs["token_type_ids"] = PaddedRows.of([row.types for row in rows], pad_id=0).ids
        found: NDArray[np.float32] = self._activation(self._model.logits(inputs)).numpy()
        return found[:, self.label]
