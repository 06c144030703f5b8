"""How is a vector kept in a few bytes, so that it can be trained what those stand for?

Product quantisation (Jégou et al. 2011) cuts a vector into parts and keeps, of each, the number of
the nearest of 256 centroids; OPQ (Ge et al. 2013) turns vectors first. A score is the sum, over
parts, of the query part's product with the centroid (asymmetric distance computation, ADC), and so
has gradients to the query and to the centroids: JPQ (arXiv 2108.00644) trains those two and leaves
the codes alone.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from lexmax.errors import EncoderError, ShapeError

_PART_BYTES = 64 << 20
"""Of distances or decoded vectors that are there at once."""


class ProductQuantizer(nn.Module):
    """Codes of `subspaces` bytes a vector, and what they stand for.

    Attributes:
        rotation: Orthonormal matrix that vectors are turned by first, (dim, dim); not trained.
        centroids: What codes stand for, (subspaces, n_centroids, dim / subspaces); trained.
    """

    rotation: Tensor

    def __init__(self, dim: int, *, subspaces: int, n_centroids: int = 256) -> None:
        """With zeros as centroids and no rotation: see `opq.fitted` for better ones.

        Raises:
            EncoderError: if `dim` is not a multiple of `subspaces`, or a code is more than a byte.
        """
        super().__init__()
        if subspaces < 1 or dim < 1 or dim % subspaces:
            raise EncoderError(
                f"vectors of {dim} coordinates in {subspaces} subspaces; "
                "expected a number of subspaces that divides the coordinates"
            )
        if not 2 <= n_centroids <= 256:
            raise EncoderError(
                f"n_centroids is {n_centroids}; expected 2 to 256, so that a code is one byte"
            )
        self.register_buffer("rotation", torch.eye(dim))
        self.centroids = nn.Parameter(torch.zeros(subspaces, n_centroids, dim // subspaces))

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        return len(self.rotation)

    @property
    def subspaces(self) -> int:
        """Parts of a vector, and bytes of its code."""
        return len(self.centroids)

    def rotated(self, vectors: Tensor) -> Tensor:
        """Vectors (..., dim) turned to where the centroids are; inner products stay."""
        return vectors @ self.rotation.T

    def distances(self, rotated: Tensor) -> Tensor:
        """Squared distances from all centroids, (subspaces, n, n_centroids), of (n, dim)."""
        parts = self._parts(rotated)
        norms = parts.square().sum(dim=2, keepdim=True)
        products = parts @ self.centroids.transpose(1, 2)
        return (norms - 2 * products + self.centroids.square().sum(dim=2)[:, None]).clamp(min=0)

    @torch.no_grad()
    def codes(self, vectors: Tensor) -> Tensor:
        """Number of the nearest centroid in each subspace, uint8 (n, subspaces), of (n, dim)."""
        found = [
            self._nearest(self.rotated(vectors[part]))
            for part in self._chunks(len(vectors), of_row=self.centroids.shape[:2].numel())
        ]
        shape = (0, self.subspaces)
        empty = torch.zeros(shape, dtype=torch.uint8, device=vectors.device)
        return torch.cat([empty, *(codes.to(torch.uint8) for codes in found)])

    def _nearest(self, rotated: Tensor) -> Tensor:
        # <x, c> - |c|^2 / 2 is greatest where |x - c| is least, and takes one pass over memory.
        halves = self.centroids.square().sum(dim=2)[:, None] / 2
        products = torch.baddbmm(-halves, self._parts(rotated), self.centroids.transpose(1, 2))
        return products.max(dim=2).indices.T

    def decoded(self, codes: Tensor) -> Tensor:
        """What codes (..., subspaces) stand for, (..., dim), in rotated coordinates."""
        numbers = codes.long() + self._starts()
        return functional.embedding(numbers, self.centroids.flatten(0, 1)).flatten(-2)

    def restored(self, codes: Tensor) -> Tensor:
        """The same in the coordinates of the vectors, (..., dim)."""
        return self.decoded(codes) @ self.rotation

    def tables(self, queries: Tensor) -> Tensor:
        """Products with all centroids, (n_queries, subspaces, n_centroids), of (n_queries, dim)."""
        return (self._parts(self.rotated(queries)) @ self.centroids.transpose(1, 2)).transpose(0, 1)

    def scores(self, queries: Tensor, codes: Tensor) -> Tensor:
        """ADC scores, with gradients to queries and centroids.

        Args:
            queries: (n_queries, dim).
            codes: Of the same documents for all queries, (n_documents, subspaces), or of each
                query's own, (n_queries, n_documents, subspaces).

        Returns:
            (n_queries, n_documents).
        """
        if codes.ndim == 2:
            return self.rotated(queries) @ self.decoded(codes).T
        return (self.decoded(codes) @ self.rotated(queries)[:, :, None]).squeeze(2)

    @torch.no_grad()
    def search(self, queries: Tensor, codes: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The best k of all documents by ADC scores, all of them compared.

        Args:
            queries: (n_queries, dim).
            codes: (n_documents, subspaces).
            k: How many are wanted; all where there are fewer.

        Returns:
            Scores, descending, and documents, int64, both (n_queries, min(k, n_documents)).

        Raises:
            ShapeError: if k is below 1.
        """
        if k < 1:
            raise ShapeError(f"k is {k}; expected 1 or more")
        turned = self.rotated(queries)
        best = turned.new_zeros(len(queries), 0)
        rows = torch.zeros_like(best, dtype=torch.long)
        # Decoding and one product of matrices is faster than looking sums up in tables here.
        for part in self._chunks(len(codes), of_row=self.dim + len(queries)):
            found = turned @ self.decoded(codes[part]).T
            numbers = torch.arange(part.start, part.stop, device=rows.device).expand_as(found)
            best, rows = torch.cat([best, found], 1), torch.cat([rows, numbers], 1)
            best, places = best.topk(min(k, best.shape[1]), dim=1)
            rows = rows.gather(1, places)
        return best, rows

    def _parts(self, rotated: Tensor) -> Tensor:
        """Subspace by subspace: (subspaces, n, dim / subspaces)."""
        width = self.centroids.shape[2]
        return rotated.reshape(len(rotated), self.subspaces, width).transpose(0, 1)

    def _starts(self) -> Tensor:
        n_centroids = self.centroids.shape[1]
        numbers = torch.arange(self.subspaces, device=self.centroids.device)
        return numbers * n_centroids

    def _chunks(self, n: int, *, of_row: int) -> Iterator[slice]:
        step = max(_PART_BYTES // (4 * of_row), 1)
        for start in range(0, n, step):
            yield slice(start, min(start + step, n))
