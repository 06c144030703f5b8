"""Which one vector stands for the states of a text?

| mode | the vector |
|---|---|
| mean | mean over the tokens (Reimers & Gurevych 2019) |
| mean_sqrt_len_tokens | sum over the tokens, divided by the square root of their number |
| weightedmean | mean, each token weighted by its position (SGPT, arXiv 2202.08904) |
| max | maximum of each coordinate |
| cls | the first token's |
| lasttoken | the last token's |
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from lexmax.errors import EncoderError


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    return _sum(hidden, mask) / _count(mask)


def _mean_sqrt(hidden: Tensor, mask: Tensor) -> Tensor:
    return _sum(hidden, mask) / _count(mask).sqrt()


def _weighted_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    places = torch.arange(1, hidden.shape[1] + 1, device=hidden.device, dtype=hidden.dtype)
    weights = mask * places
    total = weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
    return (hidden * weights.unsqueeze(-1)).sum(dim=1) / total


def _max(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(dim=1)


def _first(hidden: Tensor, mask: Tensor) -> Tensor:
    return _at(hidden, mask.int().argmax(dim=1))


def _last(hidden: Tensor, mask: Tensor) -> Tensor:
    return _at(hidden, mask.shape[1] - 1 - mask.int().flip(1).argmax(dim=1))


def _sum(hidden: Tensor, mask: Tensor) -> Tensor:
    return (hidden * mask.unsqueeze(-1)).sum(dim=1)


def _count(mask: Tensor) -> Tensor:
    return mask.sum(dim=1, keepdim=True).clamp(min=1)


def _at(hidden: Tensor, places: Tensor) -> Tensor:
    return hidden[torch.arange(len(hidden), device=hidden.device), places]


MODES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "cls": _first,
        "lasttoken": _last,
        "max": _max,
        "mean": _mean,
        "mean_sqrt_len_tokens": _mean_sqrt,
        "weightedmean": _weighted_mean,
    }
)


def require_modes(modes: Sequence[str]) -> tuple[str, ...]:
    """The modes, once all are known to exist.

    Raises:
        EncoderError: if there are none, or one is unknown.
    """
    strange = [mode for mode in modes if mode not in MODES]
    if strange or not modes:
        raise EncoderError(
            f"states are pooled by {', '.join(map(repr, strange)) or 'nothing'}; "
            f"expected {', '.join(sorted(MODES))}"
        )
    return tuple(modes)


def pooled(hidden: Tensor, mask: Tensor, modes: Sequence[str]) -> Tensor:
    """One vector a text: what each mode gives, one behind the other.

    Args:
        hidden: States, float (b, width, dim).
        mask: Tokens that count, at least one a text, bool (b, width).
        modes: Names out of `MODES`.

    Returns:
        float (b, dim * len(modes)).
    """
    return torch.cat([MODES[mode](hidden, mask) for mode in modes], dim=1)
