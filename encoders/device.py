"""Where does a model compute, and in which numbers?"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch

from lexmax.errors import EncoderError

AUTO = "auto"
DTYPES = ("float32", "bfloat16", "float16")

# What the kernel calls the instructions: Intel and AMD, then ARM.
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16", "svebf16"})
_CPU_INFO = Path("/proc/cpuinfo")
# The first generation of graphics processors that multiplies float16 faster than float32.
_FAST_FLOAT16 = (7, 0)


def chosen_device(device: str) -> torch.device:
    """The device of this name.

    Args:
        device: "cpu", "cuda", "cuda:1" or "mps"; "auto" for a CUDA device if there is one, else
            the CPU.

    Raises:
        EncoderError: if it is not there.
    """
    if device == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, ValueError) as error:
        raise _no_device(device) from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (found.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(found.type, False):
        raise _no_device(device)
    return found


def chosen_dtype(dtype: str | None, device: torch.device) -> str:
    """In which numbers matrices are multiplied: the best for a device, or what is asked for.

    Args:
        dtype: One of `DTYPES`; None for float32 on a CPU and float16 on a CUDA device that is
            made for it.
        device: Where.

    Raises:
        EncoderError: if there is no such dtype, or the device is not made for it.
    """
    if dtype is None:
        fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _FAST_FLOAT16
        return "float16" if fast else "float32"
    if dtype not in DTYPES:
        raise EncoderError(f"dtype is {dtype!r}; expected one of {', '.join(DTYPES)}")
    if device.type == "cpu" and dtype == "bfloat16" and not has_bfloat16():
        raise EncoderError(
            "dtype is bfloat16, but this CPU has no instructions for it (avx512_bf16, amx_bf16 or "
            "ARM's bf16), so that it would be three times slower than float32; use float32"
        )
    if device.type == "cpu" and dtype == "float16":
        raise EncoderError(
            "dtype is float16 on a CPU, which torch is slow at; expected float32, or bfloat16 "
            "where the CPU has instructions for it"
        )
    return dtype


@contextmanager
def inference(device: torch.device, dtype: str) -> Generator[None, None, None]:
    """Computes without gradients, and multiplies matrices in numbers of `dtype`.

    Weights stay what they are, so that a model in use can be trained.
    """
    half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(dtype)
    with torch.inference_mode(), torch.autocast(device.type, dtype=half, enabled=half is not None):
        yield


def has_bfloat16(cpu_info: Path = _CPU_INFO) -> bool:
    """Whether this CPU has instructions for bfloat16; without them it is slower than float32."""
    try:
        lines = cpu_info.read_text(errors="replace").splitlines()
    except OSError:
        return False
    flags = [line for line in lines if line.lower().startswith(("flags", "features"))]
    return bool(flags) and not _BFLOAT16.isdisjoint(flags[0].partition(":")[2].split())


def _no_device(device: str) -> EncoderError:
    found = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    return EncoderError(
        f"device is {device!r}, but this machine and this build of torch have "
        f"{', '.join(found)}; choose one of them, or {AUTO}"
    )
