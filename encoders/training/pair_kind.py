"""What may a training configuration say of a cross-encoder?"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, field_validator
from torch import nn

from lexmax.encoders.checkpoints.files import read_json
from lexmax.encoders.checkpoints.transformer import load_model
from lexmax.encoders.pair_model import pair_model
from lexmax.encoders.sparse_description import name_of, read_value
from lexmax.encoders.training.config import Section
from lexmax.encoders.training.opened_trunk import opened_trunk
from lexmax.encoders.training.pair_objective import PairObjective
from lexmax.encoders.training.pair_task import PairEffort, PairLosses, PairTask
from lexmax.encoders.training.supervision import States, Supervision, TermRecall
from lexmax.encoders.training.tasks import Place, TaskKind
from lexmax.encoders.trunk import MINILM
from lexmax.errors import EncoderError


class ObjectiveSection(Section):
    """How far and in which direction a text moves the model (arXiv 2510.14824)."""

    weight: Literal["sft", "contrastive", "constant", "masked"] = Field(
        default="sft",
        description="sft: how wrong the model is about a text; contrastive: its share of the "
        "group; constant: 1; masked: as sft, 0 where it is right already.",
    )
    direction: Literal["sft", "contrastive"] = Field(
        default="sft",
        description="sft: yes against no; contrastive: yes alone. It is also the score.",
    )
    temperature: float = Field(default=1.0, gt=0, description="Of the contrastive weight.")
    right_at: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Of masked: the label's probability from which on it is 0.",
    )


def _sft() -> ObjectiveSection | None:
    return ObjectiveSection()


class CrossEncoderSection(Section):
    """A transformer that reads query and document together, and what it learns from."""

    transformer: str = Field(
        MINILM,
        description="Folder of a model, a name on the hub, or minilm; of a cross-encoder, its "
        "head is taken too.",
    )
    layers: int | None = Field(
        None, ge=0, description="Last layers that are trained; null for all, 0 for the head alone."
    )
    head_lr: float | None = Field(
        None, gt=0, description="Learning rate of the head; null for the same."
    )
    rows: Literal[1, 2] = Field(
        2, description="Outputs of the head in training: yes alone, or no and yes."
    )
    max_tokens: int = Field(
        256, ge=8, description="Of query and document together, markers counted."
    )
    objective: ObjectiveSection | None = Field(
        default_factory=_sft, description="null to learn by `objectives` alone."
    )
    objectives: list[Any] = Field(
        default_factory=list[Any],
        description="Losses over scores besides, such as {name: pld} or {name: margin-mse} where "
        "there is a teacher.",
    )

    @field_validator("objectives")
    @classmethod
    def _are_losses(cls, written: list[Any]) -> list[Any]:
        try:
            _supervision(written)
        except EncoderError as error:
            raise ValueError(str(error)) from error
        return written


def make(values: CrossEncoderSection, place: Place) -> PairTask:
    """The task of a configuration.

    Raises:
        EncoderError: if a folder holds no such model, or the values do not go together.
        TrainingError: if there is nothing to learn from.
    """
    said = values.objective
    learned = PairLosses(
        None
        if said is None
        else PairObjective(said.weight, said.direction, said.temperature, said.right_at),
        _supervision(values.objectives),
    )
    trunk = opened_trunk(values.transformer, place, dtype=None)
    parts = pair_model(
        trunk,
        rows=values.rows,
        max_tokens=values.max_tokens,
        start=_start(place.folder / values.transformer),
    )
    return PairTask(parts, learned, PairEffort(values.layers, values.head_lr))


def _start(folder: Path) -> nn.Module | None:
    """The classifier of a folder, if it holds one with one output."""
    path = folder / "config.json"
    if not path.is_file():
        return None
    said = read_json(path)
    heads: list[Any] = said.get("architectures") or []
    labels: dict[str, Any] = said.get("id2label") or {}
    classifies = any(str(name).endswith("ForSequenceClassification") for name in heads)
    if not classifies or len(labels) != 1:
        return None
    found: nn.Module = load_model(folder, head="AutoModelForSequenceClassification")
    return found


def _supervision(written: list[Any]) -> Supervision | None:
    if not written:
        return None
    found: Supervision = read_value(Supervision, {"objectives": list(written)}, at="supervision")
    for one in found.objectives:
        if isinstance(one, States | TermRecall):
            raise EncoderError(
                f"a cross-encoder has no loss {name_of(one)!r}, which is of states or terms; "
                "expected one over scores: contrastive, focal, one-minus-softmax, margin-mse, kl "
                "or pld; name one of these"
            )
    return found


_PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "cross-encoder-sft": {"objective": {"weight": "sft", "direction": "sft"}},
        "cross-encoder-contrastive": {
            "rows": 1,
            "objective": {"weight": "contrastive", "direction": "contrastive"},
        },
    }
)
_BESIDE: Mapping[str, Any] = MappingProxyType(
    {
        "negatives": {"per_query": 7},
        "optimiser": {"lr": 2e-5, "warm_up": 100, "batch_size": 16},
    }
)

CROSS_ENCODER = TaskKind(
    CrossEncoderSection, make, presets=_PRESETS, beside={name: _BESIDE for name in _PRESETS}
)
"""The kind of task that is called cross-encoder."""
