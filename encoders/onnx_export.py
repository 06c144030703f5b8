"""Where is the ONNX file of a transformer, and how is it made?

Made when it is first asked for, and kept in a cache folder under the transformer's fingerprint. A
file that was damaged since is made again.
"""

import copy
import importlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import xxhash

from lexmax.encoders.backbone import Backbone, PaddedRows
from lexmax.errors import EncoderError

Numbers: TypeAlias = Literal["float32", "int8"]

INPUTS = ("ids", "attention")
OUTPUT = "hidden"

# Counted up when the same transformer would give another file than before.
_VERSION = 1
# The last one whose attention ONNX Runtime knows as one operation when torch traces it.
_OPSET = 17
_MODEL, _MANIFEST = "model.onnx", "export.json"
# Words of three lengths, so that padding is traced and compared.
_SAMPLE = (24, 17, 9)
_CLOSE = 1e-4


def cache_folder() -> Path:
    """Where files that can be made again are kept: `$XDG_CACHE_HOME`, or `~/.cache`."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".cache") / "lexmax" / "onnx"


def require_runtime() -> Any:
    """The module `onnxruntime`.

    Raises:
        EncoderError: if it, or `onnx`, which export takes, is not installed.
    """
    missing = [name for name in ("onnxruntime", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        raise EncoderError(
            f"the backend onnx needs {' and '.join(missing)}, not installed here; "
            'run `pip install "lexmax[onnx]"`, or use backend=torch'
        )
    return importlib.import_module("onnxruntime")


def onnx_file(backbone: Backbone, numbers: Numbers, *, cache: Path | None = None) -> Path:
    """The file of a transformer, made now if it is not in the cache whole.

    Args:
        backbone: Holds a model of the transformers library, on the CPU.
        numbers: "int8" holds weights a byte each, with a scale for each output of a layer.
        cache: Folder to keep it in; None for `cache_folder()`.

    Raises:
        EncoderError: if it cannot be made, written, or does not give what the model gives.
    """
    root = cache_folder() if cache is None else cache
    named = {"fingerprint": backbone.fingerprint, "numbers": numbers, "version": _VERSION}
    hashed = xxhash.xxh3_128_hexdigest(json.dumps(named, sort_keys=True).encode())
    folder = root / f"{numbers}-{hashed[:24]}"

    def make(path: Path) -> None:
        if numbers == "float32":
            _export(backbone, path)
        else:
            _quantize(onnx_file(backbone, "float32", cache=root), path)

    return _kept(folder, named, make)


def _kept(folder: Path, named: dict[str, Any], make: Callable[[Path], None]) -> Path:
    if not _is_whole(folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            _make_atomically(folder, named, make)
        except OSError as error:
            raise EncoderError(
                f"{folder}: the ONNX file cannot be written ({error.strerror or error}); expected "
                "a cache folder with room for it; set XDG_CACHE_HOME, or use backend=torch"
            ) from error
    return folder / _MODEL


def _is_whole(folder: Path) -> bool:
    try:
        said = json.loads((folder / _MANIFEST).read_text())
        return bool(said["xxh3"] == _hash_of(folder / _MODEL))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _make_atomically(folder: Path, named: dict[str, Any], make: Callable[[Path], None]) -> None:
    """Make the file beside its folder, which appears whole; another process may be faster."""
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        make(draft / _MODEL)
        said = {
            **named,
            "opset": _OPSET,
            "torch": torch.__version__,
            "xxh3": _hash_of(draft / _MODEL),
        }
        (draft / _MANIFEST).write_text(json.dumps(said, indent=2) + "\n")
        for path in draft.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        try:
            draft.rename(folder)
        except OSError:
            if not _is_whole(folder):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _hash_of(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


class _States(torch.nn.Module):
    """Gives the last hidden states alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, ids: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """Last hidden states (b, width, dim)."""
        hidden: torch.Tensor = self.model(ids, attention).last_hidden_state
        return hidden


def _export(backbone: Backbone, path: Path) -> None:
    """Trace the model, whose attention has to be plain for ONNX Runtime to know it again."""
    require_runtime()
    plain: Any = copy.deepcopy(backbone.model).cpu().float().eval()
    plain.set_attn_implementation("eager")
    given = _sample(backbone)
    onnx: Any = torch.onnx
    axes = {name: {0: "rows", 1: "width"} for name in (*INPUTS, OUTPUT)}
    with _silence(), torch.no_grad():  # It says that this way is an old one, and what it traces.
        try:
            onnx.export(
                _States(plain),
                (given.ids, given.attention),
                str(path),
                dynamo=False,
                opset_version=_OPSET,
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_axes=axes,
            )
        except (RuntimeError, TypeError, ValueError, onnx.errors.OnnxExporterError) as error:
            raise EncoderError(
                f"{type(plain).__name__} cannot be exported to ONNX ({_first_line(error)}); "
                "use backend=torch"
            ) from error
    _require_equal(backbone, path)


def _sample(backbone: Backbone) -> PaddedRows:
    """Rows of three lengths, of ids that any vocabulary has."""
    special = backbone.special_ids
    ids = [i for i in range(max(special) + 2 * max(_SAMPLE)) if i not in special]
    model: Any = backbone.model
    n_known = int(model.get_input_embeddings().num_embeddings)
    known = np.array([i % n_known for i in ids], dtype=np.int64)
    return PaddedRows.of([known[:n] for n in _SAMPLE], pad_id=backbone.pad_id)


def _require_equal(backbone: Backbone, path: Path) -> None:
    """A model that decides by what it is given, rather than computing it, is traced wrongly."""
    runtime = require_runtime()
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    sample = _sample(backbone)
    for rows in (slice(0, 3), slice(2, 3)):
        ids, attention, mask = sample.ids[rows], sample.attention[rows], sample.mask[rows]
        fed = dict(zip(INPUTS, (ids.numpy(), attention.numpy()), strict=True))
        found = torch.as_tensor(session.run(None, fed)[0])
        with torch.inference_mode():
            expected = backbone.model(ids, attention).last_hidden_state.float()
        apart = float((found - expected)[mask].abs().max() / expected[mask].abs().max())
        if not apart <= _CLOSE:
            raise EncoderError(
                f"the ONNX file of {type(backbone.model).__name__} gives states that differ by "
                f"{apart:.1e} from the model's; expected {_CLOSE:.0e} at most; use backend=torch"
            )


def _quantize(source: Path, path: Path) -> None:
    """Weights of 7 bits: sums of products of 8 overflow on CPUs that have no VNNI."""
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    with _silence():
        quantization.quantize_dynamic(
            str(source),
            str(path),
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )


@contextmanager
def _silence() -> Generator[None, None, None]:
    """No advice, and no handler that giving it would add to the root logger."""
    root, nothing = logging.getLogger(), logging.NullHandler()
    before = logging.root.manager.disable
    root.addHandler(nothing)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        root.removeHandler(nothing)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
