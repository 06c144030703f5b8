"""Why does a document answer this query, or why does it not?"""

from fastapi import APIRouter, Response

from lexmax.collection import Collection
from lexmax.explaining import Explanation
from lexmax.service.explain_schemas import ExplainReply, ExplainRequest
from lexmax.service.limits import asked_pipeline, check_count, check_query
from lexmax.service.parts import Parts
from lexmax.service.problems import DOCUMENT_NOT_FOUND, Refusal
from lexmax.service.routes.search import search_reply
from lexmax.service.schemas import CollectionName
from lexmax.service.strict_json import StrictRoute
from lexmax.service.vector_schemas import asked

router = APIRouter(tags=["search"], route_class=StrictRoute)

# An explanation has a line for every term and token of the query, for every hit.
_MOST_EXPLAINED = 100


@router.post("/v1/collections/{name}/explain", response_model=ExplainReply)
async def explain(name: CollectionName, body: ExplainRequest, service: Parts) -> Response:
    """A search, and for each hit its terms, tokens, ranks and what filters decided.

    With `doc_id`, the same for that document alone, also where it is no hit.
    """
    settings = service.settings
    check_query(body.query, settings, may_be_blank=body.vectors is not None)
    check_count("offset + k", body.offset + body.k, settings.max_k, unit="hits")
    if body.doc_id is None:
        check_count("k", body.k, min(_MOST_EXPLAINED, settings.max_k), unit="hits to explain")
    pipeline = None if body.pipeline is None else asked_pipeline(body.pipeline, settings)
    asked_query = asked(body.query, body.vectors)
    service.call.ends_within(body.timeout_ms)

    def answer(collection: Collection) -> bytes:
        if body.doc_id is not None:
            _require_document(collection, body.doc_id)
        explanation = collection.explain(
            asked_query,
            body.k,
            doc_id=body.doc_id,
            pipeline=pipeline,
            filter=body.filter,
            offset=body.offset,
            timeout_ms=service.call.left_ms(),
            min_relevance=body.min_relevance,
        )
        return _reply(explanation).model_dump_json().encode()

    return Response(await service.read(name, answer), media_type="application/json")


def _require_document(collection: Collection, doc_id: str) -> None:
    if collection.get([doc_id])[0] is None:
        raise Refusal(
            DOCUMENT_NOT_FOUND,
            "doc_id: the collection has no document with this id; expected one that was stored; "
            "correct it",
        )


def _reply(explanation: Explanation) -> ExplainReply:
    return ExplainReply(
        result=search_reply(explanation.result),
        documents=explanation.documents,
        feedback=explanation.feedback,
    )
