"""Which paths does the service answer?"""

from fastapi import FastAPI

from lexmax.service.routes import (
    aliases,
    collections,
    documents,
    encode,
    explain,
    jobs,
    relevance,
    rerank,
    search,
    search_batch,
    snapshots,
    status,
    upkeep,
)


def include(app: FastAPI) -> None:
    """Add every route to `app`."""
    for room in (
        search,  # FastAPI tries one after the other: what is asked most comes first
        status,
        collections,
        aliases,
        snapshots,
        upkeep,
        jobs,
        relevance,
        documents,
        search_batch,
        explain,
        encode,
        rerank,
    ):
        app.include_router(room.router)
