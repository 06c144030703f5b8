"""In which order do these texts answer the query?"""

import math
import time
from functools import partial

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray

from lexmax.service.limits import check_count, check_query
from lexmax.service.parts import Parts, Service
from lexmax.service.reranking import scores_by_maxsim, scores_by_pairs
from lexmax.service.schemas import RerankReply, RerankRequest, RerankResult
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["rerank"], route_class=StrictRoute)


@router.post("/v1/rerank")
async def rerank(body: RerankRequest, service: Parts) -> RerankReply:
    """The given texts by MaxSim, or by one of the rerankers, best first; nothing is stored."""
    settings = service.settings
    check_query(body.query, settings)
    check_count("documents", len(body.documents), settings.max_rerank_documents, unit="texts")
    work = partial(_ranked, body, service)
    return await service.encoding.run(work, service.call, watched=True)


def _ranked(body: RerankRequest, service: Service) -> RerankReply:
    texts = [text if isinstance(text, str) else text.text for text in body.documents]
    start = time.perf_counter()
    scores = _scores(body, texts, service)
    timings_ms = {"rerank_ms": (time.perf_counter() - start) * 1e3}
    service.took("rerank", timings_ms)
    best = np.argsort(-scores, kind="stable")[: body.top_n]
    return RerankReply(
        results=[RerankResult(index=int(i), score=_finite(float(scores[i]))) for i in best],
        model=body.model,
        timings_ms=timings_ms,
    )


def _scores(body: RerankRequest, texts: list[str], service: Service) -> NDArray[np.float32]:
    encoders, call = service.encoders, service.call
    if body.model in service.settings.rerankers:
        return scores_by_pairs(body.query, texts, spec=body.model, encoders=encoders, call=call)
    encoder = encoders.multivector(body.model)
    return scores_by_maxsim(body.query, texts, encoder=encoder, encoders=encoders, call=call)


def _finite(score: float) -> float | None:
    return score if math.isfinite(score) else None
