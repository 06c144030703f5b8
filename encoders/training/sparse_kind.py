"""What may a training configuration say of a learned sparse model?"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator

from lexmax.corpus import Reject, read_documents
from lexmax.corpus_sources import seen_from
from lexmax.encoders.bm25 import idf
from lexmax.encoders.checkpoints.sparse_table import read_table
from lexmax.encoders.sparse_description import read_model, read_value
from lexmax.encoders.sparse_model import Anchored, SparseModel, Table, reads_states
from lexmax.encoders.sparse_parts import Limits, build
from lexmax.encoders.sparse_sides import AnchoredSide
from lexmax.encoders.training.anchor_start import anchors_of
from lexmax.encoders.training.config import Section
from lexmax.encoders.training.opened_trunk import opened_trunk
from lexmax.encoders.training.presets import PRESETS
from lexmax.encoders.training.sparse_task import Effort, SparseTask
from lexmax.encoders.training.tasks import Place, TaskKind
from lexmax.encoders.trunk import MINILM, Trunk
from lexmax.errors import EncoderError


class SparseSection(Section):
    """A learned sparse model, its transformers, and what of them is trained."""

    model: dict[str, Any] = Field(
        description="Query encoder, document encoder, regularization and supervision: see "
        "docs/training-sparse.md, or take them from a preset."
    )
    limits: dict[str, Any] = Field(
        default_factory=dict,
        description="query and document: tokens of a text that are read, markers counted.",
    )
    transformer: str = Field(
        MINILM, description="Folder of a model, a name on the hub, or minilm: of the documents."
    )
    query_transformer: str | None = Field(
        None, description="Of the queries, where the model shares none; null for another copy."
    )
    layers: int | None = Field(
        None, ge=0, description="Last layers that are trained; null for all, 0 for none."
    )
    head_lr: float | None = Field(
        None, gt=0, description="Learning rate of what is no transformer; null for the same."
    )
    sampled_terms: int | None = Field(
        None,
        ge=1,
        description="Estimate the documents' penalty from so many terms; where queries ask for "
        "their own tokens only, the rest need not be computed. null for all terms.",
    )
    idf: str | None = Field(
        None,
        description="For a table of queries: a folder or file of idf, or documents to count them "
        "in, as `lexmax index` takes them.",
    )
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        None,
        description="Numbers in which states of a frozen transformer are computed; null for what "
        "the device is good at.",
    )
    seed: int = Field(0, ge=0, description="Of new parameters.")

    @field_validator("model")
    @classmethod
    def _is_model(cls, written: dict[str, Any]) -> dict[str, Any]:
        try:
            read_model(written)
        except EncoderError as error:
            raise ValueError(str(error)) from error
        return written

    @field_validator("limits")
    @classmethod
    def _are_limits(cls, written: dict[str, Any]) -> dict[str, Any]:
        try:
            read_value(Limits, written, at="limits")
        except EncoderError as error:
            raise ValueError(str(error)) from error
        return written


def make(values: SparseSection, place: Place) -> SparseTask:
    """The task of a configuration.

    Raises:
        EncoderError: if a folder holds no such model, or the values do not go together.
    """
    model = read_model(values.model)
    documents = opened_trunk(values.transformer, place, dtype=values.dtype, own=values.layers != 0)
    queries = None
    if not model.shared and reads_states(model.query):
        queries = opened_trunk(
            values.query_transformer or values.transformer,
            place,
            dtype=values.dtype,
            own=values.layers != 0,
        )
    elif values.query_transformer is not None:
        raise EncoderError(
            "query_transformer is given, and the model has no use for one of its own; "
            "leave it out, or set model.shared to false"
        )
    idf = _idf(values, model, documents, place)
    parts = build(
        model,
        documents,
        queries=queries,
        limits=read_value(Limits, values.limits, at="limits"),
        idf=idf,
        seed=values.seed,
    )
    if isinstance(parts.document, AnchoredSide):
        parts.document.head.begin(anchors_of(documents), _required_idf(idf))
    cache = place.cache if values.layers == 0 else None
    return SparseTask(
        parts,
        Effort(
            layers=values.layers,
            head_lr=values.head_lr,
            sampled_terms=values.sampled_terms,
            cache=cache,
        ),
    )


def _idf(
    values: SparseSection, model: SparseModel, documents: Trunk, place: Place
) -> torch.Tensor | None:
    if values.idf is None:
        return None
    of_queries = isinstance(model.query, Table) and model.query.weights != "linear"
    if not of_queries and not isinstance(model.document, Anchored):
        raise EncoderError(
            "idf is given, and the model has no table that could begin with it; leave it out"
        )
    source = seen_from(place.folder, values.idf)
    path = Path(source)
    if path.is_dir() or path.suffix in (".json", ".npy", ".safetensors"):
        found = read_table(path).weights
    else:
        texts = (document.full_text for document in read_documents([source], on_reject=_pass_over))
        found = count_idf(texts, documents, limit=Limits().document)
    table = np.zeros(documents.n_terms, np.float32)
    table[: len(found)] = found[: documents.n_terms]
    return torch.as_tensor(table)


def _required_idf(idf: torch.Tensor | None) -> torch.Tensor:
    if idf is None:
        raise EncoderError(
            "documents are anchored, and no idf is given; expected the documents to count; "
            "set task.idf to the file of the corpus"
        )
    return idf


def _pass_over(reject: Reject) -> None:
    """Do nothing: a broken line in thousands changes no idf."""


def count_idf(texts: Iterable[str], trunk: Trunk, *, limit: int) -> NDArray[np.float32]:
    """Lucene's idf of every term of the vocabulary, from documents, (n_terms,).

    Args:
        texts: The documents; memory does not grow with their number.
        trunk: Its tokenizer.
        limit: Tokens of a document that are read.
    """
    doc_freqs, n_docs = np.zeros(trunk.n_terms, np.int64), 0
    for text in texts:
        doc_freqs[np.unique(trunk.pieces.first(text, limit))] += 1
        n_docs += 1
    if n_docs == 0:
        raise EncoderError("idf is to be counted in no documents; expected at least one")
    return idf(doc_freqs, n_docs).astype(np.float32)


SPARSE = TaskKind(
    SparseSection,
    make,
    presets={name: one.task() for name, one in PRESETS.items()},
    beside={name: one.beside() for name, one in PRESETS.items()},
)
"""The kind of task that is called sparse."""
