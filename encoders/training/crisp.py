"""Which fewer vectors may stand for a text's tokens, while a model is trained to use those?

CRISP (arXiv 2505.11471): every text's vectors are clustered in training as they will be in the
index, and MaxSim is taken over the means, so that the model learns tokens that lie well together.
The paper leaves the algorithm open; here it is that of `Pooling`, the same as in the index: which
tokens lie together is found on vectors without gradient and held constant, gradients flow through
the means, and means have length one. Fine-tune from a model that was trained without (the paper
does).
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lexmax.encoders.kmeans import kmeans_clusters
from lexmax.encoders.pooling import LONGEST, Count, Pooling
from lexmax.encoders.training.token_maxima import PaddedTokens, side_by_side
from lexmax.encoders.ward import ward_clusters
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch


def _kmeans(count: Count) -> Pooling:
    return Pooling("kmeans", count)


def _alike(pooling: Pooling) -> tuple[Pooling, Pooling]:
    return pooling, pooling


CRISP: Mapping[str, tuple[Pooling, Pooling]] = MappingProxyType(
    {
        "C4x8": (_kmeans(Count(tokens=4)), _kmeans(Count(tokens=8))),
        "C8x32": (_kmeans(Count(tokens=8)), _kmeans(Count(tokens=32))),
        "C25": _alike(_kmeans(Count(ratio=0.25))),
        "C50": _alike(_kmeans(Count(ratio=0.5))),
        "K2": _alike(Pooling("spacing", Count(factor=2))),
        "K4": _alike(Pooling("spacing", Count(factor=4))),
        "tail4x8": (Pooling("tail", Count(tokens=4)), Pooling("tail", Count(tokens=8))),
        "tail8x32": (Pooling("tail", Count(tokens=8)), Pooling("tail", Count(tokens=32))),
    }
)
"""The paper's variants by their names in it: how queries and how documents are pooled."""

_VANISHED = 1e-6


def pooled(tokens: PaddedTokens, pooling: Pooling) -> PaddedTokens:
    """The vectors that `pooling` leaves of each text, with gradients to those behind them.

    The same vectors, in the same order, as `Pooling.pool` gives for a collection, within rounding.

    Args:
        tokens: Vectors of length one.
        pooling: How they become fewer; a text that has no more keeps all.

    Raises:
        EncoderError: if clusters are to be found in a text of more than 4,096 tokens.
    """
    lengths = tokens.mask.sum(dim=1).cpu().numpy()
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    flat = tokens.vectors[tokens.mask]
    if pooling.method in ("spacing", "tail"):
        kept = _kept(offsets, pooling)
        return _padded(flat[torch.as_tensor(kept).to(flat.device)], offsets, kept)
    if int(lengths.max(initial=0)) > LONGEST:
        raise EncoderError(
            f"{pooling.spec}: found a text of {int(lengths.max()):,} tokens; expected at most "
            f"{LONGEST:,}; train on fewer tokens a text, or take pool=spacing"
        )
    clusters, firsts = _clusters(flat, offsets, pooling)
    return _padded(_means(flat, clusters, firsts), offsets, firsts)


def _kept(offsets: NDArray[np.int64], pooling: Pooling) -> NDArray[np.int64]:
    lengths = np.diff(offsets)
    places = np.arange(int(offsets[-1]), dtype=np.int64) - np.repeat(offsets[:-1], lengths)
    if pooling.method == "spacing":
        return np.flatnonzero(places % (pooling.count.factor or 1) == 0)
    return np.flatnonzero(places >= np.repeat(lengths - pooling.count.of(lengths), lengths))


def _clusters(
    flat: Tensor, offsets: NDArray[np.int64], pooling: Pooling
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cluster of each token, (n_tokens,), and the first token of each cluster, ascending."""
    directions = TokenBatch(offsets, np.ascontiguousarray(flat.detach().float().cpu().numpy()))
    lengths = np.diff(offsets)
    counts = pooling.count.of(lengths)
    if pooling.method == "ward":
        inside = ward_clusters(directions, counts)
    else:
        inside = kmeans_clusters(directions, counts, seed=pooling.seed)
    names = inside + np.repeat(offsets[:-1], lengths)
    first_of = np.full(len(names), len(names), np.int64)
    np.minimum.at(first_of, names, np.arange(len(names)))
    of_tokens = first_of[names]
    firsts = np.unique(of_tokens)
    return np.searchsorted(firsts, of_tokens).astype(np.int64), firsts


def _means(flat: Tensor, clusters: NDArray[np.int64], firsts: NDArray[np.int64]) -> Tensor:
    """Means of length one; where the members cancel out, the first of them."""
    into = torch.as_tensor(clusters).to(flat.device)
    sums = flat.new_zeros(len(firsts), flat.shape[1]).index_add(0, into, flat)
    first = flat[torch.as_tensor(firsts).to(flat.device)]
    sizes = torch.bincount(into, minlength=len(firsts))
    squares = sums.detach().square().sum(dim=1)
    vanished = squares.sqrt() <= _VANISHED * sizes
    return functional.normalize(torch.where(vanished[:, None], first, sums), dim=1)


def _padded(vectors: Tensor, offsets: NDArray[np.int64], tokens: NDArray[np.int64]) -> PaddedTokens:
    """Vectors of texts side by side; `tokens` says which token of the batch each belongs to."""
    counts = np.diff(np.searchsorted(tokens, offsets))
    return side_by_side(vectors, torch.as_tensor(counts).to(vectors.device))
