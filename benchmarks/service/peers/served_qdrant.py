"""Qdrant in this process (qdrant-edge-py), exact over float32 weights: FOLDER of an index."""

from collections.abc import Sequence

import qdrant_edge as qdrant
from minimal_app import Found, Search

_VECTOR = "weights"
_CONFIG = qdrant.EdgeConfig(
    sparse_vectors={_VECTOR: qdrant.EdgeSparseVectorParams(full_scan_threshold=1)},
    optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1),
    max_search_threads=1,
)


def opened(arguments: Sequence[str]) -> Search:
    """Over the index that benchmarks/sparse/peers/qdrant.py builds."""
    shard = qdrant.EdgeShard.load(arguments[0], _CONFIG)

    def search(terms: Sequence[int], weights: Sequence[float], k: int) -> Found:
        vector = qdrant.SparseVector(list(terms), list(weights))
        query = qdrant.Query.Nearest(vector, using=_VECTOR)
        hits = shard.search(qdrant.SearchRequest(query=query, limit=k))
        return [(str(hit.id), float(hit.score)) for hit in hits]

    return search
