"""What are these texts in numbers?"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import orjson
from fastapi import APIRouter, Response

from lexmax.service.encode_schemas import EncodeReply, EncodeRequest
from lexmax.service.encoding import SparseRow, pooled_rows, sparse_rows, token_rows
from lexmax.service.limits import check_count
from lexmax.service.models import Kind, asked_model
from lexmax.service.parts import Parts, Service
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["encode"], route_class=StrictRoute)

_ROWS: Mapping[str, Callable[..., Sequence[Any]]] = MappingProxyType(
    {"sparse": sparse_rows, "multivector": token_rows, "pooled": pooled_rows}
)


@router.post("/v1/encode", response_model=EncodeReply)
async def encode(body: EncodeRequest, service: Parts) -> Response:
    """Vectors of texts: weights of terms, one vector a token, or one a text; nothing is stored."""
    check_count("texts", len(body.texts), service.settings.max_batch_documents, unit="texts")
    named: dict[Kind, str | None] = {
        "sparse": body.sparse,
        "multivector": body.multivector,
        "pooled": body.pooled,
    }
    specs: dict[Kind, str] = {
        kind: asked_model(name, [kind], service.settings).spec
        for kind, name in named.items()
        if name
    }
    work = partial(_encoded, body, specs, service)
    content = await service.encoding.run(work, service.call, watched=True)
    return Response(content, media_type="application/json")


def _encoded(body: EncodeRequest, specs: dict[Kind, str], service: Service) -> bytes:
    start = time.perf_counter()
    found: dict[str, Any] = dict.fromkeys(_ROWS)
    for kind, spec in specs.items():
        rows = _ROWS[kind](
            body.texts, body.input_type, spec=spec, encoders=service.encoders, call=service.call
        )
        found[kind] = [_sparse(row) for row in rows] if kind == "sparse" else rows
    timings_ms = {"encode_ms": (time.perf_counter() - start) * 1e3}
    service.took("encode", timings_ms)
    # Millions of numbers take a while to write: here, on the thread, not on the event loop.
    return orjson.dumps(found | {"timings_ms": timings_ms}, option=orjson.OPT_SERIALIZE_NUMPY)


def _sparse(row: SparseRow) -> dict[str, Any]:
    return {"indices": row[0], "values": row[1]}
