"""Which clients of other services can be pointed at this one?"""

from fastapi import FastAPI

from lexmax.service.facades import cohere, jina, openai, text_embeddings, voyage


def include(app: FastAPI) -> None:
    """Add the paths of all façades to `app`."""
    for room in (cohere, jina, voyage, text_embeddings, openai):
        app.include_router(room.router)
