"""Where does a saved encoder find its transformer?

One that is installed with lexmax is named, with its fingerprint; any other stands in the encoder's
own folder: its config in encoder.json, its weights and its tokenizer in files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from lexmax.encoders.trunk import MINILM, Trunk, open_trunk, rebuilt_trunk, save_trunk
from lexmax.errors import EncoderError


def keep_trunk(
    trunk: Trunk, folder: Path, *, name: str, dtype: torch.dtype = torch.float32
) -> Mapping[str, Any]:
    """Write what is needed of a transformer, and say it for encoder.json.

    Args:
        trunk: The transformer.
        folder: Where NAME.safetensors and tokenizer.json are written, unless it is installed.
        name: Of the file.
        dtype: Of its numbers.
    """
    if trunk.shipped is not None:
        return {"shipped": trunk.shipped, "fingerprint": trunk.backbone.fingerprint}
    save_trunk(trunk, folder / f"{name}.safetensors", dtype=dtype)
    (folder / "tokenizer.json").write_bytes(trunk.tokenizer)
    return {"file": f"{name}.safetensors", "config": dict(trunk.config)}


def kept_trunk(folder: Path, written: Any) -> Trunk:
    """The transformer that `keep_trunk` has said.

    Raises:
        EncoderError: if a file is missing or damaged, what is installed is another one, or
            encoder.json does not say it.
    """
    said, config = _mapping(written), _mapping(_mapping(written).get("config"))
    file = said.get("file")
    if isinstance(file, str) and config and Path(file).name == file:
        return rebuilt_trunk(config, tokenizer=folder / "tokenizer.json", weights=folder / file)
    if said.get("shipped") != MINILM:
        raise EncoderError(
            f"{folder / 'encoder.json'}: the transformer is {said.get('shipped')!r}; "
            f"expected {MINILM!r}, or a file of the folder with its config; take the version of "
            "lexmax that saved it, or copy the folder again"
        )
    trunk = open_trunk(MINILM)
    if trunk.backbone.fingerprint != said.get("fingerprint"):
        raise EncoderError(
            f"{folder} was trained on {MINILM} with fingerprint {said.get('fingerprint')}; found "
            f"{trunk.backbone.fingerprint}; install the version that it was trained with"
        )
    return trunk


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
