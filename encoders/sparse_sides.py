"""How does a text, tokenised and perhaps gone through a transformer, become term weights?"""

import copy
from typing import TypeAlias

import torch

from lexmax.encoders.heads.anchors import AnchorHead
from lexmax.encoders.heads.epic import EpicHead
from lexmax.encoders.heads.mlm import ClsMlmHead, MlmHead
from lexmax.encoders.heads.mlp import MlpHead
from lexmax.encoders.heads.scatter import Repeats, scatter
from lexmax.encoders.heads.token_weights import BinaryHead, LinearTableHead, TableHead
from lexmax.encoders.sparse_model import (
    Anchored,
    Binary,
    ClsMlm,
    DocumentEncoder,
    Epic,
    ExpMlp,
    Mlm,
    Mlp,
    QueryEncoder,
    Table,
    repeats_of,
)
from lexmax.encoders.training.states import TextStates
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError


class TokenSide(torch.nn.Module):
    """Tokens weigh what they always weigh; no transformer runs."""

    def __init__(
        self, head: BinaryHead | TableHead | LinearTableHead, *, n_terms: int, repeats: Repeats
    ) -> None:
        super().__init__()
        self.head = head
        self.n_terms = n_terms
        self.repeats: Repeats = repeats

    def forward(self, texts: TextStates, terms: torch.Tensor | None = None) -> torch.Tensor:
        """Weights of all terms, (b, n_terms), or of `terms` alone, (b, t)."""
        return scatter(
            texts.ids,
            self.head(texts.ids),
            texts.content,
            n_terms=self.n_terms,
            how=self.repeats,
            terms=terms,
        )


class StateSide(torch.nn.Module):
    """A text's own tokens weigh what their states say."""

    def __init__(self, head: MlpHead, *, repeats: Repeats) -> None:
        super().__init__()
        self.head = head
        self.repeats: Repeats = repeats

    def token_weights(self, texts: TextStates) -> torch.Tensor:
        """Of every position, (b, width)."""
        weights: torch.Tensor = self.head(texts.hidden, texts.content)
        return weights

    def forward(self, texts: TextStates, terms: torch.Tensor | None = None) -> torch.Tensor:
        """As `TokenSide.forward`."""
        weights = self.token_weights(texts)
        return self.head.scatter(texts.ids, weights, texts.content, self.repeats, terms=terms)


class TermSide(torch.nn.Module):
    """All terms of the vocabulary weigh what the states say."""

    def __init__(self, head: MlmHead | EpicHead, *, markers: bool) -> None:
        super().__init__()
        self.head = head
        self.markers = markers

    def forward(self, texts: TextStates, terms: torch.Tensor | None = None) -> torch.Tensor:
        """As `TokenSide.forward`."""
        content = texts.content
        if self.markers:  # Those of a text that is not empty.
            content = texts.mask & content.any(dim=1, keepdim=True)
        weights: torch.Tensor = self.head(texts.hidden, content, terms)
        return weights


class AnchoredSide(torch.nn.Module):
    """All terms weigh what the states say, and the text's own tokens more."""

    def __init__(self, head: AnchorHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, texts: TextStates, terms: torch.Tensor | None = None) -> torch.Tensor:
        """As `TokenSide.forward`."""
        weights: torch.Tensor = self.head(texts.hidden, texts.ids, texts.content, terms)
        return weights


Side: TypeAlias = TokenSide | StateSide | TermSide | AnchoredSide


def build_side(
    encoder: QueryEncoder | DocumentEncoder,
    trunk: Trunk,
    *,
    of_query: bool,
    idf: torch.Tensor | None = None,
) -> Side:
    """The modules of one side; new parameters are drawn by torch's generator.

    Args:
        encoder: What to build.
        trunk: Gives sizes, embeddings and a masked language model's head.
        of_query: Whose side it is, which decides what becomes of repeated tokens.
        idf: Where an idf or learned table begins, (n_terms,).

    Raises:
        EncoderError: if a table of idf has no idf.
    """
    repeats = repeats_of(encoder, of_query=of_query)
    n_terms = trunk.n_terms
    match encoder:
        case Binary():
            head = BinaryHead(encoder.weight, learned=encoder.learned)
            return TokenSide(head, n_terms=n_terms, repeats=repeats)
        case Table():
            return TokenSide(_table(encoder, trunk, idf), n_terms=n_terms, repeats=repeats)
        case Mlp() | ExpMlp():
            dim, weighting = trunk.backbone.dim, encoder.weighting
            of_tokens = MlpHead(dim, n_terms=n_terms, weighting=weighting, scaled=encoder.scaled)
            return StateSide(of_tokens, repeats=repeats)
        case Mlm():
            of_terms = _mlm(trunk)
            of_terms.weighting, of_terms.pool = encoder.weighting, encoder.pool
            return TermSide(of_terms, markers=encoder.markers)
        case Anchored():
            dim, threshold = trunk.backbone.dim, encoder.threshold
            anchored = AnchorHead(dim, n_terms=n_terms, threshold=threshold, scale=encoder.scale)
            return AnchoredSide(anchored)
        case ClsMlm():
            base = _mlm(trunk)
            of_cls = ClsMlmHead(
                base.transform, base.decoder, base.bias, weighting=encoder.weighting
            )
            return TermSide(of_cls, markers=False)
        case Epic():
            of_epic = EpicHead(
                _mlm(trunk),
                importance=encoder.importance,
                quality=encoder.quality,
                weighting=encoder.weighting,
            )
            return TermSide(of_epic, markers=False)


def _table(encoder: Table, trunk: Trunk, idf: torch.Tensor | None) -> TableHead | LinearTableHead:
    if encoder.weights == "linear":
        return LinearTableHead(trunk.embeddings)
    if idf is None and encoder.weights == "idf":
        raise EncoderError(
            "a query table of idf has no idf; expected one number a term; "
            "give the documents to count"
        )
    begin = torch.ones(trunk.n_terms) if idf is None else idf
    return TableHead(begin, learned=encoder.weights == "learned")


def _mlm(trunk: Trunk) -> MlmHead:
    """A head of its own, with the decoder tied to the trunk's embeddings where it was."""
    if trunk.head is None:
        return MlmHead.tied(trunk.embeddings)
    decoder = trunk.head.decoder
    if decoder is not trunk.embeddings:
        decoder = torch.nn.Parameter(decoder.detach().clone())
    bias = torch.nn.Parameter(trunk.head.bias.detach().clone())
    return MlmHead(copy.deepcopy(trunk.head.transform), decoder, bias)
