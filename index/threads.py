"""How many threads? One, where their number would change the bits of the result."""

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """Linear algebra and FAISS run on one thread inside, and on as many as before after it.

    Libraries split sums among threads, so their number shows in the last bits: an index built on
    two cores would differ from one built on eight.
    """
    # FAISS brings its own pool, which must be loaded to be limited.
    importlib.import_module("faiss")
    threadpoolctl: Any = importlib.import_module("threadpoolctl")
    with threadpoolctl.threadpool_limits(limits=1):
        yield
