"""Can these be the weights of the model that config.json describes?

A damaged number there may ask for more layers or coordinates than memory holds, which would end
the process instead of raising an error.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lexmax.errors import EncoderError

_LAYERS = frozenset(
    {
        "decoder_layers",
        "encoder_layers",
        "n_layer",
        "n_layers",
        "num_decoder_layers",
        "num_encoder_layers",
        "num_hidden_layers",
        "num_layers",
    }
)
_MOST = 1_000_000
"""Of whatever else a config counts, such as labels."""

# What a model has beside its files' weights: heads that are added, buffers.
_SPARE_VALUES = 1 << 24
# Two weights in a byte are the tightest packing, and a matrix may serve at two places.
_VALUES_A_BYTE = 4


def require_plausible(folder: Path, config: Mapping[str, Any], weights: Sequence[Path]) -> None:
    """A config asks for no more layers than its weights have tensors.

    Raises:
        EncoderError: if it does, what it counts is below zero, or padding is no token.
    """
    safetensors: Any = importlib.import_module("safetensors")
    n_tensors = 0
    for path in weights:
        with safetensors.safe_open(path, framework="np") as file:
            n_tensors += len(file.keys())
    pad, n_tokens = config.get("pad_token_id"), config.get("vocab_size")
    if isinstance(pad, int) and not 0 <= pad < (n_tokens if isinstance(n_tokens, int) else pad + 1):
        raise EncoderError(
            f"{folder}: config.json says that texts are padded with token {pad}; expected one that "
            "the model knows; write its number, or null, for pad_token_id"
        )
    for name, value in config.items():
        most = n_tensors if name in _LAYERS else _MOST
        counts = name in _LAYERS or name.startswith("num_")
        if counts and isinstance(value, int) and value < 0:
            raise EncoderError(
                f"{folder}: config.json says that {name} is {value}; expected 0 or more; "
                "copy or download it again"
            )
        if counts and isinstance(value, int) and value > most:
            raise _implausible(folder, f"{name} is {value}", f"{n_tensors} tensors")


def require_size(folder: Path, make: Any, config: Any, weights: Sequence[Path]) -> None:
    """A model has no more weights than its files can hold.

    Args:
        folder: Where they stand, for the error.
        make: Builds the model from `config`; it is called where tensors take no memory.
        config: Of the transformers library.
        weights: Its files.

    Raises:
        EncoderError: if it has more.
    """
    with torch.device("meta"):
        n_values = sum(int(parameter.numel()) for parameter in make(config).parameters())
    n_bytes = sum(path.stat().st_size for path in weights)
    if n_values > n_bytes * _VALUES_A_BYTE + _SPARE_VALUES:
        raise _implausible(folder, f"it has {n_values:,} weights", f"{n_bytes:,} bytes")


def _implausible(folder: Path, asked: str, held: str) -> EncoderError:
    return EncoderError(
        f"{folder}: config.json asks for a model too large for its weights ({asked}; the files "
        f"hold {held}); expected weights and config.json of one model; copy or download them again"
    )
