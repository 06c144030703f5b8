"""How did a request end that was not answered?"""

import math
from typing import cast

import httpx

from lexmax.client.retries import UNREACHABLE
from lexmax.errors import ClientError, InputError

_SHOWN = 200


def failure_of(response: httpx.Response) -> ClientError | None:
    """What the reply says went wrong; None where it is an answer."""
    if response.is_success:
        return None
    said = _problem(response)
    detail = said.get("detail") or response.text[:_SHOWN] or response.reason_phrase
    return ClientError(
        str(detail),
        code=str(said.get("code") or f"http_{response.status_code}"),
        status=response.status_code,
        request_id=response.headers.get("x-request-id", ""),
        retry_after_s=_retry_after_s(response),
    )


def require_open(client: httpx.Client | httpx.AsyncClient) -> None:
    """Refuse to ask by a client that was closed.

    Raises:
        InputError: if it was.
    """
    if client.is_closed:
        raise InputError("the client is closed; expected an open one; make a new one")


def failure_without_reply(error: httpx.HTTPError, address: str) -> ClientError:
    """What went wrong before there was a reply."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return ClientError(
            f"no service was reached at {address}: {error}; expected one that listens there; "
            "start it with `lexmax serve`, or correct the address",
            code=UNREACHABLE,
        )
    if isinstance(error, httpx.TimeoutException):
        return ClientError(
            f"{address} did not answer in time; expected a reply; allow more with timeout_s, or "
            "ask for less",
            code="timeout",
        )
    return ClientError(
        f"the connection to {address} failed: {error or type(error).__name__}; expected a reply; "
        "look whether the service still runs",
        code="connection_failed",
    )


def unreadable(response: httpx.Response, address: str) -> ClientError:
    """What an answer is that is not one of this service."""
    return ClientError(
        f"{address} answered what lexmax does not; expected the address of a service of lexmax of "
        "this version; correct the address",
        code="reply_unreadable",
        status=response.status_code,
    )


def _problem(response: httpx.Response) -> dict[str, object]:
    try:
        said = response.json()
    except ValueError:
        return {}
    return cast("dict[str, object]", said) if isinstance(said, dict) else {}


def _retry_after_s(response: httpx.Response) -> float | None:
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:  # absent, or a date: proxies send those
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
