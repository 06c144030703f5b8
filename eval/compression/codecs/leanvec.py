"""Which few coordinates keep the products of queries with documents? LeanVec's linear maps.

Tepper et al. 2024 (arXiv 2312.16335) look for A and B, (d, D), such that <Aq, Bx> is near <q, x>:
they minimise L(A, B) = ||Q^T (A^T B - I) X||^2 over training queries Q and documents X, as columns.
Where queries are like documents (ID), A = B = the strongest left singular vectors of X. Where they
are not (OOD), the paper descends; without its constraint on A and B there is a closed form: with
K_Q = Q Q^T, K_X = X X^T and K_Q^(1/2) K_X^(1/2) = U S V^T,

    A = S_d^(1/2) U_d^T K_Q^(-1/2),    B = S_d^(1/2) V_d^T K_X^(-1/2),

which is the best approximation of rank d of Q^T X (Eckart & Young 1936), so that L is the sum of
the squares of the singular values that are left out. `index/projection.py` has the same for
encodings of thousands of coordinates, among the documents' strongest directions alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.eval.compression.codecs.codec import Arrays, Codec, Fitted, Floats, Sample
from lexmax.index.threads import one_thread

Wide = NDArray[np.float64]

# Of the greatest eigenvalue: below it a direction is rounding, and its inverse would be noise.
_LEAST = 1e-7


def id_matrix(documents: Floats, dim: int) -> Wide:
    """A = B of LeanVec-ID as columns (D, dim): orthonormal, not centred, the strongest first.

    Raises:
        ShapeError: if `dim` is not 1 to D.
    """
    _check_dim(dim, documents.shape[1])
    with one_thread():
        directions = np.linalg.eigh(_moments(documents))[1]
    return np.ascontiguousarray(directions[:, ::-1][:, :dim])


def ood_matrices(
    documents: Floats, queries: Floats, dim: int, *, shrinkage: float = 0.0
) -> tuple[Wide, Wide]:
    """A and B of the closed form as columns (D, dim), for queries (m, D) and documents (n, D).

    `shrinkage` is the share of the documents' moments in those of the queries, each scaled to
    trace 1: with 1 the result gives the products of ID. Without queries it is ID.

    Raises:
        ShapeError: if `dim` is not 1 to D.
    """
    _check_dim(dim, documents.shape[1])
    of_documents = _unit_trace(_moments(documents))
    of_queries = _unit_trace(_moments(queries))
    if not of_queries.any():
        shrinkage = 1.0
    mixed = (1 - shrinkage) * of_queries + shrinkage * of_documents
    with one_thread():
        root_q, inverse_q = _roots(mixed)
        root_d, inverse_d = _roots(of_documents)
        left, strengths, right = np.linalg.svd(root_q @ root_d)
        scale = np.sqrt(strengths[:dim])
        return inverse_q @ left[:, :dim] * scale, inverse_d @ right[:dim].T * scale


def lost(documents: Floats, queries: Floats, for_queries: Wide, for_documents: Wide) -> float:
    """L(A, B) of the paper, the squared error of all products of queries with documents.

    By traces: the products themselves are never made.
    """
    rest = for_queries @ for_documents.T - np.eye(documents.shape[1])
    return float(np.sum((_moments(queries) @ rest) * (rest @ _moments(documents))))


@dataclass(frozen=True, slots=True)
class LeanVec:
    """Projected vectors, stored by another codec.

    Attributes:
        dim: coordinates that are left.
        then: how these are stored.
        by_queries: whether the maps are those of OOD, which training queries tell.
        shrinkage: as of `ood_matrices`.
    """

    dim: int
    then: Codec
    by_queries: bool = False
    shrinkage: float = 0.0

    def fit(self, sample: Sample) -> "FittedLeanVec":
        """As `Codec`; `dim` is at most that of the sample."""
        documents, queries = sample.documents, sample.queries
        dim = min(self.dim, documents.shape[1])
        if self.by_queries:
            a, b = ood_matrices(documents, queries, dim, shrinkage=self.shrinkage)
        else:
            a = b = id_matrix(documents, dim)
        for_queries, for_documents = a.astype(np.float32), b.astype(np.float32)
        reduced = Sample(documents @ for_documents, queries @ for_queries, sample.seed)
        return FittedLeanVec(
            for_queries, for_documents, self.then.fit(reduced), is_one=not self.by_queries
        )


@dataclass(frozen=True, slots=True, eq=False)
class FittedLeanVec:
    """Matrices (D, dim) for queries and for documents, and the codec of what they give."""

    for_queries: Floats
    for_documents: Floats
    then: Fitted
    is_one: bool

    @property
    def fixed(self) -> Arrays:
        """As `Fitted`."""
        matrices: Arrays = {"for_documents": self.for_documents}
        if not self.is_one:
            matrices["for_queries"] = self.for_queries
        return matrices | {f"then_{name}": array for name, array in self.then.fixed.items()}

    def encode(self, vectors: Floats) -> Arrays:
        """As `Fitted`."""
        return self.then.encode(vectors @ self.for_documents)

    def decode(self, stored: Arrays) -> Floats:
        """As `Fitted`."""
        return self.then.decode(stored)

    def queries(self, vectors: Floats) -> Floats:
        """As `Fitted`."""
        return self.then.queries(vectors @ self.for_queries)


def _check_dim(dim: int, most: int) -> None:
    if not 1 <= dim <= most:
        raise ShapeError(f"found dim {dim}; expected 1 to {most}, the coordinates of the vectors")


def _moments(rows: Floats) -> Wide:
    wide = rows.astype(np.float64)
    with one_thread():
        moments: Wide = wide.T @ wide
    return moments


def _unit_trace(moments: Wide) -> Wide:
    trace = float(np.trace(moments))
    return moments / trace if trace > 0 else moments


def _roots(moments: Wide) -> tuple[Wide, Wide]:
    """The root of a symmetric matrix, and its inverse, kept away from zero; of zeros zeros."""
    values, vectors = np.linalg.eigh(moments)
    if values[-1] <= 0:
        return np.zeros_like(moments), np.zeros_like(moments)
    roots = np.sqrt(np.maximum(values, _LEAST * values[-1]))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T
