"""What may a training configuration say of a dense encoder whose documents are kept in bytes?"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field

from lexmax.corpus import Reject, read_documents
from lexmax.corpus_sources import seen_from
from lexmax.encoders.compressed import CompressedParts
from lexmax.encoders.compressed_folder import load_compressed_parts
from lexmax.encoders.dense_sides import PooledSide
from lexmax.encoders.heads.projection import Projection, ProjectionShape
from lexmax.encoders.training.coded_corpus import CodedCorpus, warm_start
from lexmax.encoders.training.config import Section
from lexmax.encoders.training.jpq import Jpq, JpqTask
from lexmax.encoders.training.opened_trunk import opened_trunk
from lexmax.encoders.training.opq import Fit
from lexmax.encoders.training.repconc import Balance
from lexmax.encoders.training.repconc_task import Repconc, RepconcTask
from lexmax.encoders.training.tasks import Place, TaskKind
from lexmax.encoders.trunk import MINILM
from lexmax.errors import EncoderError


class DenseSection(Section):
    """The transformer whose states are pooled, and what of it is trained."""

    transformer: str = Field(
        default=MINILM, description="Folder of a model, a name on the hub, or minilm."
    )
    layers: int | None = Field(
        default=0,
        ge=0,
        description="Last layers that are trained; null for all, 0 for the heads alone.",
    )
    query_tokens: int = Field(default=64, ge=3, description="Of a query, markers counted.")
    document_tokens: int = Field(default=256, ge=3, description="Of a document, markers counted.")


class CodeSection(Section):
    """How many bytes a document has, and how codes are fitted before training."""

    subspaces: int = Field(
        default=48, ge=1, description="Bytes of a document; divides the coordinates."
    )
    n_centroids: int = Field(default=256, ge=2, le=256, description="What a byte can stand for.")
    rounds: int = Field(default=30, ge=1, description="Turns of codes and rotation (OPQ).")
    sample: int = Field(default=65536, ge=2, description="Documents that the codes are fitted to.")
    seed: int = Field(default=0, ge=0, description="Of that sample and of the first centroids.")


class JpqSection(Section):
    """Queries and centroids, trained against codes that do not change (JPQ)."""

    documents: str = Field(
        description="The corpus, as `lexmax index` takes it, which holds all documents of the "
        "examples."
    )
    start: str | None = Field(
        default=None,
        description="Folder of a compressed encoder to go on from, such as RepCONC's. Its "
        "transformers, which stay frozen, and its centroids are taken then.",
    )
    dense: DenseSection = DenseSection()
    code: CodeSection = CodeSection()
    depth: int = Field(default=200, ge=1, description="Documents found for a query: its negatives.")
    loss: Literal["lambda", "contrastive"] = Field(
        default="lambda", description="Of JPQ, or of RepCONC."
    )
    cut: int | None = Field(default=None, ge=1, description="lambda: ranks beyond it gain nothing.")
    temperature: float = Field(default=0.05, gt=0, description="What scores are divided by.")
    centroid_lr: float = Field(
        default=20.0, gt=0, description="Times the learning rate, for centroids."
    )


class RepconcSection(Section):
    """Both sides and the codes, trained together (RepCONC)."""

    documents: str = Field(
        description="The corpus, as `lexmax index` takes it, that codes are fitted to first."
    )
    dense: DenseSection = DenseSection()
    code: CodeSection = CodeSection()
    mse_weight: float = Field(
        default=1e-4,
        ge=0,
        description="Of the distance between a vector and what its code stands for.",
    )
    epsilon: float = Field(
        default=0.003,
        gt=0,
        description="How loosely centroids are used alike: entropy of the transport.",
    )
    rounds: int = Field(default=100, ge=1, description="Of Sinkhorn's algorithm.")
    temperature: float = Field(default=0.05, gt=0, description="What scores are divided by.")
    centroid_lr: float = Field(
        default=25.0, gt=0, description="Times the learning rate, for centroids."
    )


def make_jpq(values: JpqSection, place: Place) -> JpqTask:
    """The task of a configuration; encodes the corpus.

    Raises:
        EncoderError: if a folder holds no such model, or the values do not go together.
        TrainingError: if the corpus is empty.
        CorpusError: if it cannot be read.
    """
    texts = _texts(values.documents, place)
    if values.start is None:
        parts, corpus = _fitted(values.dense, values.code, texts, place)
    else:
        parts = _continued(values, place)
        corpus = CodedCorpus.of(texts, parts)
    how = Jpq(
        depth=values.depth,
        temperature=values.temperature,
        loss=values.loss,
        cut=values.cut,
        centroid_lr=values.centroid_lr,
    )
    return JpqTask(parts, corpus, how)


def make_repconc(values: RepconcSection, place: Place) -> RepconcTask:
    """As `make_jpq`."""
    parts, _ = _fitted(values.dense, values.code, _texts(values.documents, place), place)
    how = Repconc(
        balance=Balance(values.epsilon, values.rounds),
        mse_weight=values.mse_weight,
        temperature=values.temperature,
        centroid_lr=values.centroid_lr,
    )
    return RepconcTask(parts, how)


def _fitted(
    dense: DenseSection, code: CodeSection, texts: Sequence[str], place: Place
) -> tuple[CompressedParts, CodedCorpus]:
    trunk = opened_trunk(dense.transformer, place, dtype=None)
    cache = place.cache if dense.layers == 0 else None
    dim = trunk.backbone.dim
    queries, documents = (
        PooledSide(
            trunk,
            _identity(dim),
            max_tokens=min(max_tokens, trunk.longest),
            layers=dense.layers,
            cache=cache,
        )
        for max_tokens in (dense.query_tokens, dense.document_tokens)
    )
    fit = Fit(
        subspaces=code.subspaces,
        n_centroids=code.n_centroids,
        rounds=code.rounds,
        sample=code.sample,
        seed=code.seed,
    )
    return warm_start(queries, documents, texts, fit)


def _continued(values: JpqSection, place: Place) -> CompressedParts:
    if values.dense != DenseSection() or values.code != CodeSection():
        raise EncoderError(
            "start is given, and with it transformers and codes; found dense or code beside it; "
            "leave those out"
        )
    return load_compressed_parts(place.folder / str(values.start))


def _identity(dim: int) -> Projection:
    """A head that training may turn away from what the transformer says."""
    head = Projection(ProjectionShape("linear", dim, dim))
    head.start_from(torch.eye(dim))
    return head


def _texts(source: str, place: Place) -> list[str]:
    documents = read_documents([seen_from(place.folder, source)], on_reject=_pass_over)
    return [document.full_text for document in documents]


def _pass_over(reject: Reject) -> None:
    """Do nothing: a document of the examples that is missing is refused where it is needed."""


JPQ = TaskKind(JpqSection, make_jpq)
"""The kind of task that is called jpq."""

REPCONC = TaskKind(RepconcSection, make_repconc)
"""The kind of task that is called repconc."""
