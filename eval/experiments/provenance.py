"""Where and with what was something measured?"""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lexmax.types import Json

_PACKAGES = (
    "lexmax",
    "numpy",
    "scipy",
    "torch",
    "transformers",
    "tokenizers",
    "faiss-cpu",
    "ir-measures",
    "pytrec-eval-terrier",
)


def machine() -> dict[str, Json]:
    """Processor, cores, memory and system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, Json]:
    """Of the packages that decide about figures and speed."""
    found: dict[str, Json] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def load() -> float | None:
    """Processes that wanted a processor in the last minute: times mean little above the cores."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def commit() -> str | None:
    """Of the checkout that this code runs from, `-dirty` where files were changed; None without."""
    command = ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (OSError, ValueError):
        return None
