"""Which documents answer this query?"""

from fastapi import APIRouter, Response

from lexmax.collection import Collection
from lexmax.results import SearchResult
from lexmax.service.direct_route import DirectRoute
from lexmax.service.limits import asked_pipeline, check_count, check_query
from lexmax.service.metrics import pipeline_label
from lexmax.service.parts import Parts
from lexmax.service.schemas import CollectionName, HitReply, SearchReply, SearchRequest, StageReply
from lexmax.service.search_json import search_json
from lexmax.service.vector_schemas import asked

router = APIRouter(tags=["search"], route_class=DirectRoute)


@router.post("/v1/collections/{name}/search", response_model=SearchReply)
async def search(name: CollectionName, body: SearchRequest, service: Parts) -> Response:
    """The best k documents, fewer if the collection has fewer, with scores by stage."""
    check_query(body.query, service.settings, may_be_blank=body.vectors is not None)
    check_count("offset + k", body.offset + body.k, service.settings.max_k, unit="hits")
    pipeline = None if body.pipeline is None else asked_pipeline(body.pipeline, service.settings)
    asked_query = asked(body.query, body.vectors)
    service.call.ends_within(body.timeout_ms)

    def answer(collection: Collection) -> bytes:
        result = collection.search(
            asked_query,
            body.k,
            pipeline=pipeline,
            filter=body.filter,
            offset=body.offset,
            timeout_ms=service.call.left_ms(),
            min_relevance=body.min_relevance,
        )
        service.took(pipeline_label(result.pipeline), result.timings_ms)
        # Ten thousand hits take a while to write: here, on the thread, not on the event loop.
        return search_json(result)

    return Response(await service.read(name, answer), media_type="application/json")


def search_reply(result: SearchResult) -> SearchReply:
    """The result as clients get it."""
    return SearchReply(
        hits=[HitReply.model_validate(hit, from_attributes=True) for hit in result.hits],
        pipeline=result.pipeline,
        generation=result.generation,
        timings_ms=result.timings_ms,
        stages=[StageReply.model_validate(one, from_attributes=True) for one in result.stages],
        n_filtered=result.n_filtered,
        partial=result.partial,
        notes=list(result.notes),
    )
