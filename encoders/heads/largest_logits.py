"""What is the largest logit of each term over the tokens of a text?

A batch of 32 x 256 tokens over 30,522 terms has logits of a gigabyte. They are never there at
once: positions go through in chunks, of which the maximum is kept, and, where gradients are
wanted, the position that gave it. The gradient of a maximum reaches that position only, so the
backward pass gathers states instead of computing logits again.
"""

from typing import Any

import torch

CHUNK_BYTES = 64 << 20
"""Of logits, or of gathered states, that are there at once; one position of a batch at least."""


def largest_logits(
    states: torch.Tensor, decoder: torch.Tensor, content: torch.Tensor
) -> torch.Tensor:
    """Max over positions i of ⟨states[b, i], decoder[j]⟩, (b, n_terms), float32 or float64.

    -inf in rows without content; those have no gradient. Among equal logits the first position
    in the first chunk has the gradient.

    Args:
        states: (b, width, dim), floating point.
        decoder: One row a term, (n_terms, dim).
        content: Which positions count, bool (b, width).
    """
    if torch.is_grad_enabled() and (states.requires_grad or decoder.requires_grad):
        function: Any = _LargestLogits
        largest: torch.Tensor = function.apply(states, decoder, content)
        return largest
    return _largest(states, decoder, content)


def logit_chunks(states: torch.Tensor, n_terms: int) -> range:
    """First positions of chunks whose logits take `CHUNK_BYTES` at most; its step is their size."""
    of_position = max(len(states) * n_terms * max(states.element_size(), 4), 1)
    return range(0, states.shape[1], max(CHUNK_BYTES // of_position, 1))


def _logits(states: torch.Tensor, decoder: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    logits = torch.nn.functional.linear(states, decoder)
    if not bool(content.all()):
        logits[~content] = -torch.inf
    return logits


def _no_logits(states: torch.Tensor, decoder: torch.Tensor) -> torch.Tensor:
    dtype = torch.promote_types(states.dtype, torch.float32)
    return torch.full((len(states), len(decoder)), -torch.inf, dtype=dtype, device=states.device)


def _largest(states: torch.Tensor, decoder: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    best = _no_logits(states, decoder)
    chunks = logit_chunks(states, len(decoder))
    for start in chunks:
        part = slice(start, start + chunks.step)
        logits = _logits(states[:, part], decoder, content[:, part])
        torch.maximum(best, logits.amax(dim=1).to(best.dtype), out=best)
    return best


def _largest_with_places(
    states: torch.Tensor, decoder: torch.Tensor, content: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    best = _no_logits(states, decoder)
    places = torch.zeros(best.shape, dtype=torch.int32, device=states.device)
    chunks = logit_chunks(states, len(decoder))
    for start in chunks:
        part = slice(start, start + chunks.step)
        logits, found = _logits(states[:, part], decoder, content[:, part]).max(dim=1)
        better = logits > best
        places = torch.where(better, found.int() + start, places)
        best = torch.where(better, logits.to(best.dtype), best)
    return best, places


class _LargestLogits(torch.autograd.Function):
    """`largest_logits` with a backward pass in chunks of winners."""

    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, decoder: torch.Tensor, content: torch.Tensor
    ) -> torch.Tensor:
        best, places = _largest_with_places(states, decoder, content)
        ctx.save_for_backward(states, decoder, places, content.any(dim=1))
        return best

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        states, decoder, places, filled = ctx.saved_tensors
        gradient = gradients[0] * filled[:, None]
        # After training most terms of a text have weight zero, and so no gradient.
        rows, terms = gradient.nonzero(as_tuple=True)
        winners = rows * states.shape[1] + places[rows, terms]
        amounts = gradient[rows, terms, None]
        flat = states.reshape(-1, states.shape[-1])
        of_states = of_decoder = None
        if ctx.needs_input_grad[0]:
            of_states = _summed(winners, decoder, terms, amounts, len(flat))
            of_states = of_states.reshape(states.shape).to(states.dtype)
        if ctx.needs_input_grad[1]:
            of_decoder = _summed(terms, flat, winners, amounts, len(decoder)).to(decoder.dtype)
        return of_states, of_decoder, None


def _summed(
    into: torch.Tensor,
    vectors: torch.Tensor,
    chosen: torch.Tensor,
    amounts: torch.Tensor,
    n_rows: int,
) -> torch.Tensor:
    """Sum over e of amounts[e] * vectors[chosen[e]] in row into[e]; (n_rows, dim)."""
    dim = vectors.shape[1]
    sums = torch.zeros((n_rows, dim), dtype=amounts.dtype, device=vectors.device)
    size = max(CHUNK_BYTES // (dim * amounts.element_size()), 1)
    for start in range(0, len(into), size):
        part = slice(start, start + size)
        sums.index_add_(0, into[part], amounts[part] * vectors[chosen[part]])
    return sums
