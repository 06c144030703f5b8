"""From what does an interrupted run go on?

A checkpoint is a folder of two files: `state.safetensors`, every tensor of model, optimiser and
random generators, and `state.json`, everything else with checksums of both. It is written under
another name, forced to the disk and renamed, so it is there whole or not at all.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson
import torch
import xxhash
from safetensors import SafetensorError
from safetensors.torch import (
    load_file,  # pyright: ignore[reportUnknownVariableType]
    save_file,  # pyright: ignore[reportUnknownVariableType]
)

from lexmax.encoders.training.durable import remove, to_json, write_folder
from lexmax.errors import CorruptionError

FORMAT = 1
_TENSORS, _VALUES = "state.safetensors", "state.json"
_NAME = re.compile(r"step-(\d{8,})")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run after `step` optimiser steps.

    `tensors` lie on the CPU; `values` are JSON, which gives floats back to the bit.
    """

    step: int
    tensors: Mapping[str, torch.Tensor]
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Checkpoints:
    """The checkpoints of a run in one folder: the last few, and those named to be kept.

    Raises:
        CorruptionError: by `load`, if a file is missing or has other bytes than were written.
        DiskFullError: by `save`, if there is no room; the older ones stand.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        """The folder is made with the first checkpoint."""
        self._folder = folder
        self._keep = keep

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step is, or would be."""
        return self._folder / f"step-{step:08d}"

    def steps(self) -> list[int]:
        """Steps of which there is a checkpoint, ascending."""
        if not self._folder.is_dir():
            return []
        found = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def save(self, checkpoint: Checkpoint, *, also: int | None = None) -> Path:
        """Write a checkpoint, then remove those beyond the last few but for that of step `also`."""
        path = self.path(checkpoint.step)
        write_folder(path, lambda draft: _fill(draft, checkpoint))
        for step in self.steps()[: -self._keep]:
            if step not in (also, checkpoint.step):
                remove(self.path(step))
        return path

    def load(self, step: int) -> Checkpoint:
        """The checkpoint of a step."""
        path = self.path(step)
        try:
            written = orjson.loads((path / _VALUES).read_bytes())
            state = written["state"]
            sound = written["checksum"] == xxhash.xxh3_128_hexdigest(to_json(state))
            if sound and state["format"] != FORMAT:
                raise ValueError(f"format {state['format']}, and this version reads {FORMAT}")
            if not sound or state["tensors"] != _checksum(path / _TENSORS):
                raise ValueError("other bytes than were written")
            tensors = load_file(path / _TENSORS)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise CorruptionError(
                f"{path}: cannot be read ({error}); expected {_TENSORS} and {_VALUES} as they were "
                "written; remove the folder, and training goes on from the checkpoint before it"
            ) from error
        aliases = cast("dict[str, str]", state["aliases"])
        tensors |= {name: tensors[same] for name, same in aliases.items()}
        return Checkpoint(step, tensors, state["values"])

    def sound(self) -> Iterator[Checkpoint]:
        """Those that can be read, the newest first; damaged ones are passed over."""
        for step in reversed(self.steps()):
            try:
                yield self.load(step)
            except CorruptionError:
                continue

    def drop_after(self, step: int) -> None:
        """Remove what lies beyond a step: a run that goes on from there writes its own."""
        for later in self.steps():
            if later > step:
                remove(self.path(later))

    def drop_all(self) -> None:
        """Remove every checkpoint."""
        remove(self._folder)


def _fill(folder: Path, checkpoint: Checkpoint) -> None:
    # One storage may stand under several names, as tied embeddings do; it is written once.
    first: dict[tuple[Any, ...], str] = {}
    aliases: dict[str, str] = {}
    kept: dict[str, torch.Tensor] = {}
    for name, tensor in checkpoint.tensors.items():
        same = first.setdefault(_storage(tensor, name), name)
        if same == name:
            kept[name] = tensor.detach().to("cpu", copy=True).contiguous()
        else:
            aliases[name] = same
    save_file(kept, folder / _TENSORS)
    state = {
        "format": FORMAT,
        "step": checkpoint.step,
        "tensors": _checksum(folder / _TENSORS),
        "aliases": aliases,
        "values": checkpoint.values,
    }
    written = {"checksum": xxhash.xxh3_128_hexdigest(to_json(state)), "state": state}
    (folder / _VALUES).write_bytes(to_json(written))


def _storage(tensor: torch.Tensor, name: str) -> tuple[Any, ...]:
    """Equal for tensors that are views of the very same numbers."""
    if tensor.numel() == 0:
        return (name,)
    return (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)


def _checksum(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
