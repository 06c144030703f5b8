"""Which documents does PLAID score? Its stages, as the baseline of the field.

Documents near the nearest centroids of each query token; of these the best by MaxSim over the
centroids that are near enough to any query token; of these the best quarter by MaxSim over all
centroids (Santhanam et al. 2022, sections 4.1 to 4.4). The last stage, exact scores, is not here.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.multivector_engines import PlaidSource

# (greatest k, cells, threshold, documents): the settings of the reference implementation.
_SETTINGS = ((10, 1, 0.5, 256), (100, 2, 0.45, 1024), (None, 4, 0.4, 4096))


def plaid_candidates(
    index: CentroidIndex,
    source: PlaidSource,
    query: NDArray[np.float32],
    k: int,
    alive: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    """Ordinals of the documents that PLAID decompresses, best first; query (n_tokens, dim)."""
    cells, threshold, documents = _settings(source, k)
    table = index.centroids.table(query)
    near = index.centroids.similarities(query)
    found = _in_cells(index, near, cells, alive)
    pruned = np.where((near.max(axis=1) >= threshold)[:, None], table, np.uint8(0))
    found, _ = index.scan(pruned, documents, ordinals=found)
    found, _ = index.scan(table, max(k, documents // 4), ordinals=np.sort(found))
    return found


def _settings(source: PlaidSource, k: int) -> tuple[int, float, int]:
    cells, threshold, documents = next(
        row[1:] for row in _SETTINGS if row[0] is None or k <= row[0]
    )
    return (
        source.cells or cells,
        threshold if source.threshold is None else source.threshold,
        max(source.documents or max(documents, 4 * k if k > 100 else 0), k),
    )


def _in_cells(
    index: CentroidIndex,
    near: NDArray[np.float32],
    cells: int,
    alive: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    """Living documents with a token in one of the nearest `cells` of any query token, ascending."""
    cells = min(cells, len(near))
    nearest = np.argpartition(-near, cells - 1, axis=0)[:cells]
    chosen = np.zeros(len(near), dtype=bool)
    chosen[nearest] = True
    return index.documents_in(np.flatnonzero(chosen), alive)
