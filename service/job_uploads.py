"""How does a corpus that is sent lie on the disk? Beside the collections, until it is whole.

What a killed process has left there is removed when the next one starts.
"""

import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, fail_after, to_thread
from fastapi import Request

from lexmax.index.failures import storage_errors
from lexmax.service.problems import (
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    Refusal,
)

MEDIA_TYPES = (
    "application/octet-stream",
    "application/x-ndjson",
    "application/gzip",
    "application/zstd",
    "text/tab-separated-values",
)
"""Of which none can be sent by a page of another site without asking first."""

# No collection's name begins with a dot.
_PREFIX = ".upload-"
_WRITTEN_AT_ONCE = 1 << 20


def sweep_uploads(data: Path) -> None:
    """Remove what was never whole."""
    for left in data.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            left.unlink()


@asynccontextmanager
async def uploaded(
    request: Request, data: Path, *, most: int, idle_s: float
) -> AsyncGenerator[Path, None]:
    """The body in a file of the data folder, whole and on the disk; afterwards it is gone.

    Raises:
        Refusal: 415 for another media type, 413 for more than `most` bytes, 408 if nothing comes
            for `idle_s` seconds.
        DiskFullError: if there is no room.
    """
    _check_type(request)
    _check_length(request, most)
    path = data / f"{_PREFIX}{secrets.token_hex(12)}"
    try:
        await _write(request, path, most=most, idle_s=idle_s)
        yield path
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(partial(path.unlink, missing_ok=True))


async def _write(request: Request, path: Path, *, most: int, idle_s: float) -> None:
    file = await to_thread.run_sync(_opened, path)
    try:
        waiting, n_bytes = bytearray(), 0
        chunks = request.stream()
        while chunk := await _next(chunks, idle_s):
            n_bytes += len(chunk)
            if n_bytes > most:
                raise _too_large(most)
            waiting += chunk
            if len(waiting) >= _WRITTEN_AT_ONCE:
                await to_thread.run_sync(_append, file, bytes(waiting))
                waiting.clear()
        await to_thread.run_sync(_append, file, bytes(waiting))
        await to_thread.run_sync(_sync, file)
    finally:
        with suppress(OSError):
            file.close()


async def _next(chunks: AsyncGenerator[bytes, None], idle_s: float) -> bytes:
    """The next bytes; none at the end."""
    try:
        with fail_after(idle_s):
            async for chunk in chunks:
                if chunk:
                    return chunk
            return b""
    except TimeoutError:
        raise Refusal(
            BODY_TIMEOUT,
            f"nothing came for {idle_s:g} seconds; expected the rest of the file; send it faster",
            headers={"connection": "close"},
        ) from None


def _opened(path: Path) -> BinaryIO:
    with storage_errors(path):
        return path.open("xb", buffering=0)


def _append(file: BinaryIO, content: bytes) -> None:
    with storage_errors(Path(file.name)):
        left = memoryview(content)
        while left:  # a raw file may take less than it is given
            left = left[file.write(left) :]


def _sync(file: BinaryIO) -> None:
    with storage_errors(Path(file.name)):
        os.fsync(file.fileno())


def _check_type(request: Request) -> None:
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coded = request.headers.get("content-encoding", "identity").lower() != "identity"
    if said not in MEDIA_TYPES or coded:
        raise Refusal(
            UNSUPPORTED_MEDIA_TYPE,
            "the body is of another type, or has a content-encoding; expected the file's own bytes "
            f"as {', '.join(MEDIA_TYPES)}; set the header content-type, and say by format what is "
            "inside",
        )


def _check_length(request: Request, most: int) -> None:
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > most:
        raise _too_large(most)


def _too_large(most: int) -> Refusal:
    return Refusal(
        BODY_TOO_LARGE,
        f"the file has more than {most} bytes; expected at most that; compress it, send it in "
        "parts, or let the service read it from its import folder",
        headers={"connection": "close"},
    )
