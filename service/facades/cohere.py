"""How do Cohere's clients ask for an order of texts? `base_url` is http://HOST/cohere."""

import uuid
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from lexmax.service.facades.failures import CohereFailure
from lexmax.service.facades.lenient import (
    FacadeReply,
    FacadeRequest,
    ModelName,
    Text,
    TextOrFields,
    told_as,
)
from lexmax.service.facades.ranking import Answer, Ranked, ranking, text_of
from lexmax.service.parts import Parts
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["cohere"], route_class=StrictRoute, responses=told_as(CohereFailure))


class RerankV2(FacadeRequest):
    """Texts to order."""

    query: str
    documents: list[TextOrFields] = Field(min_length=1)
    model: ModelName | None = None
    top_n: int | None = Field(default=None, ge=1, description="More than there are means all")


class RerankV1(RerankV2):
    """Texts to order, or fields of mappings."""

    return_documents: bool | None = None
    rank_fields: list[str] | None = Field(default=None, min_length=1)


class Result(FacadeReply):
    """One text."""

    index: int
    relevance_score: float


class ResultWithText(Result):
    """One text, perhaps with what it says."""

    document: Text | None = None


class ApiVersion(FacadeReply):
    """Of which API this is."""

    version: Literal["1", "2"]
    is_experimental: bool = False


class BilledUnits(FacadeReply):
    """What a bill would say."""

    search_units: int = 1


class Tokens(FacadeReply):
    """About how many were read."""

    input_tokens: int


class Meta(FacadeReply):
    """About the answer."""

    api_version: ApiVersion
    billed_units: BilledUnits = BilledUnits()
    tokens: Tokens


class ReplyV2(FacadeReply):
    """Texts, best first."""

    id: str
    results: list[Result]
    meta: Meta


class ReplyV1(FacadeReply):
    """Texts, best first."""

    id: str
    results: list[ResultWithText]
    meta: Meta


@router.post("/v2/rerank")
@router.post("/cohere/v2/rerank")
async def rerank_v2(body: RerankV2, service: Parts) -> ReplyV2:
    """As Cohere's POST /v2/rerank."""
    texts = [text_of(document) for document in body.documents]
    answer = await ranking(body.query, texts, body.model, service)
    results = [_result(one) for one in answer.top(body.top_n)]
    return ReplyV2(id=str(uuid.uuid4()), results=results, meta=_meta("2", answer))


@router.post("/cohere/v1/rerank", response_model_exclude_none=True)
async def rerank_v1(body: RerankV1, service: Parts) -> ReplyV1:
    """As Cohere's POST /v1/rerank."""
    texts = [text_of(document, body.rank_fields) for document in body.documents]
    answer = await ranking(body.query, texts, body.model, service)
    results = [
        ResultWithText(
            index=one.index,
            relevance_score=one.relevance,
            document=Text(text=one.text) if body.return_documents else None,
        )
        for one in answer.top(body.top_n)
    ]
    return ReplyV1(id=str(uuid.uuid4()), results=results, meta=_meta("1", answer))


def _result(ranked: Ranked) -> Result:
    return Result(index=ranked.index, relevance_score=ranked.relevance)


def _meta(version: Literal["1", "2"], answer: Answer) -> Meta:
    return Meta(
        api_version=ApiVersion(version=version), tokens=Tokens(input_tokens=answer.n_tokens)
    )
