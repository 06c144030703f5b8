"""What does EPIC weigh each term of its vocabulary in a text?"""

import torch

from lexmax.encoders.heads.largest_logits import largest_logits
from lexmax.encoders.heads.mlm import MlmHead, columns, weighted
from lexmax.encoders.heads.weighting import SOFTPLUS, Weighting


class EpicHead(torch.nn.Module):
    """Expansion, importance and quality (EPIC; MacAvaney et al., SIGIR 2020).

    w[j] = quality * max over content positions i of norm(act(importance_i * logit_ij)), with
    importance_i = log1p(softplus(⟨w, h_i⟩ + b)) and quality = sigmoid(⟨w', h_[CLS]⟩ + b').
    Positions that are no content are out before the activation: softplus of a masked zero would
    give every term of the vocabulary log1p(ln 2).

    Attributes:
        mlm: Gives the logits.
        importance: From state to the logit of a token's importance, or None for importance 1.
        quality: From the state of [CLS] to the logit of a text's quality, or None for quality 1.
        weighting: From logit to weight.
    """

    def __init__(
        self,
        mlm: MlmHead,
        *,
        importance: bool = True,
        quality: bool = True,
        weighting: Weighting = SOFTPLUS,
    ) -> None:
        """Takes transform and decoder from `mlm`, but neither its weighting nor its pooling."""
        super().__init__()
        dim = mlm.decoder.shape[1]
        self.mlm = mlm
        self.importance = torch.nn.Linear(dim, 1) if importance else None
        self.quality = torch.nn.Linear(dim, 1) if quality else None
        self.weighting = weighting

    @property
    def n_terms(self) -> int:
        """Terms of the vocabulary."""
        return self.mlm.n_terms

    def forward(
        self, hidden: torch.Tensor, content: torch.Tensor, terms: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `MlmHead.forward`."""
        decoder, bias = columns(self.mlm.decoder, self.mlm.bias, terms)
        # The bias is one more coordinate, because importance multiplies it too.
        importance = self._importance(hidden)
        states = torch.cat([self.mlm.transform(hidden) * importance, importance], dim=-1)
        logits = largest_logits(states, torch.cat([decoder, bias[:, None]], dim=1), content)
        weights = weighted(logits, content, self.weighting)
        return weights if self.quality is None else weights * self.quality(hidden[:, 0]).sigmoid()

    def _importance(self, hidden: torch.Tensor) -> torch.Tensor:
        """Of every position, (b, width, 1)."""
        if self.importance is None:
            return torch.ones_like(hidden[..., :1])
        return torch.log1p(torch.nn.functional.softplus(self.importance(hidden)))
