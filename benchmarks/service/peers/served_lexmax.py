"""lexmax without its service: COLLECTION."""

from collections.abc import Sequence
from pathlib import Path

from minimal_app import Found, Search

from lexmax.collection import Collection


def opened(arguments: Sequence[str]) -> Search:
    """Over a collection that is there."""
    collection = Collection.open(Path(arguments[0]))

    def search(terms: Sequence[int], weights: Sequence[float], k: int) -> Found:
        query = " ".join(f"{term}^{weight}" for term, weight in zip(terms, weights, strict=True))
        return [(hit.doc_id, hit.score) for hit in collection.search(query, k).hits]

    return search
