"""Which memory is held for nothing? What the allocator keeps of work that is done."""

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """Return what is free to the system, where the C library can (glibc).

    Building and merging take much memory for a short time on threads of their own, and the
    allocator keeps for each thread what it once had.
    """
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
