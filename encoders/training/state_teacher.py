"""How well do the states of a frozen transformer say that a document answers a query?"""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from lexmax.encoders.heads.scatter import scatter
from lexmax.encoders.training.states import TextStates
from lexmax.encoders.training.token_maxima import PaddedTokens, token_maxima

_K1, _B = 0.9, 0.4


@dataclass(frozen=True, slots=True)
class StateTeacher:
    """A teacher that needs no model of its own: three rankings of a batch, added.

    Attributes:
        maxsim: Weight of MaxSim over states of length one, mean over the query's tokens.
        pooled: Weight of the cosine of mean states, markers counted.
        lexical: Weight of BM25 over the pieces, divided by the query's best in the batch.
    """

    maxsim: float = 1.0
    pooled: float = 0.5
    lexical: float = 0.3

    @torch.no_grad()
    def scores(
        self, queries: TextStates, documents: TextStates, *, idf: torch.Tensor
    ) -> torch.Tensor:
        """Of every query with every document of a batch, float32 (B, D)."""
        total = self.maxsim * _maxsim(queries, documents)
        if self.pooled:
            total = total + self.pooled * _pooled(queries) @ _pooled(documents).T
        if self.lexical:
            found = bm25(queries, documents, idf=idf)
            best = found.amax(dim=1, keepdim=True).clamp(min=1e-6)
            total = total + self.lexical * found / best
        return total


def bm25(queries: TextStates, documents: TextStates, *, idf: torch.Tensor) -> torch.Tensor:
    """BM25 over pieces, (B, D); a query's repeated pieces count once, lengths are the batch's."""
    tensors: Any = torch  # Its stubs do not say what this gives.
    terms: torch.Tensor = tensors.unique(queries.ids[queries.content])
    ones = torch.ones(documents.ids.shape, device=terms.device)
    tf = scatter(documents.ids, ones, documents.content, n_terms=len(idf), how="sum", terms=terms)
    lengths = documents.content.float().sum(dim=1)
    relative = lengths / lengths.mean().clamp(min=1)
    weights = tf / (tf + _K1 * (1 - _B + _B * relative)[:, None])
    ones = torch.ones(queries.ids.shape, device=terms.device)
    asked = scatter(queries.ids, ones, queries.content, n_terms=len(idf), terms=terms)
    return (asked * idf.to(terms.device)[terms]) @ weights.T


def _maxsim(queries: TextStates, documents: TextStates) -> torch.Tensor:
    best = token_maxima(_unit(queries), _unit(documents)).best
    counted = queries.content[..., None] & (best > -torch.inf)
    sums = torch.where(counted, best, 0).sum(dim=1)
    return sums / queries.content.sum(dim=1).clamp(min=1)[:, None]


def _unit(texts: TextStates) -> PaddedTokens:
    return PaddedTokens(functional.normalize(texts.hidden, dim=-1), texts.content)


def _pooled(texts: TextStates) -> torch.Tensor:
    sums = (texts.hidden * texts.mask[..., None]).sum(dim=1)
    return functional.normalize(sums, dim=-1)
