"""What does the transformer say about these texts, while a head is trained on it?

A frozen transformer says the same in every epoch: its states are computed once and kept on the
disk in float16. A trainable one computes them anew, with gradients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray

from lexmax.encoders.backbone import Backbone, PaddedRows, States
from lexmax.encoders.loaded_backbones import take_out
from lexmax.encoders.training.state_cache import StateCache
from lexmax.errors import EncoderError
from lexmax.types import ranges

Rows = Sequence[NDArray[np.int64]]

# States of so many tokens are held in memory before they go to the disk: 48 MiB at 384.
_TOKENS_A_WRITE = 1 << 16
_TEXTS_A_PART = 4096


@dataclass(frozen=True, slots=True)
class TextStates:
    """States of a batch of texts, in their order; all tensors on the backbone's device.

    Attributes:
        ids: Token ids, int64 (b, width), padding included.
        mask: Which of them are tokens of the text or its markers, bool (b, width).
        content: Those of them that are no special tokens, bool (b, width).
        hidden: Last hidden states, float32 (b, width, dim), zero where `mask` is false.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    content: torch.Tensor
    hidden: torch.Tensor


class StateSource:
    """Gives the states of texts to what is trained on them.

    Attributes:
        backbone: The transformer.
        trainable: Whether gradients reach its weights.
    """

    def __init__(
        self,
        backbone: Backbone,
        tokenize: Callable[[Sequence[str]], Rows],
        *,
        trainable: bool,
        cache: Path | None,
    ) -> None:
        """Opens the cache, if there is one.

        Args:
            backbone: Gives the states. When frozen, its fingerprint stands for its weights.
            tokenize: Token ids of each text, markers included, int64 (its tokens,).
            trainable: Compute with gradients, in the mode (train or eval) that the model is in.
            cache: Folder to keep states of a frozen backbone in, float16; None computes them
                anew each time. Processes may share it.

        Raises:
            EncoderError: if `cache` is given for a trainable backbone, or cannot be written, or
                other encoders of this process use the backbone that is to be trained.
        """
        if trainable and cache is not None:
            raise EncoderError(
                f"found the cache {cache} for a backbone that is trained, whose states change "
                "with every step; expected none; train with a frozen backbone, or without a cache"
            )
        if trainable:
            take_out(backbone)
        self.backbone = backbone
        self.trainable = trainable
        self._tokenize = tokenize
        self._cache = (
            None
            if cache is None
            else StateCache(cache, fingerprint=backbone.fingerprint, dim=backbone.dim)
        )

    def states(self, texts: Sequence[str]) -> TextStates:
        """States of every text; one without tokens has `mask` false everywhere.

        Raises:
            EncoderError: if the model gives NaN or infinity.
            DiskFullError: if the cache has no room for them.
        """
        return self.states_of(self._tokenize(texts))

    def states_of(self, rows: Rows, *, attended: NDArray[np.int64] | None = None) -> TextStates:
        """States of rows of token ids.

        Args:
            rows: Token ids of each text, markers included, int64 (its tokens,).
            attended: How many leading tokens of each row the others may attend to, (n_rows,);
                None for all.

        Raises:
            EncoderError: if the model gives NaN or infinity.
            DiskFullError: if the cache has no room for them.
        """
        given = PaddedRows.of(rows, pad_id=self.backbone.pad_id).to(self.backbone.device)
        if self.trainable:
            hidden = self._with_gradient(rows, attended, given.mask)
        elif self._cache is None:
            hidden = self._computed(rows, attended, given.mask)
        else:
            hidden = self._stored(self._cache, rows, attended, given.mask)
        content = self.backbone.content(given.ids, given.mask)
        return TextStates(given.ids, given.mask, content, hidden)

    def fill(
        self, texts: Sequence[str], *, progress: Callable[[int], None] = lambda done: None
    ) -> None:
        """Compute and store the states of all texts that are not in the cache yet.

        Memory does not grow with the number of texts. `progress` is told how many are done.

        Raises:
            EncoderError: if there is no cache, or the model gives NaN or infinity.
            DiskFullError: if the cache has no room for them; a second call goes on.
        """
        if self._cache is None:
            raise EncoderError("found no cache to fill; expected a folder given as `cache`")
        for start, stop in ranges(len(texts), _TEXTS_A_PART):
            self._store(self._cache, self._tokenize(texts[start:stop]), None)
            progress(stop)

    def _with_gradient(
        self, rows: Rows, attended: NDArray[np.int64] | None, mask: torch.Tensor
    ) -> torch.Tensor:
        batches = self.backbone.batches([len(row) for row in rows])
        whole = torch.zeros((*mask.shape, self.backbone.dim), device=mask.device)
        if not batches:
            return whole
        parts = [self._part_with_gradient(rows, attended, chosen, whole) for chosen in batches]
        places = torch.as_tensor(np.concatenate(batches)).to(mask.device)
        return whole.index_copy(0, places, torch.cat(parts)) * mask[:, :, None]

    def _part_with_gradient(
        self,
        rows: Rows,
        attended: NDArray[np.int64] | None,
        chosen: NDArray[np.int64],
        whole: torch.Tensor,
    ) -> torch.Tensor:
        """States of the chosen rows, as wide as `whole`."""
        seen = None if attended is None else attended[chosen]
        some = [rows[int(i)] for i in chosen]
        given = PaddedRows.of(some, pad_id=self.backbone.pad_id, attended=seen).to(whole.device)
        hidden = self.backbone.hidden(given).float()
        return torch.nn.functional.pad(hidden, (0, 0, 0, whole.shape[1] - hidden.shape[1]))

    def _computed(
        self, rows: Rows, attended: NDArray[np.int64] | None, mask: torch.Tensor
    ) -> torch.Tensor:
        sink = _IntoTensor(torch.zeros((*mask.shape, self.backbone.dim), device=mask.device))
        self.backbone.run(rows, [sink], attended=attended)
        return sink.hidden * mask[:, :, None]

    def _stored(
        self,
        cache: StateCache,
        rows: Rows,
        attended: NDArray[np.int64] | None,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        keys = self._store(cache, rows, attended)
        states = np.zeros((*mask.shape, self.backbone.dim), np.float16)
        for i, row in enumerate(rows):
            if len(row):
                states[i, : len(row)] = cache[keys[i]]
        return torch.as_tensor(states).to(self.backbone.device).float()

    def _store(
        self, cache: StateCache, rows: Rows, attended: NDArray[np.int64] | None
    ) -> list[bytes]:
        """Keys of all rows, whose states are stored when this returns."""
        seen = [len(row) for row in rows] if attended is None else attended
        keys = [_key(row, int(n)) for row, n in zip(rows, seen, strict=True)]
        new = {key: i for i, key in enumerate(keys) if len(rows[i]) and key not in cache}
        chosen = list(new.values())
        if chosen:
            sink = _IntoCache(cache, list(new))
            of_new = None if attended is None else attended[chosen]
            self.backbone.run([rows[i] for i in chosen], [sink], attended=of_new)
            sink.flush()
        return keys


def _key(row: NDArray[np.int64], attended: int) -> bytes:
    digest = xxhash.xxh3_128(np.asarray(row, "<i8").tobytes())
    if attended != len(row):
        digest.update(f"attended={attended}".encode())
    return digest.digest()


class _IntoTensor:
    """Copies states to their rows; the tensor may be saved for a backward pass."""

    def __init__(self, hidden: torch.Tensor) -> None:
        self.hidden = hidden

    def take(self, states: States) -> None:
        rows = torch.as_tensor(states.rows).to(self.hidden.device)
        self.hidden[rows, : states.hidden.shape[1]] = states.hidden


class _IntoCache:
    """Writes states in float16, many rows at a time."""

    def __init__(self, cache: StateCache, keys: Sequence[bytes]) -> None:
        self._cache = cache
        self._keys = keys
        self._pending: list[tuple[bytes, NDArray[np.float16]]] = []
        self._n_tokens = 0

    def take(self, states: States) -> None:
        half = states.hidden.half()
        if not bool(torch.isfinite(half[states.mask]).all()):
            raise EncoderError(
                "the model gives states that float16 cannot hold (NaN, infinity or above 65,504); "
                "expected finite ones; check its weights, or train without a cache"
            )
        array: NDArray[np.float16] = half.cpu().numpy()
        mask: Any = states.mask
        lengths: list[int] = mask.sum(dim=1).tolist()
        for place, (i, length) in enumerate(zip(states.rows, lengths, strict=True)):
            kept: NDArray[np.float16] = array[place, :length].copy()
            self._pending.append((self._keys[int(i)], kept))
            self._n_tokens += length
        if self._n_tokens >= _TOKENS_A_WRITE:
            self.flush()

    def flush(self) -> None:
        """Write what is held in memory."""
        if self._pending:
            self._cache.append(
                [key for key, _ in self._pending], [states for _, states in self._pending]
            )
        self._pending, self._n_tokens = [], 0
