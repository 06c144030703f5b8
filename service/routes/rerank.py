"""In which order do these texts answer the query?"""

import math
import time

import numpy as np
from fastapi import APIRouter

from lexmax.pipeline import rerank_texts
from lexmax.service.limits import check_count, check_query
from lexmax.service.parts import Parts, Service
from lexmax.service.schemas import RerankReply, RerankRequest, RerankResult
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["rerank"], route_class=StrictRoute)


@router.post("/v1/rerank")
async def rerank(body: RerankRequest, service: Parts) -> RerankReply:
    """The given texts by MaxSim with the query, best first; nothing is stored."""
    settings = service.settings
    check_query(body.query, settings)
    check_count("documents", len(body.documents), settings.max_rerank_documents, unit="texts")
    return await service.searching.run(lambda: _ranked(body, service))


def _ranked(body: RerankRequest, service: Service) -> RerankReply:
    texts = [text if isinstance(text, str) else text.text for text in body.documents]
    start = time.perf_counter()
    scores = rerank_texts(body.query, texts, encoder=service.encoders.multivector(body.model))
    timings_ms = {"rerank_ms": (time.perf_counter() - start) * 1e3}
    service.metrics.stages("rerank", timings_ms)
    best = np.argsort(-scores, kind="stable")[: body.top_n]
    return RerankReply(
        results=[RerankResult(index=int(i), score=_finite(float(scores[i]))) for i in best],
        model=body.model,
        timings_ms=timings_ms,
    )


def _finite(score: float) -> float | None:
    return score if math.isfinite(score) else None
