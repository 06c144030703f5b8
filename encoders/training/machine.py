"""On which device, and in which numbers, is computed?"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from lexmax.errors import TrainingError

Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Machine:
    """A device, and the dtype of its matrix products; weights stay float32."""

    device: torch.device
    dtype: torch.dtype

    @staticmethod
    def chosen(device: str, precision: Precision) -> "Machine":
        """What a configuration names, or what this machine does best.

        bfloat16 is chosen only where the GPU computes in it itself.

        Raises:
            TrainingError: if there is no such device, or it does not compute so.
        """
        found = _device(device)
        if precision == "auto":
            return Machine(found, _best(found))
        if found.type == "cpu" and precision != "fp32":
            raise TrainingError(
                f"precision is {precision}, and the device is a CPU, which would be slower so; "
                "expected fp32; leave precision out, or train on a GPU"
            )
        if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise TrainingError(
                "precision is bf16, which this GPU only emulates; expected fp16 or fp32; leave "
                "precision out"
            )
        return Machine(found, _DTYPES[precision])

    @property
    def needs_scaling(self) -> bool:
        """Whether gradients would underflow unless losses are scaled up."""
        return self.dtype == torch.float16

    def computing(self) -> torch.autocast:
        """A context in which matrix products have the dtype."""
        return torch.autocast(
            self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).splitlines()[0]
        raise TrainingError(
            f"device is {name!r}, which cannot be used here ({first}); expected cpu or cuda; leave "
            "it out, or say auto"
        ) from error
    return device


def _best(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_bf16 else torch.float16
