"""What may a configuration of training say?

Every field's description is the comment that `lexmax train --print-config` writes above it, so it
says what the value does and in which unit.
"""

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Role: TypeAlias = Literal[
    "query", "pos", "neg", "docs", "pos_scores", "neg_scores", "scores", "ranks"
]
"""What a member of a JSON line may stand for."""


class Section(BaseModel):
    """A part of a configuration: unknown keys and other types are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceSection(Section):
    """A file or folder of examples."""

    path: str = Field(
        description="A file: .jsonl, or .tsv of query, positive and negatives, either with .gz or "
        ".zst; or a BEIR folder."
    )
    format: Literal["auto", "jsonl", "table", "beir"] = Field(
        default="auto", description="auto: by the name. jsonl, table or beir."
    )
    fields: dict[Role, str] = Field(
        default_factory=dict[Role, str],
        description="jsonl: which member stands for query, pos, neg, docs, scores, ranks, where "
        "it has another name, such as {query: title, pos: text}.",
    )
    collection: str | None = Field(
        default=None, description="File of id and text: the documents of the examples are ids then."
    )
    queries: str | None = Field(
        default=None, description="File of id and text: the queries of the examples are ids then."
    )
    split: str = Field(default="train", description="beir: which qrels/SPLIT.tsv.")
    weight: float = Field(
        default=1.0, gt=0, description="How often an epoch draws each example of this source."
    )
    limit: int | None = Field(default=None, ge=1, description="Use so many lines of the file only.")


class DevSection(Section):
    """What is held out, and how the encoder is measured on it."""

    share: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="Of the queries, by a hash of their text: the same in every run. 0 for none.",
    )
    most: int = Field(default=500, ge=1, description="Queries that are asked, of those held out.")
    distractors: int = Field(
        default=2000,
        ge=0,
        description="Other documents that are searched beside those of dev queries.",
    )
    dataset: str | None = Field(
        default=None,
        description="A dataset, as `lexmax evaluate` takes it, that is searched instead; nothing "
        "is held out then.",
    )
    split: str = Field(default="dev", description="The qrels of that folder: qrels/SPLIT.tsv.")
    every: int = Field(default=500, ge=1, description="Optimiser steps between two evaluations.")
    measures: tuple[str, ...] = Field(
        default=("nDCG@10", "RR@10"), min_length=1, description="Names of ir-measures."
    )


class DataSection(Section):
    """Where examples come from."""

    folder: str = Field(default=".", description="Paths of this file are relative to this folder.")
    train: tuple[SourceSection, ...] = Field(min_length=1, description="Sources of examples.")
    dev: DevSection = Field(default_factory=DevSection, description="The held-out queries.")
    one_source_batches: bool = Field(
        default=False, description="Whether all examples of a batch come from one source."
    )
    max_rejects: int = Field(
        default=1000,
        ge=0,
        description="Stop when more lines than this give no example; they are written to "
        "OUTPUT/rejects.jsonl.",
    )


class MiningSection(Section):
    """Hard negatives, looked for in an index before training begins."""

    encoder: str = Field(
        default="bm25",
        description="What ranks: bm25, minilm, splade:PATH, colbert:PATH, dense:PATH.",
    )
    collection: str | None = Field(
        default=None,
        description="A collection to search, by its own encoder; else one of all documents of "
        "the examples is made.",
    )
    corpus: tuple[str, ...] = Field(
        default=(),
        description="More documents to search in, as files that `lexmax index` takes.",
    )
    ranks: tuple[int, int] = Field(
        default=(1, 100), description="First and last rank from which negatives are taken."
    )
    keep: int = Field(
        default=20, ge=1, description="Negatives to keep for a query, drawn from these."
    )
    keep_below: float | None = Field(
        default=0.95,
        gt=0,
        description="Negatives that score above this share of the positive's score are left out "
        "as probably relevant.",
    )
    positive_within: int | None = Field(
        default=None,
        ge=1,
        description="Leave out examples whose positive is not in the first so many.",
    )
    teachers: tuple[str, ...] = Field(
        default=(),
        description="What scores the kept documents: specs as for encoder, or cross-encoder:PATH. "
        "Of several the mean of min-max scaled scores. Without any, the ranking's own scores.",
    )

    @field_validator("ranks")
    @classmethod
    def _ascends(cls, ranks: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= ranks[0] <= ranks[1]:
            raise ValueError("two ranks from 1 on, the first first, such as [1, 100]")
        return ranks


class NegativesSection(Section):
    """Which documents stand against the positive, besides those of the other queries."""

    per_query: int = Field(
        default=0,
        ge=0,
        description="Hard negatives of each query in a batch. Where an example has fewer, "
        "positives of other queries fill up.",
    )
    take: Literal["random", "first"] = Field(
        default="random", description="Draw them anew each time, or take the first of the example."
    )
    keep_below: float | None = Field(
        default=None,
        gt=0,
        description="Pass over negatives whose teacher score is above this share of the "
        "positive's, such as 0.95.",
    )
    mine: MiningSection | None = Field(
        default=None,
        description="Look for hard negatives before training; null to take what is given.",
    )


class TeacherSection(Section):
    """How a teacher's scores are made comparable between queries."""

    scaling: Literal["none", "min-max", "z-score"] = Field(
        default="none", description="Inside the list of each example."
    )
    factor: float = Field(default=1.0, gt=0, description="Multiplies them after that.")


class CurriculumSection(Section):
    """Easy samples first: their weight is D (1 - i/m) + i/m at step i below m, then 1."""

    difficulty: Literal["reciprocal-rank", "min-max", "kde"] = Field(
        default="reciprocal-rank",
        description="What a document's easiness D is made of: ranks or scores.",
    )
    form: Literal["pairwise", "pointwise"] = Field(
        default="pairwise", description="(w+ - w- + 1) / 2, or w+ and 1 - w-, mean over the sample."
    )
    end: int = Field(default=640, ge=1, description="m, in optimiser steps.")
    anti: bool = Field(default=False, description="Hard samples first, as a control.")


class OptimiserSection(Section):
    """AdamW and its schedule."""

    lr: float = Field(default=2e-5, gt=0, description="Highest learning rate.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="linear", description="How it falls to 0 after the warm-up."
    )
    warm_up: int = Field(default=0, ge=0, description="Optimiser steps in which it rises from 0.")
    weight_decay: float = Field(
        default=0.01, ge=0, description="Of AdamW; a task may spare parameters."
    )
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="Of AdamW.")
    epsilon: float = Field(default=1e-8, gt=0, description="Of AdamW.")
    epochs: float = Field(default=1.0, gt=0, description="Times through the examples.")
    steps: int | None = Field(default=None, ge=1, description="Optimiser steps, instead of epochs.")
    batch_size: int = Field(
        default=32, ge=1, description="Queries that go through the model together."
    )
    accumulation: int = Field(default=1, ge=1, description="Batches whose gradients make one step.")
    clip: float | None = Field(
        default=1.0, gt=0, description="Greatest norm of a gradient; null for any."
    )


class CheckpointsSection(Section):
    """What a run goes on from after a stop."""

    every: int = Field(default=500, ge=1, description="Optimiser steps between two checkpoints.")
    keep: int = Field(default=2, ge=1, description="How many are kept, besides the best on dev.")


class EarlyStoppingSection(Section):
    """When to stop before the last step."""

    measure: str = Field(
        default="nDCG@10", description="One of data.dev.measures; bigger is better."
    )
    patience: int | None = Field(
        default=5, ge=1, description="Evaluations without gain before it stops; null for never."
    )
    least_gain: float = Field(default=0.0, ge=0, description="What counts as a gain.")


class TrainingConfig(Section):
    """A whole configuration of training."""

    output: str = Field(
        description="Folder of checkpoints, metrics.jsonl, curves.png and, at the end, model."
    )
    seed: int = Field(default=42, ge=0, lt=1 << 32, description="Of everything that is drawn.")
    device: str = Field(
        default="auto", description="auto: the GPU, if there is one. cpu, cuda, cuda:1."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto",
        description="auto: bf16 where a GPU has it, else fp16 on a GPU, fp32 on a CPU.",
    )
    task: dict[str, Any] = Field(description="What is trained.")
    data: DataSection
    negatives: NegativesSection = Field(default_factory=NegativesSection)
    teacher: TeacherSection = Field(default_factory=TeacherSection)
    curriculum: CurriculumSection | None = Field(default=None, description="null for none.")
    optimiser: OptimiserSection = Field(default_factory=OptimiserSection)
    checkpoints: CheckpointsSection = Field(default_factory=CheckpointsSection)
    early_stopping: EarlyStoppingSection = Field(default_factory=EarlyStoppingSection)
    log_every: int = Field(
        default=10, ge=1, description="Optimiser steps between two lines of metrics.jsonl."
    )

    @model_validator(mode="after")
    def _measures_what_decides(self) -> "TrainingConfig":
        if self.early_stopping.measure not in self.data.dev.measures:
            raise ValueError(
                f"early_stopping.measure, {self.early_stopping.measure}, among data.dev.measures, "
                f"{', '.join(self.data.dev.measures)}"
            )
        return self
