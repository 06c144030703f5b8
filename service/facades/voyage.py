"""How do Voyage's clients ask for an order of texts? `base_url` is http://HOST/voyage/v1."""

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from lexmax.service.facades.failures import DetailFailure
from lexmax.service.facades.lenient import FacadeReply, FacadeRequest, ModelName, Usage, told_as
from lexmax.service.facades.ranking import ranking
from lexmax.service.parts import Parts
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["voyage"], route_class=StrictRoute, responses=told_as(DetailFailure))


class Rerank(FacadeRequest):
    """Texts to order."""

    query: str
    documents: list[str] = Field(min_length=1)
    model: ModelName | None = None
    top_k: int | None = Field(default=None, ge=1, description="More than there are means all")
    return_documents: bool | None = False


class Result(FacadeReply):
    """One text, perhaps with what it says."""

    index: int
    relevance_score: float
    document: str | None = None


class Reply(FacadeReply):
    """Texts, best first."""

    object: Literal["list"] = "list"
    data: list[Result]
    model: str
    usage: Usage


@router.post("/voyage/v1/rerank", response_model_exclude_none=True)
async def rerank(body: Rerank, service: Parts) -> Reply:
    """As Voyage's POST /v1/rerank."""
    answer = await ranking(body.query, body.documents, body.model, service)
    results = [
        Result(
            index=one.index,
            relevance_score=one.relevance,
            document=one.text if body.return_documents else None,
        )
        for one in answer.top(body.top_k)
    ]
    return Reply(data=results, model=answer.model, usage=answer.usage)
