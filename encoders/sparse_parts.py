"""What is a learned sparse model made of, once it is built?"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch

from lexmax.encoders.sparse_model import (
    DocumentEncoder,
    ExpMlp,
    Mlp,
    QueryEncoder,
    SparseModel,
    reads_states,
    repeats_of,
)
from lexmax.encoders.sparse_sides import Side, StateSide, TermSide, TokenSide, build_side
from lexmax.encoders.training.states import TextStates
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class Limits:
    """Tokens of a text that are read, markers counted.

    Attributes:
        query: Of a query.
        document: Of a document.
    """

    query: int = 64
    document: int = 256


@dataclass(frozen=True, slots=True)
class SparseParts:
    """A model's values and its modules.

    Attributes:
        model: The values.
        documents: Transformer and tokenizer of the documents.
        queries: Those of the queries; the same where the sides share them, or need none.
        document: From tokens and states to weights.
        query: As `document`; may hold the same modules.
        limits: How much of a text is read.
    """

    model: SparseModel
    documents: Trunk
    queries: Trunk
    document: Side
    query: Side
    limits: Limits

    @property
    def query_trunk_is_own(self) -> bool:
        """Whether queries go through a transformer of their own."""
        return self.queries is not self.documents


def build(
    model: SparseModel,
    documents: Trunk,
    *,
    queries: Trunk | None = None,
    limits: Limits | None = None,
    idf: torch.Tensor | None = None,
    seed: int = 0,
) -> SparseParts:
    """A model that has not been trained, over transformers that may have been.

    Args:
        model: What to build.
        documents: Transformer of the documents.
        queries: Transformer of the queries, where the model does not share one.
        limits: How much of a text is read.
        idf: For a query table, (n_terms,).
        seed: Of new parameters; torch's random state stays as it is.

    Raises:
        EncoderError: if the parts do not go together.
    """
    chosen = _query_trunk(model, documents, queries)
    limits = limits or Limits()
    _check_limits(limits, documents, chosen)
    random: Any = torch.random
    with random.fork_rng(devices=[]):
        random.manual_seed(seed)
        document = build_side(model.document, documents, of_query=False)
        query = _shared_side(model, document)
        if query is None:
            query = build_side(model.query, chosen, of_query=True, idf=idf)
    return SparseParts(model, documents, chosen, document, query, limits)


def _query_trunk(model: SparseModel, documents: Trunk, queries: Trunk | None) -> Trunk:
    if model.shared or not reads_states(model.query):
        if queries is not None:
            raise EncoderError(
                "a transformer for queries is given to a model that has no use for it; "
                "leave it out, or set shared to false"
            )
        return documents
    if queries is None:
        raise EncoderError(
            "the model has a transformer for queries of its own, and none is given; "
            "give one, or set shared to true"
        )
    if queries.pieces.vocabulary_hash != documents.pieces.vocabulary_hash:
        raise EncoderError(
            "the transformers of queries and documents have other vocabularies; expected one, "
            "because its pieces are the terms; take models of one kind"
        )
    return queries


def _check_limits(limits: Limits, documents: Trunk, queries: Trunk) -> None:
    for name, limit, trunk in (
        ("document", limits.document, documents),
        ("query", limits.query, queries),
    ):
        if not trunk.pieces.n_markers < limit <= trunk.longest:
            raise EncoderError(
                f"the {name} limit is {limit} tokens; expected {trunk.pieces.n_markers + 1} to "
                f"{trunk.longest}, what the transformer reads"
            )


def _shared_side(model: SparseModel, document: Side) -> Side | None:
    """A side over the document's head, where both encoders are the same; else None."""
    if not model.shared or _head_of(model.query) != _head_of(model.document):
        return None
    if isinstance(document, StateSide):
        return StateSide(document.head, repeats=repeats_of(model.query, of_query=True))
    return document if isinstance(document, TermSide) else None


def _head_of(encoder: QueryEncoder | DocumentEncoder) -> object:
    """What its head depends on: expansion and repeated tokens are no part of that."""
    if isinstance(encoder, ExpMlp | Mlp):
        return Mlp(weighting=encoder.weighting, scaled=encoder.scaled)
    return encoder


def content_of(texts: TextStates, special_ids: Iterable[int]) -> TextStates:
    """The same with `content` leaving out these special tokens."""
    special = torch.tensor(sorted(special_ids), device=texts.ids.device)
    return replace(texts, content=texts.mask & ~torch.isin(texts.ids, special))


def materialised(side: TokenSide) -> torch.Tensor:
    """Weights of all terms at this moment, float32 (n_terms,)."""
    with torch.no_grad():
        every = torch.arange(side.n_terms, device=next(side.parameters()).device)
        weights: torch.Tensor = side.head(every)
        return weights.float().cpu().clone()  # A constant is one number, expanded.
