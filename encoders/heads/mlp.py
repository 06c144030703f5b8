"""What does each token of a text weigh?"""

import torch

from lexmax.encoders.heads.scatter import Repeats, scatter
from lexmax.encoders.heads.weighting import PLAIN, Weighting


class MlpHead(torch.nn.Module):
    """One weight a token, from its state: norm(act(⟨w, h_i⟩ + b)) (DeepCT, uniCOIL).

    A text is not expanded: its terms are its own tokens.

    Attributes:
        n_terms: Terms of the vocabulary.
        weighting: From logit to weight.
        scale: A learned factor of all weights, (), or None.
    """

    def __init__(
        self, dim: int, *, n_terms: int, weighting: Weighting = PLAIN, scaled: bool = False
    ) -> None:
        """Begins near weight one for every token; the rest is drawn by torch's generator."""
        super().__init__()
        self.n_terms = n_terms
        self.weighting = weighting
        self.linear = torch.nn.Linear(dim, 1)
        # A relu that begins below zero for all tokens of a text never learns from it.
        torch.nn.init.ones_(self.linear.bias)
        self.scale = torch.nn.Parameter(torch.ones(())) if scaled else None

    def forward(self, hidden: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
        """Weights of tokens, (b, width), from states (b, width, dim); 0 where no content is."""
        weights = self.weighting(self.linear(hidden)[..., 0])
        if self.scale is not None:
            weights = weights * self.scale
        return weights.masked_fill(~content, 0.0)

    def scatter(
        self,
        ids: torch.Tensor,
        weights: torch.Tensor,
        content: torch.Tensor,
        how: Repeats = "max",
        *,
        terms: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Weights of terms, (b, n_terms) or (b, t): see `lexmax.encoders.heads.scatter`."""
        return scatter(ids, weights, content, n_terms=self.n_terms, how=how, terms=terms)
