"""Which token of each document is best for each token of a query?

Every token of a query meets every token of every document of the batch: 32 queries of 32 tokens
against 256 documents of 180 are 47 million inner products. They are computed in parts and not
kept. The gradient of a maximum reaches the one token that gave it, so the backward pass is a
product with a sparse matrix that has one entry a row and document, not with a full one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lexmax.errors import ShapeError
from lexmax.types import TokenBatch

PART_BYTES = 64 << 20
"""Of inner products that are there at once; those of one query at least."""

# Documents are compared in groups of similar length, which are large enough for a fast product.
_GROUPS = 8
_LEAST_GROUP = 16


@dataclass(frozen=True, slots=True)
class PaddedTokens:
    """Token vectors of texts side by side.

    Attributes:
        vectors: Floating point (n_texts, width, dim).
        mask: Which of them are tokens, bool (n_texts, width); the others are padding, whose
            values matter nowhere.

    Raises:
        ShapeError: where shapes differ from these.
    """

    vectors: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        if self.vectors.ndim != 3 or self.vectors.shape[:2] != self.mask.shape:
            raise ShapeError(
                f"vectors {tuple(self.vectors.shape)} and mask {tuple(self.mask.shape)}; "
                "expected (n_texts, width, dim) and (n_texts, width)"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """Coordinates of one vector."""
        return int(self.vectors.shape[2])

    def rows(self, chosen: Tensor) -> "PaddedTokens":
        """The texts `chosen`, int64 (n,), in that order."""
        return PaddedTokens(self.vectors[chosen], self.mask[chosen])


def side_by_side(flat: Tensor, counts: Tensor) -> PaddedTokens:
    """Vectors of texts, one text after the other (n_tokens, dim), `counts` (n_texts,) of each."""
    width = int(counts.max()) if len(counts) else 0
    mask = torch.arange(width, device=counts.device) < counts[:, None]
    places = mask.flatten().nonzero().flatten()
    vectors = flat.new_zeros(mask.numel(), flat.shape[1]).index_copy(0, places, flat)
    return PaddedTokens(vectors.reshape(*mask.shape, flat.shape[1]), mask)


def padded(tokens: TokenBatch, device: torch.device) -> PaddedTokens:
    """The same vectors for training, without gradient."""
    counts = torch.as_tensor(np.diff(tokens.offsets)).to(device)
    return side_by_side(torch.as_tensor(tokens.vectors).to(device), counts)


@dataclass(frozen=True, slots=True)
class TokenMaxima:
    """What each token of each query finds in each document.

    Attributes:
        best: Greatest inner product, (n_queries, width, n_documents); -inf with a document
            without tokens. What stands at padding of a query means nothing.
        nth: The n-th greatest inner product over the tokens of ALL documents, (n_queries, width),
            without gradient; the smallest one where there are fewer than n tokens, -inf where
            there are none. None if it was not asked for.
    """

    best: Tensor
    nth: Tensor | None


def token_maxima(
    queries: PaddedTokens, documents: PaddedTokens, *, n: int | None = None
) -> TokenMaxima:
    """Best inner products of query tokens, with gradients to both sides.

    Among equal ones the first token of a document has the gradient.

    Args:
        queries: Of B texts.
        documents: Of C texts, of the same dim.
        n: Which greatest of all inner products of a query token is wanted as well.

    Raises:
        ShapeError: if the dims differ, or n is below 1.
    """
    if queries.dim != documents.dim:
        raise ShapeError(f"queries have dim {queries.dim}, documents {documents.dim}")
    if n is not None and n < 1:
        raise ShapeError(f"n is {n}; expected 1 or more")
    function: Any = _Maxima
    best, nth = function.apply(queries.vectors, documents.vectors, documents.mask, n)
    return TokenMaxima(best, nth)


class _Maxima(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, documents: Tensor, mask: Tensor, n: int | None
    ) -> tuple[Tensor, Tensor | None]:
        best, places, nth = _forward(queries, documents, mask, n)
        ctx.save_for_backward(queries, documents, places, mask.any(dim=1))
        if nth is not None:
            ctx.mark_non_differentiable(nth)
        return best, nth

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        queries, documents, places, filled = ctx.saved_tensors
        gradient = gradients[0]
        if gradient is None:
            return None, None, None, None
        n_documents, width, dim = documents.shape
        # One row a query token, one entry a document that has tokens.
        amounts = (gradient * filled).reshape(-1, n_documents)
        tokens, of_document = amounts.nonzero(as_tuple=True)
        winners = of_document * width + places.reshape(-1, n_documents)[tokens, of_document]
        values = amounts[tokens, of_document]
        flat_queries = queries.reshape(-1, dim).to(values.dtype)
        flat_documents = documents.reshape(-1, dim).to(values.dtype)
        of_queries = of_documents = None
        if ctx.needs_input_grad[0]:
            size = (len(flat_queries), len(flat_documents))
            of_queries = _product(tokens, winners, values, size, flat_documents)
            of_queries = of_queries.reshape(queries.shape).to(queries.dtype)
        if ctx.needs_input_grad[1]:
            size = (len(flat_documents), len(flat_queries))
            of_documents = _product(winners, tokens, values, size, flat_queries)
            of_documents = of_documents.reshape(documents.shape).to(documents.dtype)
        return of_queries, of_documents, None, None


def _product(
    rows: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int], vectors: Tensor
) -> Tensor:
    """A sparse matrix times a full one."""
    library: Any = torch  # Whose types say little of sparse matrices.
    entries = torch.stack([rows, columns])
    matrix = library.sparse_coo_tensor(entries, values, size, check_invariants=False)
    product: Tensor = library.sparse.mm(matrix, vectors)
    return product


def _forward(
    queries: Tensor, documents: Tensor, mask: Tensor, n: int | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Maxima, where they stand in their document, and the n-th of all documents."""
    dtype = torch.promote_types(queries.dtype, torch.float32)
    shape = (*queries.shape[:2], len(documents))
    best = torch.full(shape, -torch.inf, dtype=dtype, device=queries.device)
    places = torch.zeros(shape, dtype=torch.int32, device=queries.device)
    greatest = None if n is None else best.new_full((*shape[:2], n), -torch.inf)
    for alike, width in _groups(mask):
        tokens = documents[alike, :width].reshape(-1, documents.shape[2])
        real = mask[alike, :width]
        of_query = max(shape[1] * real.numel() * best.element_size(), 1)
        step = max(PART_BYTES // of_query, 1)
        for start in range(0, shape[0], step):
            part = slice(start, start + step)
            products = (queries[part] @ tokens.T).to(dtype)
            products = products.reshape(len(products), shape[1], *real.shape)
            products.masked_fill_(~real, -torch.inf)
            found = products.max(dim=3)
            best[part, :, alike], places[part, :, alike] = found.values, found.indices.int()
            if greatest is not None:
                greatest[part] = _greatest(greatest[part], products.flatten(2))
    return best, places, None if greatest is None else _last_finite(greatest)


def _groups(mask: Tensor) -> list[tuple[Tensor, int]]:
    """Documents of similar length, and how wide they are: padding costs as much as tokens do."""
    if mask.numel() == 0:
        return []
    ends = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).amax(dim=1)
    order = ends.argsort(stable=True)
    size = max(-(-len(mask) // _GROUPS), _LEAST_GROUP)
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    groups = [(alike, int(ends[alike[-1]])) for alike in parts]
    return [(alike, width) for alike, width in groups if width]


def _greatest(before: Tensor, products: Tensor) -> Tensor:
    """The greatest so far, with those of more documents."""
    n = before.shape[-1]
    if products.shape[-1] > n:
        products = products.topk(n, dim=-1, sorted=False).values
    return torch.cat([before, products], dim=-1).topk(n, dim=-1).values


def _last_finite(greatest: Tensor) -> Tensor:
    """The last of descending values that is not -inf; -inf where all are."""
    filled = (greatest > -torch.inf).sum(dim=-1, keepdim=True)
    return greatest.gather(-1, (filled - 1).clamp(min=0)).squeeze(-1)
