"""Does a document answer a query, yes or no, by a language model?

The score is what the model says of the two words behind the prompt: the probability of yes against
no. Nogueira et al. 2020 (arXiv 2003.06713) with an encoder and a decoder; Qwen3-Reranker (arXiv
2506.05176) with a decoder alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders.logit_model import LogitModel
from lexmax.encoders.reranker_prompts import YesNoPrompt
from lexmax.errors import EncoderError, QueryError


class Texts(Protocol):
    """A tokenizer to which names of special tokens are text."""

    def first(self, text: str, limit: int) -> NDArray[np.int64]:
        """The first `limit` ids without markers, or all where the text has fewer."""
        ...


@dataclass(frozen=True, slots=True)
class PromptedTexts:
    """Token ids of prompts.

    Attributes:
        pieces: The tokenizer of texts.
        prompt: The words around them.
        head: Ids of the prompt's head, special tokens among them, int64.
        tail: Ids of its tail, int64.
        max_tokens: Tokens of a prompt; what is too much is cut off the document's end.

    Raises:
        EncoderError: if `max_tokens` leaves no room for a query.
    """

    pieces: Texts
    prompt: YesNoPrompt
    head: NDArray[np.int64]
    tail: NDArray[np.int64]
    max_tokens: int

    def __post_init__(self) -> None:
        around = self.max_tokens - self._room()
        if self._room() <= len(self._lead("")):
            raise EncoderError(
                f"prompts have {self.max_tokens} tokens at most, of which the words around query "
                f"and document take {around + len(self._lead(''))}; allow more tokens"
            )

    def rows(self, query: str, texts: Sequence[str]) -> list[NDArray[np.int64] | None]:
        """Ids of the prompt of each text; None where it, or the query, has no words.

        Raises:
            QueryError: if the query leaves no room for documents.
        """
        if not query.strip():
            return [None] * len(texts)
        room, lead = self._room(), self._lead(query)
        if len(lead) >= room:
            raise QueryError(
                f"the query and the words around it take {len(lead)} tokens; expected fewer than "
                f"{room}, so that documents have room; shorten it, or allow more tokens"
            )
        return [self._row(query, text, room) for text in texts]

    def _row(self, query: str, text: str, room: int) -> NDArray[np.int64] | None:
        if not text.strip():
            return None
        prompt = self.prompt
        said = prompt.query_lead + query + prompt.document_lead + text
        return np.concatenate([self.head, self.pieces.first(said, room), self._end(), self.tail])

    def _room(self) -> int:
        return self.max_tokens - len(self.head) - len(self._end()) - len(self.tail)

    def _end(self) -> NDArray[np.int64]:
        return self.pieces.first(self.prompt.document_end, self.max_tokens)

    def _lead(self, query: str) -> NDArray[np.int64]:
        # A space at the end is of the document's first piece.
        lead = self.prompt.query_lead + query + self.prompt.document_lead
        return self.pieces.first(lead.rstrip(), self.max_tokens)


class YesNo:
    """A causal language model that is asked about each document.

    Batches hold prompts of similar length within a budget of tokens, and a score does not depend
    on its neighbours (within 1e-5). May be used from many threads.

    Attributes:
        texts: How prompts become tokens.
        yes: Id of the token that says yes.
        no: Id of the token that says no; None where the score is of yes alone.
    """

    def __init__(
        self,
        model: LogitModel,
        texts: PromptedTexts,
        *,
        yes: int,
        no: int | None,
        spec: str,
        fingerprint: str,
        activation: Callable[[torch.Tensor], torch.Tensor] = torch.sigmoid,
    ) -> None:
        """`model` gives logits (b, width, n_tokens)."""
        self.texts = texts
        self.yes = yes
        self.no = no
        self._model = model
        self._activation = activation
        self._spec = spec
        self._fingerprint = fingerprint

    @property
    def spec(self) -> str:
        """What `Encoders.pairs` makes this very scorer from."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """Files and parameters that scores depend on; not where the files are."""
        return self._fingerprint

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probability of yes for each document, float32 (n_texts,).

        A text without words scores -inf; so does every text if the query has none.

        Raises:
            QueryError: if the query leaves no room for documents.
        """
        return self.score_many([(query, texts)])[0]

    def score_many(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[NDArray[np.float32]]:
        """As `score`, for each query with its documents; all share batches.

        Raises:
            QueryError: if a query leaves no room for documents.
        """
        rows = [row for query, texts in asked for row in self.texts.rows(query, texts)]
        scores = np.full(len(rows), -np.inf, dtype=np.float32)
        for batch in self._model.batches([0 if row is None else len(row) for row in rows]):
            filled = [rows[int(i)] for i in batch]
            scores[batch] = self._scores([row for row in filled if row is not None])
        return np.split(scores, np.cumsum([len(texts) for _, texts in asked])[:-1])

    def _scores(self, rows: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        ids, mask = _left_padded(rows, self._model.pad_id)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if "position_ids" in self._model.takes:
            # Positions count from the first token, not from the padding before it.
            inputs["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
        last = {"logits_to_keep": 1} if "logits_to_keep" in self._model.takes else {}
        logits = self._model.logits(inputs, **last)[:, -1]
        said = logits[:, self.yes]
        if self.no is not None:
            said = said - logits[:, self.no]
        found: NDArray[np.float32] = self._activation(said).numpy()
        return found


def _left_padded(
    rows: Sequence[NDArray[np.int64]], pad_id: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, int64 (b, width): every row ends where the batch ends."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = row
        mask[i, width - len(row) :] = 1
    return torch.as_tensor(ids), torch.as_tensor(mask)
