"""How is a search's result written as JSON? Straight from its values: under load this counts."""

from collections.abc import Mapping
from typing import Any, cast

import orjson

from lexmax.results import Hit, SearchResult


def search_json(result: SearchResult, *, ids_only: bool = False) -> bytes:
    """The result as `SearchReply` describes it; its names are those of the values.

    With `ids_only`, without what the documents hold, as `IdHitReply` describes it.
    """
    return orjson.dumps(
        {
            "hits": list(map(_without_content, result.hits)) if ids_only else result.hits,
            "pipeline": result.pipeline,
            "generation": result.generation,
            "timings_ms": result.timings_ms,
            "stages": result.stages,
            "n_filtered": result.n_filtered,
            "partial": result.partial,
            "notes": result.notes,
        },
        default=_plain,
    )


def _without_content(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "doc_id": hit.doc_id,
        "score": hit.score,
        "scores": hit.scores,
        "relevance": hit.relevance,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError(f"found a value of type {type(value).__name__}; expected one that JSON has")
