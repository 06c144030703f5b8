"""What is the right answer? Fixed-dimensional encodings and ball carving, written to be read.

Every path of the kernels is tested against these, to 1e-4.
"""

import numpy as np
from numpy.typing import NDArray


def buckets(
    vectors: NDArray[np.float64], planes: NDArray[np.float64], *, greatest: bool = False
) -> NDArray[np.int64]:
    """Bucket of each vector, (n,): bit b is set where the product with planes[b] exceeds 0.

    planes (k_sim, dim) are the hyperplanes of one repetition (Dhulipala et al. 2024, section
    2.1); with `greatest` they are cells, and the bucket is the one of the greatest product.
    """
    products = vectors @ planes.T
    if greatest:
        best: NDArray[np.int64] = products.argmax(axis=1)
        return best
    patterns: NDArray[np.int64] = ((products > 0) << np.arange(len(planes))).sum(axis=1)
    return patterns


def query_encoding(
    vectors: NDArray[np.float64],
    planes: NDArray[np.float64],
    inner: NDArray[np.float64],
    *,
    greatest: bool = False,
) -> NDArray[np.float64]:
    """Encoding of a query: each bucket holds the sum of its projected tokens.

    planes (repetitions, k_sim or buckets, dim); inner (repetitions, width, dim). The result has
    repetitions * buckets * width coordinates.
    """
    blocks = [
        [
            _projected(inner[r], vectors[bucket_of == bucket]).sum(axis=0)
            for bucket in range(_n_buckets(of_one, greatest))
        ]
        for r, of_one in enumerate(planes)
        for bucket_of in [buckets(vectors, of_one, greatest=greatest)]
    ]
    return np.array(blocks).reshape(-1)


def document_encoding(
    vectors: NDArray[np.float64],
    planes: NDArray[np.float64],
    inner: NDArray[np.float64],
    *,
    fill_empty: bool,
    greatest: bool = False,
) -> NDArray[np.float64]:
    """Encoding of a document: each bucket holds the mean of its projected tokens.

    With `fill_empty` an empty bucket holds the token nearest to it, the first of several: whose
    bits differ from the bucket's in fewest places, or with `greatest` whose product with the
    bucket's cell is greatest. Else it is zero, as is a document without tokens.
    """
    blocks = [
        [
            _projected(
                inner[r],
                _members(vectors, of_one, bucket, fill_empty=fill_empty, greatest=greatest),
            ).mean(axis=0)
            for bucket in range(_n_buckets(of_one, greatest))
        ]
        for r, of_one in enumerate(planes)
    ]
    return np.array(blocks).reshape(-1)


def carved(query: NDArray[np.float32], tau: float) -> NDArray[np.float64]:
    """Sums of the clusters of a query's tokens, (n_clusters, dim), in the order of their seeds.

    The first token that is in no cluster is a seed; with it are all of those in no cluster whose
    product with it is at least `tau` (Dhulipala et al. 2024, section 3.2, "ball carving").
    """
    left = query.astype(np.float64)
    sums: list[NDArray[np.float64]] = []
    while len(left):
        near = left @ left[0] >= tau
        near[0] = True
        sums.append(left[near].sum(axis=0))
        left = left[~near]
    return np.array(sums).reshape(-1, query.shape[1])


def _n_buckets(planes: NDArray[np.float64], greatest: bool) -> int:
    return len(planes) if greatest else 1 << len(planes)


def _members(
    vectors: NDArray[np.float64],
    planes: NDArray[np.float64],
    bucket: int,
    *,
    fill_empty: bool,
    greatest: bool,
) -> NDArray[np.float64]:
    bucket_of = buckets(vectors, planes, greatest=greatest)
    members = np.flatnonzero(bucket_of == bucket)
    if len(members) == 0 and fill_empty and len(vectors):
        distances = [int(found ^ bucket).bit_count() for found in bucket_of]
        near = (vectors @ planes[bucket]).argmax() if greatest else np.argmin(distances)
        members = np.array([near])
    return vectors[members] if len(members) else np.zeros((1, vectors.shape[1]))


def _projected(inner: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vectors (n, dim) in (n, width); as they are where width is dim."""
    width, dim = inner.shape
    if width == dim:
        return vectors
    projected: NDArray[np.float64] = vectors @ inner.T
    return projected
