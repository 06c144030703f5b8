"""Which documents answer this query?"""

from fastapi import APIRouter, Response

from lexmax.collection import Collection
from lexmax.results import SearchResult
from lexmax.service.limits import check_count, check_query
from lexmax.service.parts import Parts
from lexmax.service.schemas import CollectionName, HitReply, SearchReply, SearchRequest
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["search"], route_class=StrictRoute)


@router.post("/v1/collections/{name}/search", response_model=SearchReply)
async def search(name: CollectionName, body: SearchRequest, service: Parts) -> Response:
    """The best k documents, fewer if the collection has fewer, with scores by stage."""
    check_query(body.query, service.settings)
    check_count("k", body.k, service.settings.max_k, unit="hits")

    def answer(collection: Collection) -> bytes:
        result = collection.search(body.query, body.k, pipeline=body.pipeline)
        service.metrics.stages(result.pipeline, result.timings_ms)
        # Ten thousand hits take a while to write: here, on the thread, not on the event loop.
        return _reply(result).model_dump_json().encode()

    return Response(await service.read(name, answer), media_type="application/json")


def _reply(result: SearchResult) -> SearchReply:
    return SearchReply(
        hits=[HitReply.model_validate(hit, from_attributes=True) for hit in result.hits],
        pipeline=result.pipeline,
        generation=result.generation,
        timings_ms=result.timings_ms,
    )
