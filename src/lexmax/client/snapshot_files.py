"""How does a snapshot get from a service into a file, and back? In pieces, not in memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

import httpx

from lexmax.client import replies
from lexmax.client.failures import failure_of, failure_without_reply, unreadable
from lexmax.client.values import CollectionDescription
from lexmax.errors import InputError

_DRAFT = ".part"
_PIECE = 1 << 20
_TAR = "application/x-tar"
# The service copies a catalog before the first byte, and verifies after the last.
_PATIENCE_S = 3600.0


def download(http: httpx.Client, path: str, file: Path) -> int:
    """Write a snapshot to a new file, which is there whole or not; its bytes."""
    draft = _draft(file)
    try:
        with draft.open("wb") as out, http.stream("POST", path, timeout=_times(http)) as reply:
            if not reply.is_success:
                reply.read()
            _check(reply)
            for piece in reply.iter_bytes(_PIECE):
                out.write(piece)
        return _finished(draft, file)
    except httpx.HTTPError as error:
        raise failure_without_reply(error, str(http.base_url)) from error
    finally:
        draft.unlink(missing_ok=True)


async def download_async(http: httpx.AsyncClient, path: str, file: Path) -> int:
    """As `download`."""
    draft = _draft(file)
    try:
        with draft.open("wb") as out:
            async with http.stream("POST", path, timeout=_times(http)) as reply:
                if not reply.is_success:
                    await reply.aread()
                _check(reply)
                async for piece in reply.aiter_bytes(_PIECE):
                    await asyncio.to_thread(out.write, piece)
        return _finished(draft, file)
    except httpx.HTTPError as error:
        raise failure_without_reply(error, str(http.base_url)) from error
    finally:
        draft.unlink(missing_ok=True)


def upload(http: httpx.Client, path: str, file: Path) -> CollectionDescription:
    """Make a collection of a snapshot's file."""
    try:
        with _opened(file) as given:
            reply = http.put(
                path, content=_pieces(given), headers=_headers(file), timeout=_times(http)
            )
    except httpx.HTTPError as error:
        raise failure_without_reply(error, str(http.base_url)) from error
    return _described(reply, str(http.base_url))


async def upload_async(http: httpx.AsyncClient, path: str, file: Path) -> CollectionDescription:
    """As `upload`."""
    try:
        with _opened(file) as given:
            reply = await http.put(
                path, content=_pieces_async(given), headers=_headers(file), timeout=_times(http)
            )
    except httpx.HTTPError as error:
        raise failure_without_reply(error, str(http.base_url)) from error
    return _described(reply, str(http.base_url))


def _draft(file: Path) -> Path:
    if file.exists():
        raise InputError(f"{file}: is there already; expected a new file; choose another name")
    return file.with_name(file.name + _DRAFT)


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; expected a snapshot's file") from error


def _finished(draft: Path, file: Path) -> int:
    draft.rename(file)
    return file.stat().st_size


def _headers(file: Path) -> dict[str, str]:
    return {"content-type": _TAR, "content-length": str(file.stat().st_size)}


def _times(http: httpx.Client | httpx.AsyncClient) -> httpx.Timeout:
    known = http.timeout
    return httpx.Timeout(
        connect=known.connect, write=known.write, pool=known.pool, read=_PATIENCE_S
    )


def _check(reply: httpx.Response) -> None:
    if (failure := failure_of(reply)) is not None:
        raise failure


def _described(reply: httpx.Response, address: str) -> CollectionDescription:
    _check(reply)
    try:
        return replies.description(reply.json())
    except replies.UNREADABLE as error:
        raise unreadable(reply, address) from error


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


async def _pieces_async(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _PIECE):
        yield piece
