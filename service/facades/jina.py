"""How do clients of Jina, vLLM and their like ask for an order? `base_url` is http://HOST/jina/v1."""

import uuid
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from lexmax.service.facades.failures import DetailFailure
from lexmax.service.facades.lenient import (
    FacadeReply,
    FacadeRequest,
    ModelName,
    Text,
    TextOrFields,
    Usage,
    told_as,
)
from lexmax.service.facades.ranking import ranking, text_of
from lexmax.service.parts import Parts
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["jina"], route_class=StrictRoute, responses=told_as(DetailFailure))


class Rerank(FacadeRequest):
    """Texts to order."""

    query: str
    documents: list[TextOrFields] = Field(min_length=1)
    model: ModelName | None = None
    top_n: int | None = Field(default=None, ge=1, description="More than there are means all")
    return_documents: bool | None = True


class Result(FacadeReply):
    """One text, perhaps with what it says."""

    index: int
    relevance_score: float
    document: Text | None = None


class Reply(FacadeReply):
    """Texts, best first."""

    id: str
    model: str
    object: Literal["list"] = "list"
    usage: Usage
    results: list[Result]


@router.post("/jina/v1/rerank", response_model_exclude_none=True)
async def rerank(body: Rerank, service: Parts) -> Reply:
    """As Jina's POST /v1/rerank."""
    texts = [text_of(document) for document in body.documents]
    answer = await ranking(body.query, texts, body.model, service)
    results = [
        Result(
            index=one.index,
            relevance_score=one.relevance,
            document=Text(text=one.text) if body.return_documents else None,
        )
        for one in answer.top(body.top_n)
    ]
    return Reply(id=str(uuid.uuid4()), model=answer.model, usage=answer.usage, results=results)
