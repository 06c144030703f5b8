"""What does a transformer give when ONNX Runtime computes it?

In float32 the same states, within 1e-5, a short text in half the time that torch takes; batches
are faster in torch, and stay there. In int8 other states, two to three times as fast, and only
where somebody has measured what that loses.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lexmax.encoders.backbone import Backbone
from lexmax.encoders.onnx_export import INPUTS, cache_folder, onnx_file, require_runtime
from lexmax.encoders.onnx_quality import require_quality
from lexmax.errors import EncoderError

BACKENDS = ("torch", "onnx", "onnx-int8")

# Up to so many tokens of a single text ONNX Runtime was the faster one: docs/encoding.md.
_SHORT = 64


def with_backend(
    backbone: Backbone, backend: str, *, cache: Path | None = None, gated: bool = True
) -> Backbone:
    """The same transformer, computed otherwise.

    Args:
        backbone: On the CPU, of the transformers library.
        backend: "torch" is `backbone` itself. "onnx" gives single short texts to ONNX Runtime and
            keeps the fingerprint. "onnx-int8" gives it everything, under another fingerprint.
        cache: Folder for ONNX files; None for `cache_folder()`.
        gated: Whether int8 is refused where nobody has measured that it loses little.

    Raises:
        EncoderError: if there is no such backend, it is not installed, does not know this model
            or this device, or int8 is refused.
    """
    if backend not in BACKENDS:
        raise EncoderError(f"backend is {backend!r}; expected one of {', '.join(BACKENDS)}")
    if backend == "torch":
        return backbone
    if backbone.device.type != "cpu":
        raise EncoderError(
            f"backend is {backend} on {backbone.device}; expected the CPU, for which it is; use "
            "backend=torch, or device=cpu"
        )
    root = cache_folder() if cache is None else cache
    require_runtime()
    if backend == "onnx":
        session = _Session(onnx_file(backbone, "float32", cache=root), threads=1)
        return _like(backbone, _ShortTexts(session, backbone.model), backbone.fingerprint)
    if gated:
        require_quality(backbone.fingerprint, cache=root)
    session = _Session(onnx_file(backbone, "int8", cache=root), threads=torch.get_num_threads())
    return _like(backbone, session, f"{backbone.fingerprint}&backend={backend}")


def _like(backbone: Backbone, model: Any, fingerprint: str) -> Backbone:
    return Backbone(
        model,
        dim=backbone.dim,
        pad_id=backbone.pad_id,
        fingerprint=fingerprint,
        special_ids=backbone.special_ids,
    )


@dataclass(frozen=True, slots=True)
class _Hidden:
    last_hidden_state: torch.Tensor


class _Session:
    """A model in ONNX Runtime; called as one of transformers."""

    def __init__(self, path: Path, *, threads: int) -> None:
        runtime = require_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait busily would take the cores from those of torch.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise EncoderError(
                f"{path}: ONNX Runtime refuses it ({str(error).splitlines()[0]}); remove its "
                "folder, so that it is made again, or use backend=torch"
            ) from error

    def __call__(self, ids: torch.Tensor, attention: torch.Tensor) -> _Hidden:
        fed = dict(zip(INPUTS, (ids.numpy(), attention.numpy()), strict=True))
        return _Hidden(torch.as_tensor(self._session.run(None, fed)[0]))


class _ShortTexts:
    """Gives a short text that comes alone to ONNX Runtime, and all else to torch."""

    def __init__(self, session: _Session, model: Any) -> None:
        self._session = session
        self._model = model

    def __call__(self, ids: torch.Tensor, attention: torch.Tensor) -> Any:
        alone = ids.shape[0] == 1 and ids.shape[1] <= _SHORT
        return (self._session if alone else self._model)(ids, attention)
