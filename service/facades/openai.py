"""How do OpenAI's clients ask for vectors? `base_url` is http://HOST/v1."""

import base64
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Path, Response
from numpy.typing import NDArray
from pydantic import Field

from lexmax.errors import QueryError
from lexmax.service.encoding import Side, n_tokens_of, pooled_rows
from lexmax.service.facades.failures import OpenAiFailure
from lexmax.service.facades.lenient import FacadeReply, FacadeRequest, ModelName, Usage, told_as
from lexmax.service.guard import GuardedRoute
from lexmax.service.limits import check_count
from lexmax.service.models import MODEL_NOT_FOUND, Kind, Model, asked_model, served_models
from lexmax.service.parts import Parts, Service
from lexmax.service.problems import Refusal
from lexmax.service.strict_json import StrictRoute

_AS_FAILURES = told_as(OpenAiFailure)

router = APIRouter(tags=["openai"], route_class=StrictRoute, responses=_AS_FAILURES)
_listing = APIRouter(tags=["openai"], route_class=GuardedRoute, responses=_AS_FAILURES)

_QUERIES = frozenset({"query", "search_query"})


class EmbeddingsRequest(FacadeRequest):
    """Texts to encode; numbers of tokens are not taken: they are of another tokenizer."""

    input: str | list[str]
    model: ModelName | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1, description="As many as the model has")
    input_type: str | None = Field(
        default=None, max_length=64, description="query, or what else is a document"
    )

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [self.input] if isinstance(self.input, str) else self.input

    @property
    def side(self) -> Side:
        """What the texts are."""
        return "query" if self.input_type in _QUERIES else "document"


class Embedding(FacadeReply):
    """One text's vector; as base64, float32 with the lowest byte first."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsReply(FacadeReply):
    """Vectors in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class ModelEntry(FacadeReply):
    """A model that requests may name."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "lexmax"
    kind: Kind = Field(description="pooled ones give embeddings; pairs and multivector, an order")


class ModelList(FacadeReply):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


@router.post("/v1/embeddings", response_model=EmbeddingsReply)
async def embeddings(body: EmbeddingsRequest, service: Parts) -> Response:
    """As OpenAI's POST /v1/embeddings."""
    if not body.texts:
        raise QueryError("input: found no text; expected at least one; send one")
    check_count("input", len(body.texts), service.settings.max_batch_documents, unit="texts")
    model = asked_model(body.model, ["pooled"], service.settings)
    work = partial(_embedded, body, model, service)
    content = await service.encoding.run(work, service.call, watched=True)
    return Response(content, media_type="application/json")


@_listing.get("/v1/models")
async def list_models(service: Parts) -> ModelList:
    """As OpenAI's GET /v1/models, of every kind."""
    return ModelList(data=[_entry(model) for model in served_models(service.settings).values()])


@_listing.get("/v1/models/{model}")
async def read_model(model: Annotated[str, Path(max_length=256)], service: Parts) -> ModelEntry:
    """As OpenAI's GET /v1/models/{model}."""
    found = served_models(service.settings).get(model)
    if found is None:
        raise Refusal(
            MODEL_NOT_FOUND,
            "no model has this name; expected one that GET /v1/models lists; correct it",
        )
    return _entry(found)


router.include_router(_listing)


def _embedded(body: EmbeddingsRequest, model: Model, service: Service) -> bytes:
    encoders, call = service.encoders, service.call
    rows = pooled_rows(body.texts, body.side, spec=model.spec, encoders=encoders, call=call)
    check_dim(body.dimensions, len(rows[0]))
    n_tokens = n_tokens_of(body.texts)
    written = _base64 if body.encoding_format == "base64" else _as_it_is
    reply = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": i, "embedding": written(row)}
            for i, row in enumerate(rows)
        ],
        "model": model.name,
        "usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens},
    }
    return orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY)


def check_dim(asked: int | None, dim: int) -> None:
    """Refuse other vectors than the model has.

    Raises:
        QueryError: if `asked` is another number than `dim`.
    """
    if asked is not None and asked != dim:
        raise QueryError(
            f"dimensions: found {asked}; expected {dim}, which is what this model has; leave it out"
        )


def _as_it_is(row: NDArray[np.float32]) -> Any:
    return row


def _base64(row: NDArray[np.float32]) -> str:
    return base64.b64encode(row.astype("<f4", copy=False).tobytes()).decode()


def _entry(model: Model) -> ModelEntry:
    return ModelEntry(id=model.name, kind=model.kind)
