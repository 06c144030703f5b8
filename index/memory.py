"""Which memory is held for nothing? What the allocator keeps of work that is done.

Building and merging take much memory for a short time on threads of their own, and glibc's malloc
gives each thread a heap, which keeps what it once had. Other C libraries are left alone.
"""

import ctypes
import gc
from functools import cache
from typing import Any

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_ARENAS = 2


def share_heaps() -> None:
    """Let threads share a few heaps: for a process of many threads, before it starts them."""
    if (set_option := _malloc("mallopt")) is not None:
        set_option(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return what is free to the system."""
    if (trim := _malloc("malloc_trim")) is not None:
        trim(0)


def keep_for_good() -> None:
    """Let Python's collector pass over what there is now: for a process that has just begun.

    Modules and encoders are half a million objects, which it looked at every few seconds of writes;
    meanwhile no other thread ran for 60 to 90 ms.
    """
    gc.collect()
    gc.freeze()


@cache
def _malloc(name: str) -> Any:
    # Only glibc trims; elsewhere `mallopt` may mean something else.
    library = ctypes.CDLL(None)
    return getattr(library, name) if hasattr(library, "malloc_trim") else None
