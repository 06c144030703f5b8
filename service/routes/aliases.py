"""Which collection does a name mean? Aliases: list, switch, delete."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, status

from lexmax.service.collections import NAME_RULE
from lexmax.service.guard import seen_collections
from lexmax.service.parts import Parts
from lexmax.service.strict_json import StrictRoute
from lexmax.service.upkeep_schemas import AliasEntry, AliasList, AliasReply, AliasSpec

router = APIRouter(tags=["aliases"], route_class=StrictRoute)

_Alias = Annotated[str, Path(pattern=NAME_RULE, description="The alias")]


@router.get("/v1/aliases")
async def list_aliases(request: Request, service: Parts) -> AliasList:
    """Aliases of the collections that the key may read, sorted."""
    known = await service.searching.run(service.collections.aliases, service.call)
    seen = set(seen_collections(request, sorted(set(known.values()))))
    return AliasList(
        aliases=[
            AliasEntry(alias=alias, collection=meant)
            for alias, meant in sorted(known.items())
            if meant in seen
        ]
    )


@router.put("/v1/aliases/{alias}")
async def set_alias(alias: _Alias, body: AliasSpec, service: Parts) -> AliasReply:
    """Let the name mean a collection, from now on and after a power cut.

    Every path that takes a collection's name takes it. Requests that have begun finish where they
    began; all others go to the new collection. What a key may do is decided by the collection.
    """
    meant = body.collection
    before = await service.writing.run(
        lambda: service.collections.set_alias(alias, meant), service.call
    )
    return AliasReply(alias=alias, collection=meant, before=before)


@router.delete("/v1/aliases/{alias}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_alias(alias: _Alias, service: Parts) -> Response:
    """Let the name mean nothing; the collection stays."""
    await service.writing.run(lambda: service.collections.remove_alias(alias), service.call)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
