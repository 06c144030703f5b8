"""How similar are the candidates to each other?

Cosines, float32 (n, n), symmetric. A document that has no vector is similar to none, itself
included.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.index.directions import token_means, unit
from lexmax.types import SparseBatch, TokenBatch


def of_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of all pairs of n vectors (n, d)."""
    directions = unit(vectors)
    return directions @ directions.T


def of_tokens(documents: TokenBatch) -> NDArray[np.float32]:
    """Cosines of the means of each document's token vectors."""
    return of_vectors(token_means(documents))


def of_terms(documents: SparseBatch) -> NDArray[np.float32]:
    """Cosines of all pairs of rows of term weights."""
    # Imported here, because it takes long, and who diversifies by vectors does not need it.
    from scipy.sparse import csr_array

    terms, columns = np.unique(documents.term_ids, return_inverse=True)
    weights = _unit_rows(documents)
    shape = (len(documents), len(terms))
    rows = csr_array((weights, columns.astype(np.int64), documents.indptr), shape=shape)
    products = np.asarray((rows @ rows.T).toarray(), np.float32)
    # Sums of a pair are in the order of one or the other's terms.
    return (products + products.T) / np.float32(2)


def _unit_rows(documents: SparseBatch) -> NDArray[np.float32]:
    """The weights of all rows, each row at length one, (nnz,)."""
    row_of = np.repeat(np.arange(len(documents)), np.diff(documents.indptr))
    squares = np.bincount(
        row_of, documents.weights.astype(np.float64) ** 2, minlength=len(documents)
    )
    return (documents.weights / np.sqrt(squares)[row_of]).astype(np.float32)
