"""How do clients of text-embeddings-inference ask? At http://HOST, or http://HOST/tei/MODEL.

Their requests name no model, because one of their servers has one. Here the address says it, and
the bare address stands for the first of each kind that there is.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Path, Response
from numpy.typing import NDArray
from pydantic import Field

from lexmax.errors import QueryError
from lexmax.service.encoding import Side, SparseRow, pooled_rows, sparse_rows, token_rows
from lexmax.service.facades.failures import TextEmbeddingsFailure
from lexmax.service.facades.lenient import FacadeReply, FacadeRequest, told_as
from lexmax.service.facades.openai import check_dim
from lexmax.service.facades.ranking import ranking
from lexmax.service.guard import GuardedRoute
from lexmax.service.limits import check_count
from lexmax.service.measured import lexmax_version
from lexmax.service.models import Kind, Model, asked_model
from lexmax.service.parts import Parts, Service
from lexmax.service.schemas import StatusReply
from lexmax.service.strict_json import StrictRoute

_AS_FAILURES = told_as(TextEmbeddingsFailure)

router = APIRouter(
    tags=["text-embeddings-inference"], route_class=StrictRoute, responses=_AS_FAILURES
)
_about = APIRouter(
    tags=["text-embeddings-inference"], route_class=GuardedRoute, responses=_AS_FAILURES
)

_EVERY: list[Kind] = ["pooled", "sparse", "multivector", "pairs"]
_InPath = Annotated[str, Path(max_length=256, description="As GET /v1/models lists them")]


class Inputs(FacadeRequest):
    """Texts to encode; what is longer than the model reads is cut, as with truncate."""

    inputs: str | list[str]
    prompt_name: str | None = Field(
        default=None, max_length=64, description="query, or what else is a document"
    )

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs

    @property
    def side(self) -> Side:
        """What the texts are."""
        return "query" if self.prompt_name == "query" else "document"


class EmbedRequest(Inputs):
    """Texts to encode as one vector each."""

    normalize: bool | None = True
    dimensions: int | None = Field(default=None, ge=1, description="As many as the model has")


class RerankRequest(FacadeRequest):
    """Texts to order."""

    query: str
    texts: list[str] = Field(min_length=1)
    raw_scores: bool | None = False
    return_text: bool | None = False


class Weight(FacadeReply):
    """Of one term."""

    index: int
    value: float


class Rank(FacadeReply):
    """One text, perhaps with what it says."""

    index: int
    score: float
    text: str | None = None


class Info(FacadeReply):
    """What this server would be."""

    model_id: str
    model_sha: None = None
    model_dtype: Literal["float32"] = "float32"
    served_model_name: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int = 512
    max_batch_tokens: int
    max_batch_requests: None = None
    max_client_batch_size: int
    auto_truncate: Literal[True] = True
    tokenization_workers: int
    version: str
    sha: None = None
    docker_label: None = None


@router.post("/", response_model=list[list[float]])
@router.post("/embed", response_model=list[list[float]])
async def embed(body: EmbedRequest, service: Parts) -> Response:
    """As POST /embed, and POST /, of text-embeddings-inference: one vector a text."""
    return await _answered(body, None, service, _ONE_VECTOR)


@router.post("/tei/{model}", response_model=list[list[float]])
@router.post("/tei/{model}/embed", response_model=list[list[float]])
async def embed_by(model: _InPath, body: EmbedRequest, service: Parts) -> Response:
    """The same, by this model."""
    return await _answered(body, model, service, _ONE_VECTOR)


@router.post("/embed_all", response_model=list[list[list[float]]])
async def embed_all(body: Inputs, service: Parts) -> Response:
    """As POST /embed_all of text-embeddings-inference: one vector a token."""
    return await _answered(body, None, service, _TOKEN_VECTORS)


@router.post("/tei/{model}/embed_all", response_model=list[list[list[float]]])
async def embed_all_by(model: _InPath, body: Inputs, service: Parts) -> Response:
    """The same, by this model."""
    return await _answered(body, model, service, _TOKEN_VECTORS)


@router.post("/embed_sparse", response_model=list[list[Weight]])
async def embed_sparse(body: Inputs, service: Parts) -> Response:
    """As POST /embed_sparse of text-embeddings-inference: weights of terms."""
    return await _answered(body, None, service, _WEIGHTS)


@router.post("/tei/{model}/embed_sparse", response_model=list[list[Weight]])
async def embed_sparse_by(model: _InPath, body: Inputs, service: Parts) -> Response:
    """The same, by this model."""
    return await _answered(body, model, service, _WEIGHTS)


@router.post("/rerank", response_model_exclude_none=True)
async def rerank(body: RerankRequest, service: Parts) -> list[Rank]:
    """As POST /rerank of text-embeddings-inference."""
    return await _ranked(body, None, service)


@router.post("/tei/{model}/rerank", response_model_exclude_none=True)
async def rerank_by(model: _InPath, body: RerankRequest, service: Parts) -> list[Rank]:
    """The same, by this model."""
    return await _ranked(body, model, service)


@_about.get("/info")
async def info(service: Parts) -> Info:
    """As GET /info of text-embeddings-inference."""
    return _info(asked_model(None, ["pooled"], service.settings), service)


@_about.get("/tei/{model}/info")
async def info_of(model: _InPath, service: Parts) -> Info:
    """The same, of this model."""
    return _info(asked_model(model, _EVERY, service.settings), service)


@_about.get("/tei/{model}/health")
async def health_of(model: _InPath, service: Parts) -> StatusReply:
    """Whether there is this model."""
    asked_model(model, _EVERY, service.settings)
    return StatusReply(status="alive")


router.include_router(_about)

Write = Callable[[Any, Model, Service], Any]


def _vectors(body: EmbedRequest, model: Model, service: Service) -> list[NDArray[np.float32]]:
    encoders, call = service.encoders, service.call
    rows = pooled_rows(body.texts, body.side, spec=model.spec, encoders=encoders, call=call)
    check_dim(body.dimensions, len(rows[0]))
    return [_unit(row) for row in rows] if body.normalize is not False else rows


def _unit(row: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.float32(np.linalg.norm(row))
    return row / length if length > 0 else row


def _tokens(body: Inputs, model: Model, service: Service) -> list[NDArray[np.float32]]:
    encoders, call = service.encoders, service.call
    return token_rows(body.texts, body.side, spec=model.spec, encoders=encoders, call=call)


def _weights(body: Inputs, model: Model, service: Service) -> list[list[dict[str, Any]]]:
    encoders, call = service.encoders, service.call
    rows = sparse_rows(body.texts, body.side, spec=model.spec, encoders=encoders, call=call)
    return [_listed(row) for row in rows]


def _listed(row: SparseRow) -> list[dict[str, Any]]:
    pairs = zip(row[0].tolist(), row[1], strict=True)
    return [{"index": index, "value": value} for index, value in pairs]


_ONE_VECTOR: tuple[Kind, Write] = ("pooled", _vectors)
_TOKEN_VECTORS: tuple[Kind, Write] = ("multivector", _tokens)
_WEIGHTS: tuple[Kind, Write] = ("sparse", _weights)


async def _answered(
    body: Inputs, name: str | None, service: Service, what: tuple[Kind, Write]
) -> Response:
    if not body.texts:
        raise QueryError("inputs: found no text; expected at least one; send one")
    check_count("inputs", len(body.texts), service.settings.max_batch_documents, unit="texts")
    kind, write = what
    model = asked_model(name, [kind], service.settings)
    work = partial(_written, partial(write, body, model, service))
    content = await service.encoding.run(work, service.call, watched=True)
    return Response(content, media_type="application/json")


def _written(rows: Callable[[], Sequence[Any]]) -> bytes:
    return orjson.dumps(rows(), option=orjson.OPT_SERIALIZE_NUMPY)


async def _ranked(body: RerankRequest, name: str | None, service: Service) -> list[Rank]:
    answer = await ranking(body.query, body.texts, name, service)
    return [
        Rank(
            index=one.index,
            score=one.score if body.raw_scores else one.relevance,
            text=one.text if body.return_text else None,
        )
        for one in answer.best
    ]


def _info(model: Model, service: Service) -> Info:
    settings = service.settings
    pairs = {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}
    pooling = {"sparse": "splade", "pooled": "mean"}.get(model.kind, "none")
    n_texts = (
        settings.max_rerank_documents if model.kind == "pairs" else settings.max_batch_documents
    )
    return Info(
        model_id=model.name,
        served_model_name=model.name,
        model_type=pairs if model.kind == "pairs" else {"embedding": {"pooling": pooling}},
        max_concurrent_requests=settings.max_requests,
        max_batch_tokens=settings.batch_tokens,
        max_client_batch_size=n_texts,
        tokenization_workers=settings.encode_threads,
        version=lexmax_version(),
    )
