"""Is the framework installed that an integration is for?"""

from importlib import import_module
from typing import Any


def framework(module: str, *, extra: str) -> Any:
    """The module, untyped: frameworks are no dependency, so their types may not be there.

    Raises:
        ModuleNotFoundError: if it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"this integration needs {module}, which is not installed; expected the extra {extra}; "
            f'run: pip install "lexmax[{extra}]"'
        ) from error
