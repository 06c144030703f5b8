"""How does a Python program reach a service of lexmax?"""

try:
    import httpx as _httpx  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "lexmax.Client needs httpx, which is not installed; expected the extra client; "
        'run: pip install "lexmax[client]"'
    ) from error

from lexmax.client.asking_async import AsyncClient
from lexmax.client.asking_sync import Client
from lexmax.client.retries import Retries
from lexmax.errors import ClientError

__all__ = ["AsyncClient", "Client", "ClientError", "Retries"]
