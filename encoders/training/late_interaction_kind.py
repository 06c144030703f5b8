"""What may a training configuration say of a late-interaction model?"""

from collections.abc import Sequence
from itertools import islice
from typing import Any, Literal

import torch
from pydantic import Field, field_validator

from lexmax.corpus import Reject, read_documents
from lexmax.corpus_sources import seen_from
from lexmax.encoders.backbone import States
from lexmax.encoders.heads.projection import ProjectionShape
from lexmax.encoders.pooling import Count, Pooling
from lexmax.encoders.sparse_description import read_value
from lexmax.encoders.token_encoder import TokenParts, token_parts
from lexmax.encoders.token_model import TokenReading, without_markers
from lexmax.encoders.training.config import Section
from lexmax.encoders.training.late_interaction import LateInteractionTask, TokenEffort
from lexmax.encoders.training.opened_trunk import opened_trunk
from lexmax.encoders.training.supervision import Supervision
from lexmax.encoders.training.tasks import Place, TaskKind
from lexmax.encoders.training.token_objective import Distillation, MaxSim, Objective
from lexmax.encoders.training.xtr import Xtr
from lexmax.encoders.trunk import MINILM, Trunk
from lexmax.errors import EncoderError

_SAMPLE_DOCS = 2000


class PoolingSection(Section):
    """How the vectors of a document become fewer, in training and in use (CRISP)."""

    method: str = Field(description="kmeans, ward, spacing or tail: see docs/pooling.md.")
    tokens: int | None = Field(None, ge=1, description="Vectors of a document at most.")
    ratio: float | None = Field(None, gt=0, le=1, description="Or this share of them.")
    factor: int | None = Field(None, ge=1, description="Or one of so many.")
    seed: int = Field(0, ge=0, description="Of k-means.")


class LateInteractionSection(Section):
    """A late-interaction model, its transformer, and what it learns from."""

    transformer: str = Field(MINILM, description="Folder of a model, a name on the hub, or minilm.")
    layers: int | None = Field(
        0, ge=0, description="Last layers that are trained; null for all, 0 for the head alone."
    )
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        None,
        description="Numbers in which states of a frozen transformer are computed; null for what "
        "the device is good at.",
    )
    head_lr: float | None = Field(
        None, gt=0, description="Learning rate of the projection; null for the same."
    )
    projection: dict[str, Any] = Field(
        default_factory=dict,
        description="kind (linear, ffn, upscaled, residual, glu), dim, ratio, activation, bias.",
    )
    start: str | None = Field(
        None,
        description="Documents, as `lexmax index` takes them, whose principal directions the "
        "projection begins with; null for random numbers.",
    )
    query_tokens: int = Field(64, ge=3, description="Of a query, markers counted.")
    document_tokens: int = Field(256, ge=3, description="Of a document, markers counted.")
    objective: Literal["maxsim", "xtr"] = Field("maxsim", description="What a score is.")
    k_train: int = Field(
        128, ge=1, description="xtr: tokens of the batch that a query token retrieves."
    )
    mean: bool = Field(
        True, description="maxsim: the mean over query tokens, so that one temperature fits all."
    )
    pooling: PoolingSection | None = Field(None, description="Of documents; null for none.")
    query_pooling: PoolingSection | None = Field(None, description="Of queries; null for none.")
    objectives: list[Any] = Field(
        default_factory=list[Any],
        description="Losses over scores, such as {name: contrastive, temperature: 0.05}.",
    )
    distillation: float = Field(
        1.0,
        ge=0,
        description="Weight of learning to rank as all coordinates of the frozen states do.",
    )
    temperature: float = Field(0.03, gt=0, description="Of that teacher, and of its student.")

    @field_validator("objectives")
    @classmethod
    def _are_losses(cls, written: list[Any]) -> list[Any]:
        try:
            _supervision(written)
        except EncoderError as error:
            raise ValueError(str(error)) from error
        return written


def make(values: LateInteractionSection, place: Place) -> LateInteractionTask:
    """The task of a configuration.

    Raises:
        EncoderError: if a folder holds no such model, or the values do not go together.
    """
    trunk = opened_trunk(values.transformer, place, dtype=values.dtype, own=values.layers != 0)
    shape: ProjectionShape = read_value(
        ProjectionShape, {"dim_in": trunk.backbone.dim, **values.projection}, at="projection"
    )
    parts = token_parts(
        trunk,
        shape,
        queries=_reading(trunk, values.query_tokens, values.query_pooling),
        documents=_reading(trunk, values.document_tokens, values.pooling),
    )
    if values.start is not None:
        parts.projection.start_from(_principal(parts, values.start, place))
    cache = place.cache if values.layers == 0 else None
    effort = TokenEffort(values.layers, values.head_lr, cache)
    return LateInteractionTask(parts, _objective(values), effort)


def _objective(values: LateInteractionSection) -> Objective:
    interaction = (
        MaxSim(mean=values.mean) if values.objective == "maxsim" else Xtr(retrieved=values.k_train)
    )
    taught = Distillation(
        weight=values.distillation,
        temperature=values.temperature,
        teacher_temperature=values.temperature,
    )
    return Objective(
        interaction,
        _supervision(values.objectives),
        taught if values.distillation else None,
    )


def _supervision(written: Sequence[Any]) -> Supervision | None:
    if not written:
        return None
    supervision: Supervision = read_value(
        Supervision, {"objectives": list(written)}, at="supervision"
    )
    return supervision


def _reading(trunk: Trunk, max_tokens: int, pooling: PoolingSection | None) -> TokenReading:
    plain = without_markers(trunk.pieces, max_tokens=max_tokens)
    if pooling is None:
        return plain
    count = Count(tokens=pooling.tokens, ratio=pooling.ratio, factor=pooling.factor)
    return TokenReading(
        max_tokens, skipped=plain.skipped, pooling=Pooling(pooling.method, count, pooling.seed)
    )


def _principal(parts: TokenParts, source: str, place: Place) -> torch.Tensor:
    """Directions of the largest second moments of unit states, (dim, dim_in)."""
    documents = read_documents([seen_from(place.folder, source)], on_reject=_pass_over)
    texts = [document.full_text for document in islice(documents, _SAMPLE_DOCS)]
    side, moments = parts.model.documents.side(parts.trunk.pieces), _Moments(parts)
    parts.trunk.backbone.run(side.rows(texts).ids, [moments])
    if not bool(moments.total.any()):
        raise EncoderError(
            f"{seen_from(place.folder, source)} holds no documents; expected some to begin by"
        )
    linalg: Any = torch.linalg
    directions: torch.Tensor = linalg.eigh(moments.total)[1]
    return directions[:, -parts.model.projection.dim :].flip(1).T.float()


class _Moments:
    """Sums up products of coordinates of unit states."""

    def __init__(self, parts: TokenParts) -> None:
        dim = parts.trunk.backbone.dim
        self._special = torch.tensor(sorted(parts.trunk.special_ids))
        self.total = torch.zeros((dim, dim), dtype=torch.float64)

    def take(self, states: States) -> None:
        content = states.mask & ~torch.isin(states.ids, self._special.to(states.ids.device))
        unit = torch.nn.functional.normalize(states.hidden[content], dim=-1)
        self.total += (unit.T @ unit).double().cpu()


def _pass_over(reject: Reject) -> None:
    """Do nothing: a broken line in thousands moves no direction."""


LATE_INTERACTION = TaskKind(LateInteractionSection, make)
"""The kind of task that is called late-interaction."""
