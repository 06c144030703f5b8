"""Retrieval and reranking with learned sparse and multi-vector indexes.

import lexmax

with lexmax.create("my-index") as collection:
    collection.add([lexmax.Document("1", "Vitamin D keeps bones dense.")])
    print(collection.search("bone density").hits)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from lexmax.errors import LexmaxError
from lexmax.types import Document
from lexmax.vectors import Query, Vectors

if TYPE_CHECKING:
    from lexmax.client import AsyncClient, Client
    from lexmax.collection import Collection
    from lexmax.encoders import load

    create = Collection.create
    open = Collection.open

__all__ = [
    "AsyncClient",
    "Client",
    "Collection",
    "Document",
    "LexmaxError",
    "Query",
    "Vectors",
    "create",
    "load",
    "open",
]


def __getattr__(name: str) -> object:
    # `import lexmax` must not cost the import of every index; rooms load when asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("AsyncClient", "Client"):
        return getattr(import_module("lexmax.client"), name)
    if name == "load":
        return import_module("lexmax.encoders").load
    collection = import_module("lexmax.collection").Collection
    return collection if name == "Collection" else getattr(collection, name)
