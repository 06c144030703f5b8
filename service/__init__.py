"""How do others reach it over HTTP?"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lexmax.service.app import create_app
    from lexmax.service.run import serve
    from lexmax.service.settings import Settings

__all__ = ["Settings", "create_app", "serve"]

_HOMES = {
    "Settings": "lexmax.service.settings",
    "create_app": "lexmax.service.app",
    "serve": "lexmax.service.run",
}


def __getattr__(name: str) -> object:
    # Reading settings must not cost the import of torch and faiss, so rooms load when asked for.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
