"""What does a masked language model weigh each term of its vocabulary in a text?"""

import importlib
from typing import Any, Literal

import torch

from lexmax.encoders.heads.largest_logits import largest_logits, logit_chunks
from lexmax.encoders.heads.transform import fresh_transform, transform_of
from lexmax.encoders.heads.weighting import SPLADE, Weighting
from lexmax.errors import EncoderError

Pool = Literal["max", "sum"]


class MlmHead(torch.nn.Module):
    """Weights of all terms: a text is expanded, and what it says is weighted.

    w[j] = max over content positions i of norm(act(⟨decoder_j, transform(h_i)⟩ + bias_j))
    (SPLADE-max, Formal et al. 2021). Raw logits are pooled in chunks of positions and weighted
    afterwards, which gives the same because the weighting never decreases; the peak of memory is
    bounded in training too. With pool "sum" the weights of all positions add up (SPLADE, 2021).

    Attributes:
        transform: Module from (..., dim) to (..., dim).
        decoder: One row a term, (n_terms, dim); often the input embeddings themselves.
        bias: (n_terms,).
        weighting: From logit to weight.
        pool: "max" or "sum".
    """

    def __init__(
        self,
        transform: torch.nn.Module,
        decoder: torch.nn.Parameter,
        bias: torch.nn.Parameter,
        *,
        weighting: Weighting = SPLADE,
        pool: Pool = "max",
    ) -> None:
        """Keeps the parameters that it is given, so that tied ones stay tied."""
        super().__init__()
        if decoder.ndim != 2 or bias.shape != decoder.shape[:1]:
            raise EncoderError(
                f"a decoder {tuple(decoder.shape)} with a bias {tuple(bias.shape)}; "
                "expected (n_terms, dim) and (n_terms,)"
            )
        if pool not in ("max", "sum"):
            raise EncoderError(f'pool is {pool!r}; expected "max" or "sum"')
        self.transform = transform
        self.decoder = decoder
        self.bias = bias
        self.weighting = weighting
        self.pool: Pool = pool

    @classmethod
    def from_masked_lm(
        cls, model: Any, *, weighting: Weighting = SPLADE, pool: Pool = "max"
    ) -> "MlmHead":
        """The head of a `transformers` masked language model, parameters shared with it.

        Raises:
            EncoderError: if the model's head is of no kind that is known here.
        """
        transform = transform_of(model)
        decoder = model.get_output_embeddings()
        bias = decoder.bias
        if bias is None:
            bias = torch.nn.Parameter(decoder.weight.detach().new_zeros(len(decoder.weight)))
        return cls(transform, decoder.weight, bias, weighting=weighting, pool=pool)

    @classmethod
    def tied(
        cls,
        embeddings: torch.nn.Parameter,
        *,
        weighting: Weighting = SPLADE,
        pool: Pool = "max",
    ) -> "MlmHead":
        """A new head over a backbone's input embeddings, (n_terms, dim), where it has none.

        Its transform begins near the identity, its bias at zero.
        """
        bias = torch.nn.Parameter(embeddings.detach().new_zeros(len(embeddings)))
        transform = fresh_transform(embeddings.shape[1])
        return cls(transform, embeddings, bias, weighting=weighting, pool=pool)

    @property
    def n_terms(self) -> int:
        """Terms of the vocabulary."""
        return len(self.decoder)

    def forward(
        self, hidden: torch.Tensor, content: torch.Tensor, terms: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Weights, (b, n_terms), or of these terms only, (b, t); 0 in rows without content.

        Args:
            hidden: States, (b, width, dim).
            content: Which positions count, bool (b, width); no special tokens, no padding.
            terms: Term ids whose weights are wanted, int64 (t,); None for all.
        """
        decoder, bias = columns(self.decoder, self.bias, terms)
        states = self.transform(hidden)
        if self.pool == "sum":
            return _summed_weights(states, decoder, bias, content, self.weighting)
        return weighted(largest_logits(states, decoder, content) + bias, content, self.weighting)


class ClsMlmHead(MlmHead):
    """As `MlmHead`, with the logits at the first position, [CLS], alone (TILDE, 2021)."""

    def forward(
        self, hidden: torch.Tensor, content: torch.Tensor, terms: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `MlmHead.forward`; `content` says only which rows are empty."""
        decoder, bias = columns(self.decoder, self.bias, terms)
        logits = torch.nn.functional.linear(self.transform(hidden[:, 0]), decoder, bias)
        return weighted(logits, content, self.weighting)


def columns(
    decoder: torch.Tensor, bias: torch.Tensor, terms: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of the decoder and of the bias that belong to these terms; None for all."""
    return (decoder, bias) if terms is None else (decoder[terms], bias[terms])


def weighted(logits: torch.Tensor, content: torch.Tensor, weighting: Weighting) -> torch.Tensor:
    """Weights of pooled logits (b, t), 0 in rows without content.

    Empty rows are filled before as well as after: the derivative at -inf is NaN, and NaN times
    the zero of a mask is NaN.
    """
    empty = ~content.any(dim=1, keepdim=True)
    return weighting(logits.masked_fill(empty, 0.0)).masked_fill(empty, 0.0)


def _summed_weights(
    states: torch.Tensor,
    decoder: torch.Tensor,
    bias: torch.Tensor,
    content: torch.Tensor,
    weighting: Weighting,
) -> torch.Tensor:
    def of_chunk(states: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
        weights = weighting(torch.nn.functional.linear(states, decoder, bias))
        return weights.masked_fill(~content[:, :, None], 0.0).sum(dim=1)

    again: Any = importlib.import_module("torch.utils.checkpoint")
    total = torch.zeros((len(states), len(decoder)), dtype=states.dtype, device=states.device)
    chunks = logit_chunks(states, len(decoder))
    for start in chunks:
        part = slice(start, start + chunks.step)
        # Logits are computed again in the backward pass rather than kept.
        total += again.checkpoint(of_chunk, states[:, part], content[:, part], use_reentrant=False)
    return total
