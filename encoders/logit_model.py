"""What does a transformer with a head say of these tokens?"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders.backbone import Backbone
from lexmax.encoders.device import inference
from lexmax.encoders.turns import Turns
from lexmax.errors import EncoderError


class LogitModel:
    """A model whose outputs are logits; may be used from many threads.

    Attributes:
        pad_id: The token that fills rows up.
        takes: Names of what its forward pass may be given.
    """

    def __init__(self, model: Any, *, pad_id: int, device: str | None = None) -> None:
        """`model(**inputs)` gives `.logits`; it is moved to the device.

        Raises:
            EncoderError: if the device is not there.
        """
        self.pad_id = pad_id
        self.takes = frozenset(inspect.signature(model.forward).parameters)
        # A backbone knows where this machine computes best, and in which numbers.
        self._place = Backbone(model, dim=0, pad_id=pad_id, fingerprint="", device=device)
        self._turns = Turns()

    def batches(self, lengths: Sequence[int]) -> list[NDArray[np.int64]]:
        """Which rows of these lengths go through the model together."""
        return self._place.batches(lengths)

    def logits(self, inputs: Mapping[str, torch.Tensor], **others: Any) -> torch.Tensor:
        """Logits of one batch, float32, on the CPU.

        Raises:
            EncoderError: if one of them is NaN or infinite.
        """
        given = {name: tensor.to(self._place.device) for name, tensor in inputs.items()}
        with self._turns, inference(self._place.device, self._place.dtype):
            logits: torch.Tensor = self._place.model(**given, **others).logits.float().cpu()
        if not bool(torch.isfinite(logits).all()):
            raise EncoderError(
                "the model gives logits that are NaN or infinite; expected finite ones; its "
                "weights are damaged: copy or download them again"
            )
        return logits
