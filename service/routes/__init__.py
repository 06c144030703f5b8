"""Which paths does the service answer?"""

from fastapi import FastAPI

from lexmax.service.routes import collections, documents, rerank, search, status


def include(app: FastAPI) -> None:
    """Add every route to `app`."""
    for room in (status, collections, documents, search, rerank):
        app.include_router(room.router)
