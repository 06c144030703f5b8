"""Which documents answer these queries? Many searches in one request."""

from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, Response

from lexmax.collection import Collection
from lexmax.results import SearchResult
from lexmax.search_groups import told_of
from lexmax.searching import Wanted
from lexmax.service.batch_schemas import BatchedSearch, BatchSearchReply, BatchSearchRequest
from lexmax.service.limits import asked_pipeline, check_count, check_query
from lexmax.service.metrics import pipeline_label
from lexmax.service.parts import Parts, Service
from lexmax.service.schemas import CollectionName
from lexmax.service.search_json import search_json
from lexmax.service.strict_json import StrictRoute
from lexmax.service.vector_schemas import asked
from lexmax.vectors import Query

router = APIRouter(tags=["search"], route_class=StrictRoute)


@router.post("/v1/collections/{name}/search/batch", response_model=BatchSearchReply)
async def search_batch(name: CollectionName, body: BatchSearchRequest, service: Parts) -> Response:
    """Many searches at once, each as search answers it; one that cannot be answered fails all.

    Those that differ in their queries and filters alone go through the pipeline together.
    """
    settings = service.settings
    check_count("searches", len(body.searches), settings.max_batch_searches, unit="searches")
    n_hits = sum(one.offset + one.k for one in body.searches)
    check_count("searches: offset + k of all", n_hits, settings.max_k, unit="hits")
    searches = [_wanted(place, one, service) for place, one in enumerate(body.searches)]
    service.call.ends_within(body.timeout_ms)

    def answer(collection: Collection) -> bytes:
        left_ms = service.call.left_ms()
        timed = [(query, replace(wanted, timeout_ms=left_ms)) for query, wanted in searches]
        results = collection.search_many(timed)
        for result in _ran_together(results):
            service.took(pipeline_label(result.pipeline), result.timings_ms)
        written = b",".join(search_json(one, ids_only=body.ids_only) for one in results)
        return b'{"results":[' + written + b"]}"

    return Response(await service.read(name, answer), media_type="application/json")


def _wanted(place: int, one: BatchedSearch, service: Service) -> tuple[str | Query, Wanted]:
    settings = service.settings
    with told_of(place):
        check_query(one.query, settings, may_be_blank=one.vectors is not None)
        pipeline = None if one.pipeline is None else asked_pipeline(one.pipeline, settings)
        query = asked(one.query, one.vectors)
    return query, Wanted(one.k, one.offset, pipeline, one.filter, min_relevance=one.min_relevance)


def _ran_together(results: Sequence[SearchResult]) -> list[SearchResult]:
    """One result of each group whose stages ran once for all of it."""
    return list({(one.pipeline, one.stages): one for one in results}.values())
