"""Is this model folder whole and sound, and which model is it?

Everything here reads files only: neither torch nor transformers is imported.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import safetensors
import xxhash
from numpy.typing import NDArray

from lexmax.errors import EncoderError

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_PART = 1 << 24
"""Bytes that are looked at together; a multiple of every number's size."""

# A number is NaN or infinite when all bits of its exponent are set.
_EXPONENTS: Mapping[str, tuple[type[np.unsignedinteger[Any]], int]] = MappingProxyType(
    {
        "F64": (np.uint64, 0x7FF0_0000_0000_0000),
        "F32": (np.uint32, 0x7F80_0000),
        "F16": (np.uint16, 0x7C00),
        "BF16": (np.uint16, 0x7F80),
    }
)

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
_CONFIG_FILES = (
    "config.json",
    "config_sentence_transformers.json",
    "encoder.json",
    "idf.json",
    "modules.json",
    "router_config.json",
    "sentence_bert_config.json",
)
_WEIGHTS = ("*.safetensors", "*.npy", "*.model")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a json file.

    Raises:
        EncoderError: if the file is missing or damaged, or holds something else.
    """
    value = read_any_json(path)
    if not isinstance(value, dict):
        raise EncoderError(f"{path} holds a {type(value).__name__}; expected a json object")
    return cast("dict[str, Any]", value)


def read_any_json(path: Path) -> Any:
    """The value in a json file.

    Raises:
        EncoderError: if the file is missing or damaged.
    """
    try:
        return json.loads(_bytes_of(path))
    except (ValueError, RecursionError) as error:
        raise EncoderError(
            f"{path} is damaged ({_first_line(error)}); expected json; copy or download it again"
        ) from error


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a folder's weights, by name.

    Raises:
        EncoderError: if there are none, one of several is missing, or they are pickles.
    """
    whole = folder / "model.safetensors"
    if whole.is_file():
        return [whole]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return _parts(folder, index)
    pickles = sorted(path for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise _only_pickles(pickles[0])
    raise EncoderError(
        f"{folder} holds no weights; expected model.safetensors; copy or download the model again, "
        "and convert its weights first where it has them only as pickle (pytorch_model.bin)"
    )


def _parts(folder: Path, index: Path) -> list[Path]:
    written = read_json(index).get("weight_map")
    if not isinstance(written, dict) or not written:
        raise EncoderError(f"{index} names no files; expected weight_map; download it again")
    names = sorted({str(name) for name in cast("dict[str, Any]", written).values()})
    for name in names:
        if Path(name).name != name or not _is_file(folder / name):
            raise EncoderError(
                f"{folder} lacks {name}, one of the {len(names)} files of weights that "
                f"{index.name} names; copy or download the model again"
            )
    return [folder / name for name in names]


def _only_pickles(path: Path) -> EncoderError:
    return EncoderError(
        f"{path.parent} has its weights only as pickle ({path.name}), which can run code when it "
        f"is read; expected safetensors; if you trust the file, run `{conversion(path)}`"
    )


def conversion(path: Path) -> str:
    """The command that writes `model.safetensors` beside a pickle of weights."""
    return (
        'python -c "import torch, safetensors.torch as s; '
        "s.save_file({k: v.clone().contiguous() for k, v in "
        f"torch.load('{path}', map_location='cpu', weights_only=True).items()}}, "
        f"'{path.with_name('model.safetensors')}', metadata={{'format': 'pt'}})\""
    )


def check_weights(folder: Path) -> list[Path]:
    """A folder's files of weights, each whole, all numbers finite.

    Raises:
        EncoderError: where that is not so.
    """
    paths = weight_files(folder)
    for path in paths:
        check_tensors(path)
    return paths


def check_tensors(path: Path) -> None:
    """A safetensors file is as long as its header says, and all its numbers are finite.

    Raises:
        EncoderError: where that is not so.
    """
    try:
        with safetensors.safe_open(path, framework="np"):
            pass
    except Exception as error:
        raise EncoderError(
            f"{path} is damaged or cut off ({_first_line(error)}; {_size(path)}); "
            "expected safetensors; copy or download it again"
        ) from error
    for name, dtype, raw in _tensors(path):
        if dtype in _EXPONENTS and _is_odd(raw, *_EXPONENTS[dtype]):
            raise EncoderError(
                f"{path}: {name} holds NaN or infinity; expected finite weights; "
                "the training that wrote it has failed: take an earlier checkpoint"
            )


def _tensors(path: Path) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """Name, dtype and bytes of each tensor of a sound file."""
    mapped = np.memmap(path, dtype=np.uint8, mode="r")
    (length,) = struct.unpack("<Q", mapped[:8].tobytes())
    header = json.loads(mapped[8 : 8 + length].tobytes())
    for name, tensor in header.items():
        if name != "__metadata__":
            start, stop = tensor["data_offsets"]
            yield name, tensor["dtype"], mapped[8 + length + start : 8 + length + stop]


def _is_odd(raw: NDArray[np.uint8], unsigned: type[np.unsignedinteger[Any]], exponent: int) -> bool:
    mask = unsigned(exponent)
    parts = (raw[start : start + _PART].view(unsigned) for start in range(0, len(raw), _PART))
    return any(bool(((part & mask) == mask).any()) for part in parts)


def fingerprint(*folders: Path) -> str:
    """xxh3 (128 bits) of the weights, tokenizer and config files of these folders, in order.

    Names of the files count, those of the folders do not.
    """
    return hash_of([path for folder in folders for path in _counting(folder)])


def _counting(folder: Path) -> list[Path]:
    named = {folder / name for name in (*_TOKENIZER_FILES, *_CONFIG_FILES)}
    found = {path for pattern in _WEIGHTS for path in folder.glob(pattern)}
    return sorted(path for path in found | named if path.is_file())


def hash_of(paths: Iterable[Path]) -> str:
    """xxh3 (128 bits) of the names, sizes and bytes of files, in order."""
    digest = xxhash.xxh3_128()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while part := file.read(_PART):
                digest.update(part)
    return digest.hexdigest()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # A name that no file can have.
        return False


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise EncoderError(
            f"{path.parent} lacks {path.name}; copy or download the model again, whole"
        ) from error
    except OSError as error:
        raise EncoderError(f"{path} cannot be read ({error.strerror})") from error


def _size(path: Path) -> str:
    try:
        return f"{path.stat().st_size:,} bytes"
    except OSError:
        return "no such file"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
