"""Which collections are there? Create, describe, delete."""

from typing import Any

from fastapi import APIRouter, Request, Response, status

from lexmax.collection import Collection
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.passages import PassagePlan
from lexmax.service.guard import seen_collections
from lexmax.service.parts import Parts
from lexmax.service.schemas import (
    CollectionEntry,
    CollectionList,
    CollectionName,
    CollectionReply,
    CollectionSpec,
)
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["collections"], route_class=StrictRoute)


@router.get("/v1/collections")
async def list_collections(request: Request, service: Parts) -> CollectionList:
    """The names of all collections that the key may read, sorted."""
    names = await service.searching.run(service.collections.names, service.call)
    return CollectionList(
        collections=[CollectionEntry(name=name) for name in seen_collections(request, names)]
    )


@router.put("/v1/collections/{name}", status_code=status.HTTP_201_CREATED)
async def create_collection(
    name: CollectionName, service: Parts, spec: CollectionSpec | None = None
) -> CollectionReply:
    """An empty collection; without a body, with both indexes."""
    chosen = spec or CollectionSpec()

    def create() -> None:
        service.collections.create(
            name,
            sparse=chosen.sparse,
            multivector=chosen.multivector,
            fields=chosen.fields,
            pooled=chosen.pooled,
            pooled_codec=chosen.pooled_codec,
            tokens=None if chosen.tokens is None else MultiVectorPlan(**chosen.tokens.model_dump()),
            neighbours=chosen.neighbours,
            passages=None
            if (asked := chosen.passages) is None
            else PassagePlan(asked.window, asked.stride),
        )

    await service.writing.run(create, service.call)
    return await service.read(name, lambda collection: described(name, collection))


@router.get("/v1/collections/{name}")
async def describe_collection(name: CollectionName, service: Parts) -> CollectionReply:
    """Counts, encoders, pipelines and bytes on disk."""
    return await service.read(name, lambda collection: described(name, collection))


@router.delete("/v1/collections/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_collection(name: CollectionName, service: Parts) -> Response:
    """Remove the collection and all its documents, once requests that use it have ended."""
    service.jobs.require_idle(name)
    await service.writing.run(lambda: service.collections.delete(name), service.call)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def described(name: str, collection: Collection) -> CollectionReply:
    """The collection as clients get it."""
    described: dict[str, Any] = {"name": name, **collection.describe()}
    return CollectionReply.model_validate(described)
