"""What are the contextual states of these tokens?

A backbone is a transformer without a head. What is made of its states (token vectors, term
weights, one pooled vector) is the business of sinks, several of which may share one forward pass.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders.batches import plan_batches
from lexmax.encoders.device import AUTO, chosen_device, chosen_dtype, inference
from lexmax.encoders.turns import Turns
from lexmax.errors import EncoderError

PAD_TO = 8
"""What widths of batches are a multiple of on a graphics processor."""

# Of twice as many, the C library gives the memory of activations back to the system after each
# layer, and a sixth of the time goes into page faults.
BATCH_TOKENS = 1024
"""Tokens of one batch on a CPU, padding counted."""

# Enough to fill a graphics processor with texts of any length.
_BATCH_TOKENS_ON_GPU = 16_384


@dataclass(frozen=True, slots=True)
class States:
    """One batch that went through the transformer; all tensors on the backbone's device.

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


@dataclass(frozen=True, slots=True)
class PaddedRows:
    """Rows of token ids side by side: what a transformer takes.

    Attributes:
        ids: int64 (b, width), padding included.
        mask: Which of them are tokens, bool (b, width).
        attention: Which of them others may attend to, int64 0 or 1, (b, width).
    """

    ids: torch.Tensor
    mask: torch.Tensor
    attention: torch.Tensor

    @staticmethod
    def of(
        rows: Sequence[NDArray[np.int64]],
        *,
        pad_id: int,
        attended: Sequence[int] | NDArray[np.int64] | None = None,
        pad_to: int = PAD_TO,
    ) -> "PaddedRows":
        """All rows, padded to the longest one and, where lengths differ, to a multiple.

        Args:
            rows: Token ids of each text, int64 (its tokens,).
            pad_id: Stands behind the end of a row.
            pad_to: What the width is a multiple of.
            attended: How many leading tokens of each row others may attend to; None for all.
        """
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        width = int(lengths.max(initial=0))
        if width != int(lengths.min(initial=width)):
            width = -(-width // pad_to) * pad_to
        ids = np.full((len(rows), width), pad_id, dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        places = np.arange(width)
        mask = places < lengths[:, None]
        seen = mask if attended is None else places < np.asarray(attended)[:, None]
        return PaddedRows(
            torch.as_tensor(ids), torch.as_tensor(mask), torch.as_tensor(seen.astype(np.int64))
        )

    def to(self, device: torch.device) -> "PaddedRows":
        """The same on a device."""
        return PaddedRows(
            self.ids.to(device, non_blocking=True),
            self.mask.to(device, non_blocking=True),
            self.attention.to(device, non_blocking=True),
        )


class Backbone:
    """A transformer that gives states to sinks; may be used from many threads.

    Batches hold rows of similar length, padded to one width, within a budget of tokens.

    Attributes:
        model: The transformer; its weights are float32.
        dim: Coordinates of one state.
        pad_id: The token that stands behind the end of a text.
        special_ids: Tokens that are no content of a text, such as [CLS], [SEP] and [PAD].
        fingerprint: Hash of weights and tokenizer; equal ones give equal states.
        device: Where it computes.
        dtype: In which numbers matrices are multiplied: "float32", "bfloat16" or "float16".
        n_users: How many have got it from `loaded_once`.
    """

    def __init__(
        self,
        model: Any,
        *,
        dim: int,
        pad_id: int,
        fingerprint: str,
        special_ids: Iterable[int] = (),
        device: str | None = None,
        dtype: str | None = None,
    ) -> None:
        """`model(input_ids, attention_mask)` gives `.last_hidden_state`.

        It stays where it is where `device` is None, and so does what is no torch module.

        Raises:
            EncoderError: if the device is not there, or not made for numbers of this dtype.
        """
        self.device = _place_of(model) if device is None else chosen_device(device)
        self.dtype = chosen_dtype(dtype, self.device)
        self.model: Any = model.to(self.device) if isinstance(model, torch.nn.Module) else model
        self.dim = dim
        self.pad_id = pad_id
        self.special_ids = frozenset({pad_id, *special_ids})
        self.fingerprint = fingerprint
        self.n_users = 0
        self._turns = Turns()

    @staticmethod
    def from_folder(folder: Path, *, device: str = AUTO, dtype: str | None = None) -> "Backbone":
        """The transformer in a folder of the transformers library; once in a process.

        Args:
            folder: Holds config.json, safetensors and tokenizer.json.
            device: Where it computes, as `chosen_device` takes it.
            dtype: In which numbers; None for what the device is good at.

        Raises:
            EncoderError: if a file is missing or damaged, weights are pickles or not those that
                the config asks for, or the device is not there.
        """
        from lexmax.encoders.loaded_backbones import of_folder

        return of_folder(folder, device=device, dtype=dtype)

    @property
    def batch_tokens(self) -> int:
        """Tokens of one batch, padding counted."""
        return BATCH_TOKENS if self.device.type == "cpu" else _BATCH_TOKENS_ON_GPU

    @property
    def pad_to(self) -> int:
        """What the width of a batch is a multiple of; a CPU would only compute the padding."""
        return 1 if self.device.type == "cpu" else PAD_TO

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

        Raises:
            EncoderError: if the model gives NaN or infinity.
        """
        for chosen in self.batches([len(row) for row in rows]):
            seen = None if attended is None else attended[chosen]
            states = self._states(chosen, [rows[int(i)] for i in chosen], seen)
            for sink in sinks:
                sink.take(states)

    def batches(self, lengths: Sequence[int]) -> list[NDArray[np.int64]]:
        """Which rows of these lengths go through the model together; empty ones are left out."""
        sizes = np.asarray(lengths, dtype=np.int64)
        filled = np.flatnonzero(sizes)
        padded = -(-sizes[filled] // self.pad_to) * self.pad_to
        return [filled[batch] for batch in plan_batches(padded, max_tokens=self.batch_tokens)]

    def hidden(self, given: PaddedRows) -> torch.Tensor:
        """Last hidden states (b, width, dim) of one batch; gradients flow where they are on."""
        hidden: torch.Tensor = self.model(given.ids, given.attention).last_hidden_state
        return hidden

    def content(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Which tokens are content, bool (b, width): `mask` without special tokens."""
        special = torch.tensor(sorted(self.special_ids), device=ids.device)
        return mask & ~torch.isin(ids, special)

    def with_own_weights(self) -> "Backbone":
        """The same with a copy of the weights, which may be trained."""
        return Backbone(
            copy.deepcopy(self.model),
            dim=self.dim,
            pad_id=self.pad_id,
            fingerprint=self.fingerprint,
            special_ids=self.special_ids,
            device=str(self.device),
            dtype=self.dtype,
        )

    def _states(
        self,
        chosen: NDArray[np.int64],
        rows: Sequence[NDArray[np.int64]],
        seen: NDArray[np.int64] | None,
    ) -> States:
        given = PaddedRows.of(rows, pad_id=self.pad_id, attended=seen, pad_to=self.pad_to)
        given = given.to(self.device)
        with self._turns, inference(self.device, self.dtype):
            hidden = self.hidden(given).float()
        if not bool(torch.isfinite(hidden.sum())):
            self._require_finite(hidden[given.mask])
        return States(chosen, given.ids, given.mask, hidden)

    def _require_finite(self, hidden: torch.Tensor) -> None:
        """Sums may overflow, and states of padding do not count: look at each of the others."""
        if not bool(torch.isfinite(hidden).all()):
            raise EncoderError(
                f"the model gives NaN or infinity on {self.device} in {self.dtype}; "
                "expected finite states; its weights are damaged, or float16 is too small for it: "
                "download it again, or use dtype=float32"
            )


def _place_of(model: Any) -> torch.device:
    weights = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    first = next(weights, None)
    return torch.device("cpu") if first is None else first.device
