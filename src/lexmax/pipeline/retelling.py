"""What is found by queries that are put together with what answers them? Text feedback."""

from collections.abc import Callable, Sequence

from lexmax import fusion
from lexmax.feedback.texts import (
    concatenated,
    concatenated_each,
    max_scores,
    mean_scores,
    windows,
)
from lexmax.fusion import Row
from lexmax.stages import TextFeedback
from lexmax.types import Hits


def retold(feedback: TextFeedback, query: str, passages: Sequence[str]) -> list[str]:
    """The texts that are asked in the place of the query."""
    if feedback.how == "concatenate":
        return [concatenated(query, passages)]
    if feedback.how == "each":
        return concatenated_each(query, passages)
    return windows(query, passages, size=feedback.size, stride=feedback.stride)


def aggregated(feedback: TextFeedback, hits: Hits, counts: Sequence[int]) -> Hits:
    """One ranking a query of those that its texts gave, `counts` of them each, in order."""
    rows: list[Row] = []
    first = 0
    for count in counts:
        rankings = [hits.row(i) for i in range(first, first + count)]
        rows.append(_RULES[feedback.aggregate](rankings))
        first += count
    return Hits.from_rows(rows, hits.ordinals.shape[1])


def _borda(rankings: Sequence[Row]) -> Row:
    return fusion.borda([ordinals for ordinals, _ in rankings])


def _comb_sum(rankings: Sequence[Row]) -> Row:
    return fusion.weighted_sum(rankings, missing="zero")


_RULES: dict[str, Callable[[Sequence[Row]], Row]] = {
    "borda": _borda,
    "comb-sum": _comb_sum,
    "mean": mean_scores,
    "max": max_scores,
}
