"""What are the contextual states of these tokens?

A backbone is a transformer without a head. What is made of its states (token vectors, term
weights, one pooled vector) is the business of sinks, several of which may share one forward pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders.batches import plan_batches
from lexmax.encoders.turns import Turns

# 2,048 tokens keep a layer's activations inside the second-level cache of a core; 1,024 to 4,096
# differ by 2 %, 8,192 costs 15 %.
BATCH_TOKENS = 2048
_PAD_TO = 8


@dataclass(frozen=True, slots=True)
class States:
    """One batch that went through the transformer.

    Attributes:
        rows: Which of the given texts these are, int64 (b,).
        ids: Token ids, int64 (b, width), padding included.
        mask: Which of them are tokens of the text or its markers, bool (b, width).
        hidden: Last hidden states, float32 (b, width, dim).
    """

    rows: NDArray[np.int64]
    ids: torch.Tensor
    mask: torch.Tensor
    hidden: torch.Tensor


class Sink(Protocol):
    """Takes the states of all batches of a call, in any order."""

    def take(self, states: States) -> None:
        """Keep what is wanted of these rows; the tensors are not to be changed."""
        ...


class Backbone:
    """A transformer that gives states to sinks; may be used from many threads.

    Batches hold rows of similar length, padded to multiples of 8, within a budget of tokens.

    Attributes:
        dim: Coordinates of one state.
        fingerprint: Hash of weights and tokenizer; equal ones give equal states.
    """

    def __init__(self, model: Any, *, dim: int, pad_id: int, fingerprint: str) -> None:
        """`model(input_ids, attention_mask)` gives `.last_hidden_state`."""
        self.model = model
        self.dim = dim
        self.fingerprint = fingerprint
        self._pad_id = pad_id
        self._turns = Turns()

    def run(
        self,
        rows: Sequence[NDArray[np.int64]],
        sinks: Sequence[Sink],
        *,
        attended: NDArray[np.int64] | None = None,
    ) -> None:
        """Give every row's states to every sink; rows of no tokens are left out.

        Args:
            rows: Token ids of each text, markers included, int64 (its tokens,).
            sinks: Take the states.
            attended: How many leading tokens of each row the others may attend to, (n_rows,);
                None for all. ColBERT's [MASK] tokens see the query and are not seen.
        """
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        seen = lengths if attended is None else attended
        filled = np.flatnonzero(lengths)
        padded = -(-lengths[filled] // _PAD_TO) * _PAD_TO
        for batch in plan_batches(padded, max_tokens=BATCH_TOKENS):
            chosen: NDArray[np.int64] = filled[batch]
            states = self._forward(chosen, [rows[i] for i in chosen], seen, int(padded[batch[0]]))
            for sink in sinks:
                sink.take(states)

    def _forward(
        self,
        chosen: NDArray[np.int64],
        rows: Sequence[NDArray[np.int64]],
        seen: NDArray[np.int64],
        width: int,
    ) -> States:
        ids = torch.full((len(rows), width), self._pad_id, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.bool)
        attention = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.as_tensor(row)
            mask[i, : len(row)] = True
            attention[i, : int(seen[chosen[i]])] = 1
        with self._turns, torch.inference_mode():
            hidden = self.model(ids, attention).last_hidden_state
        return States(chosen, ids, mask, hidden.float())
