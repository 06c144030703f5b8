"""Which weights do the tokens of a text give to the terms of the vocabulary?"""

from typing import Literal

import torch

Repeats = Literal["max", "sum", "set"]
"""What becomes of a token that stands twice: the larger weight counts, both do, or "set", the same
as "max", for weights that depend on the term alone."""


def scatter(
    ids: torch.Tensor,
    weights: torch.Tensor,
    content: torch.Tensor,
    *,
    n_terms: int,
    how: Repeats = "max",
    terms: torch.Tensor | None = None,
) -> torch.Tensor:
    """Weights of terms, (b, n_terms) or (b, t); 0 for terms that are not in the text.

    Positions that are no content are left out rather than given as zeros: zero at the padding's id
    would beat the negative weights that DeepCT gives.

    Args:
        ids: Terms of the positions, int64 (b, width).
        weights: Their weights, (b, width).
        content: Which positions count, bool (b, width).
        n_terms: Terms of the vocabulary.
        how: What becomes of repeated tokens.
        terms: Those whose weights are wanted, int64 (t,); None for all.
    """
    if terms is None:
        return _into_columns(ids.masked_fill(~content, n_terms), weights, n_terms, how)
    places = torch.full((n_terms,), len(terms), dtype=torch.int64, device=ids.device)
    places[terms] = torch.arange(len(terms), device=ids.device)
    columns = places[ids].masked_fill(~content, len(terms))
    # A term that is wanted twice has one place, from which both columns are read.
    return _into_columns(columns, weights, len(terms), how)[:, places[terms]]


def _into_columns(
    columns: torch.Tensor, weights: torch.Tensor, n_columns: int, how: Repeats
) -> torch.Tensor:
    into = weights.new_zeros((len(columns), n_columns + 1))  # The last takes what is left out.
    if how == "sum":
        return into.scatter_add(1, columns, weights)[:, :n_columns]
    return into.scatter_reduce(1, columns, weights, "amax", include_self=False)[:, :n_columns]
