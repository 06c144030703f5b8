"""What does a framework's document say about the hit that it was made of?"""

from typing import Any

from lexmax.results import Hit


def metadata_of(hit: Hit) -> dict[str, Any]:
    """The document's own metadata, with its id, title, score and what else the search knows.

    The search's own names win over those of the document.
    """
    said: dict[str, Any] = {
        **hit.metadata,
        "doc_id": hit.doc_id,
        "title": hit.title,
        "score": hit.score,
        "rank": hit.rank,
    }
    if hit.relevance is not None:
        said["relevance"] = hit.relevance
    if hit.passage is not None:
        said["passage"] = {"start": hit.passage.start, "end": hit.passage.end}
    return said


def text_of(hit: Hit) -> str:
    """What a model is to read: the best passage where documents are split, or the document."""
    return hit.text if hit.passage is None else hit.passage.text
