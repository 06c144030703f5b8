"""Which paths does the service answer?"""

from fastapi import FastAPI

from lexmax.service.routes import collections, documents, encode, explain, rerank, search, status


def include(app: FastAPI) -> None:
    """Add every route to `app`."""
    for room in (status, collections, documents, search, explain, encode, rerank):
        app.include_router(room.router)
