"""Which rotation and which centroids lose least of these vectors?

OPQ (Ge et al. 2013): the rotation begins with the principal directions, shared out so that all
subspaces hold the same product of variances, and is then fitted to the codes, and the codes to
it, in turns.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lexmax.encoders.training.product_quantization import ProductQuantizer
from lexmax.errors import EncoderError

_VANISHED = 1e-12
_APART = 1e-3


@dataclass(frozen=True, slots=True)
class Fit:
    """How a quantiser is fitted.

    Attributes:
        subspaces: Bytes of a code.
        n_centroids: Of each subspace, 2 to 256.
        rotate: Whether to look for a rotation (OPQ); False leaves vectors as they are (PQ).
        rounds: Turns of codes and rotation.
        last_rounds: Rounds of k-means after that, the rotation standing still.
        sample: Vectors that are looked at; drawn where there are more.
        seed: Of all draws.
    """

    subspaces: int
    n_centroids: int = 256
    rotate: bool = True
    rounds: int = 30
    last_rounds: int = 10
    sample: int = 1 << 16
    seed: int = 0


def fitted(vectors: Tensor, fit: Fit) -> ProductQuantizer:
    """A quantiser of these vectors, (n, dim), on their device.

    Raises:
        EncoderError: if there are fewer vectors than centroids, or they hold NaN or infinity, or
            cannot be cut into so many subspaces.
    """
    made = ProductQuantizer(vectors.shape[1], subspaces=fit.subspaces, n_centroids=fit.n_centroids)
    if len(vectors) < fit.n_centroids:
        raise EncoderError(
            f"found {len(vectors)} vectors for {fit.n_centroids} centroids of a subspace; "
            "expected at least as many; give more documents, or ask for fewer centroids"
        )
    if not bool(torch.isfinite(vectors).all()):
        raise EncoderError("vectors to quantise hold NaN or infinity; expected finite numbers")
    made = made.to(vectors.device)
    generator = torch.Generator().manual_seed(fit.seed)
    with torch.no_grad():
        sample = _drawn(vectors.float(), fit.sample, generator)
        if fit.rotate:
            made.rotation.copy_(_balanced_directions(sample, fit.subspaces))
        made.centroids.copy_(_drawn_centroids(made, sample, generator))
        for _ in range(fit.rounds if fit.rotate else fit.rounds + fit.last_rounds):
            codes = _moved(made, sample)
            if fit.rotate:
                made.rotation.copy_(_towards(sample, made.decoded(codes)))
        for _ in range(fit.last_rounds if fit.rotate else 0):
            _moved(made, sample)
    return made


def _drawn(vectors: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """At most n of the vectors, without repetition."""
    if len(vectors) <= n:
        return vectors
    chosen = torch.randperm(len(vectors), generator=generator)[:n]
    return vectors[chosen.to(vectors.device)]


def _drawn_centroids(
    quantizer: ProductQuantizer, sample: Tensor, generator: torch.Generator
) -> Tensor:
    """Parts of vectors, others in each subspace."""
    parts = quantizer.rotated(sample).reshape(len(sample), quantizer.subspaces, -1)
    n = quantizer.centroids.shape[1]
    chosen = [
        torch.randperm(len(sample), generator=generator)[:n] for _ in range(quantizer.subspaces)
    ]
    return torch.stack([parts[rows.to(parts.device), i] for i, rows in enumerate(chosen)])


def _balanced_directions(sample: Tensor, subspaces: int) -> Tensor:
    """Principal directions, (dim, dim), each subspace's rows together."""
    wide = sample.double()
    library: Any = torch.linalg  # Whose types say little.
    values: Tensor
    vectors: Tensor
    values, vectors = library.eigh(wide.T @ wide / len(wide))
    logs = [float(log) for log in values.flip(0).clamp(min=_VANISHED).log()]
    size = len(logs) // subspaces
    shares: list[list[int]] = [[] for _ in range(subspaces)]
    sums = [0.0] * subspaces
    for direction, log in enumerate(logs):
        open_ones = [i for i in range(subspaces) if len(shares[i]) < size]
        # Of the subspaces with room, the one whose product of variances is smallest so far.
        least = min(open_ones, key=lambda i: sums[i])
        shares[least].append(direction)
        sums[least] += log - logs[-1]
    order = torch.tensor([direction for share in shares for direction in share])
    found = vectors.flip(1).T[order.to(vectors.device)]
    # Eigenvectors have no sign of their own, and libraries differ.
    largest = found.gather(1, found.abs().argmax(dim=1, keepdim=True))
    signed: Tensor = found * largest.sign()
    return signed.float()


def _moved(quantizer: ProductQuantizer, sample: Tensor) -> Tensor:
    """One round of k-means; the codes that the centroids are now the means of."""
    codes = quantizer.codes(sample).long()
    rotated = quantizer.rotated(sample).reshape(len(sample), quantizer.subspaces, -1)
    m, k, width = quantizer.centroids.shape
    numbers = (codes + torch.arange(m, device=codes.device) * k).flatten()
    sums = rotated.new_zeros(m * k, width).index_add(0, numbers, rotated.flatten(0, 1))
    sizes = torch.bincount(numbers, minlength=m * k)
    means = (sums / sizes.clamp(min=1)[:, None]).reshape(m, k, width)
    quantizer.centroids.copy_(_refilled(means, sizes.reshape(m, k)))
    return codes


def _refilled(means: Tensor, sizes: Tensor) -> Tensor:
    """The same with each empty centroid beside that of the subspace's largest cluster."""
    for place in (sizes == 0).nonzero():
        subspace, empty = int(place[0]), int(place[1])
        largest = int(sizes[subspace].argmax())
        means[subspace, empty] = means[subspace, largest] * (1 + _APART)
        means[subspace, largest] *= 1 - _APART
        half = int(sizes[subspace, largest]) // 2
        sizes[subspace, empty] = half
        sizes[subspace, largest] -= half
    return means


def _towards(sample: Tensor, decoded: Tensor) -> Tensor:
    """The orthonormal matrix R that makes sample R^T closest to what was decoded."""
    library: Any = torch.linalg
    left, _, right = library.svd(decoded.double().T @ sample.double())
    rotation: Tensor = left @ right
    return rotation.float()
