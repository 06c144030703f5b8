"""Is the request larger than the service allows? Limits are settings: schemas cannot hold them."""

from collections.abc import Mapping
from typing import Any

from lexmax.errors import PipelineError, QueryError
from lexmax.service.problems import OVER_LIMIT, Refusal
from lexmax.service.settings import Settings
from lexmax.stages import Pairs, Pipeline, named


def check_query(query: str, settings: Settings, *, may_be_blank: bool = False) -> None:
    """Refuse a query that is blank, unless it has vectors, or too long.

    Raises:
        QueryError: if it is blank.
        Refusal: if it has more than `max_query_chars` characters.
    """
    if not may_be_blank and not query.strip():
        raise QueryError("the query is empty; expected at least one word; write one")
    check_count("query", len(query), settings.max_query_chars, unit="characters")


def check_count(name: str, found: int, limit: int, *, unit: str) -> None:
    """Refuse more than `limit`.

    Raises:
        Refusal: if `found` is more.
    """
    if found > limit:
        raise Refusal(
            OVER_LIMIT,
            f"{name}: found {found} {unit}; expected at most {limit}; send less at once",
        )


def asked_pipeline(asked: str | Mapping[str, Any], settings: Settings) -> Pipeline:
    """The pipeline that a request names or describes.

    A service loads no model because a request names it: scorers of pairs are those of `rerankers`.

    Raises:
        PipelineError: if there is none, or it names another scorer.
        QueryError: if a preset is named with an engine that there is not.
        Refusal: if a stage looks at more than `max_k` documents.
    """
    pipeline = named(asked)
    for stage in pipeline.rerank:
        if isinstance(stage, Pairs) and stage.scorer not in settings.rerankers:
            known = ", ".join(settings.rerankers) or "none: the service was started without any"
            raise PipelineError(
                f"found the scorer {stage.scorer!r}; expected one of {known}; choose one, or start "
                "the service with it among its rerankers"
            )
    depths = [stage.depth or 0 for stage in pipeline.retrieve]
    check_count("depth", max(pipeline.deepest, *depths), settings.max_k, unit="hits")
    return pipeline
