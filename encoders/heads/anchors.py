"""What do the terms weigh that a text is about, where each term is known by how it looks alone?"""

import torch
from torch.nn import functional

from lexmax.encoders.heads.largest_logits import largest_logits
from lexmax.encoders.heads.mlm import columns
from lexmax.encoders.heads.scatter import scatter

# Where importance begins at an idf, a fifth of it makes scores of a size that softmax tells apart.
_BEGIN = 0.2
_HIDDEN = 128
_BEGINNING_WEIGHT = 0.5


class AnchorHead(torch.nn.Module):
    """Weights of all terms, by the similarity of a text's tokens to each term's anchor.

    An anchor begins as the state, of length one, that the transformer gives the term where it
    stands alone. MaxSim of a query is the sum over its tokens of the largest product with a token
    of the document; with anchors in the place of the query's tokens the query needs no
    transformer, and the largest products can be put into an inverted index:

    w[j] = importance_j * (log1p(relu(scale * max_i ⟨anchor_j, x_i⟩ + bias_j)) + own_j),
    x_i = u_i + T u_i + C p,

    where u_i are states of length one, p is the direction of their mean, and own_j is what the
    text's own token j adds, log1p(softplus(mlp(u_j))). Importance is the document's business, so
    that pruning keeps what matters: idf times exp of a number of the term's own and of a linear
    map of its anchor, which carries what is learned to terms that training never met.

    Attributes:
        anchors: (n_terms, dim).
        bias: (n_terms,).
        idf: Of the terms in the documents that importance begins with, (n_terms,); not trained.
        rates: Learning rates of parameters by name, relative to the optimiser's.
    """

    def __init__(self, dim: int, *, n_terms: int, threshold: float, scale: float) -> None:
        """Begins without anchors, all terms of one importance: see `begin`.

        Args:
            dim: Coordinates of a state.
            n_terms: Terms of the vocabulary.
            threshold: Similarity from which a term has weight.
            scale: What similarities above it are multiplied by.
        """
        super().__init__()
        self.anchors = torch.nn.Parameter(torch.zeros(n_terms, dim))
        self.bias = torch.nn.Parameter(torch.full((n_terms,), -scale * threshold))
        self.scale = torch.nn.Parameter(torch.tensor(float(scale)))
        self.idf = torch.nn.Parameter(torch.ones(n_terms), requires_grad=False)
        self.log_importance = torch.nn.Parameter(torch.zeros(n_terms))
        self.by_anchor = torch.nn.Linear(dim, 1)
        self.transform = torch.nn.Linear(dim, dim)
        self.context = torch.nn.Linear(dim, dim, bias=False)
        last = torch.nn.Linear(_HIDDEN, 1)
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.constant_(last.bias, 2 * _BEGINNING_WEIGHT)
        self.own = torch.nn.Sequential(torch.nn.Linear(dim, _HIDDEN), torch.nn.GELU(), last)
        torch.nn.init.zeros_(self.by_anchor.weight)
        torch.nn.init.zeros_(self.by_anchor.bias)
        torch.nn.init.zeros_(self.transform.weight)
        torch.nn.init.zeros_(self.transform.bias)
        torch.nn.init.eye_(self.context.weight)
        # Terms that are met often must not leave those behind that are not.
        self.rates = {"anchors": 0.1, "log_importance": 3.0}

    @torch.no_grad()
    def begin(self, anchors: torch.Tensor, idf: torch.Tensor) -> None:
        """Take anchors (n_terms, dim), of length one, and an idf (n_terms,) to begin with."""
        self.anchors.copy_(anchors)
        self.idf.copy_(idf)

    @property
    def n_terms(self) -> int:
        """Terms of the vocabulary."""
        return len(self.anchors)

    def forward(
        self,
        hidden: torch.Tensor,
        ids: torch.Tensor,
        content: torch.Tensor,
        terms: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Weights, (b, n_terms), or of these terms only, (b, t); 0 in rows without content.

        Args:
            hidden: States, (b, width, dim).
            ids: Their terms, int64 (b, width).
            content: Which positions count, bool (b, width).
            terms: Term ids whose weights are wanted, int64 (t,); None for all.
        """
        empty = ~content.any(dim=1, keepdim=True)
        unit = functional.normalize(hidden, dim=-1).masked_fill(~content[..., None], 0.0)
        mean = functional.normalize(unit.sum(dim=1), dim=-1)
        states = unit + self.transform(unit) + self.context(mean)[:, None]
        anchors, bias = columns(self.anchors, self.bias, terms)
        logits = largest_logits(states, anchors, content).masked_fill(empty, 0.0)
        expanded = torch.log1p(torch.relu(logits * self.scale + bias)).masked_fill(empty, 0.0)
        own = self._own(unit, ids, content, terms)
        return (expanded + own) * self.importance(terms)

    def importance(self, terms: torch.Tensor | None = None) -> torch.Tensor:
        """What the weights of terms are multiplied by, (n_terms,) or (t,)."""
        chosen = slice(None) if terms is None else terms
        anchors = self.anchors[chosen].detach() * self.anchors.shape[1] ** 0.5
        learned = self.log_importance[chosen] + self.by_anchor(anchors)[:, 0]
        return self.idf[chosen] * torch.exp(learned) * _BEGIN

    def _own(
        self,
        unit: torch.Tensor,
        ids: torch.Tensor,
        content: torch.Tensor,
        terms: torch.Tensor | None,
    ) -> torch.Tensor:
        # States of length one have coordinates of 1 / sqrt(dim): too small for a GELU to bend.
        logits = self.own(unit * unit.shape[-1] ** 0.5)[..., 0]
        weights = torch.log1p(functional.softplus(logits))
        return scatter(ids, weights, content, n_terms=self.n_terms, terms=terms)
