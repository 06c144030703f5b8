"""Run by schemathesis, in its own environment: bodies that it does not know how to send."""

from importlib import import_module
from typing import Any

_schemathesis: Any = import_module("schemathesis")


@_schemathesis.serializer("application/x-tar", "application/gzip", "application/zstd")
def as_bytes(context: object, value: object) -> bytes:
    """Whatever was made, as it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")
