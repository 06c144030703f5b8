"""How does what was found change the query? Pseudo-relevance feedback, then a second search.

The methods are in `lexmax.feedback`. Off unless a pipeline asks for it.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from lexmax.stages.values import Signal, Stage

Placement: TypeAlias = Literal["before", "after", "both"]
_Weight: TypeAlias = Annotated[float, Field(ge=0)]
_Count: TypeAlias = Annotated[int, Field(ge=1, le=1000)]


class _Feedback(Stage):
    placement: Placement = Field(
        default="after",
        description=(
            "before: the fused ranking gives the feedback, and only the second search counts; "
            "after: each ranking gives its own, and what comes of it is fused; both: the fused "
            "ranking gives the feedback, and what comes of it is fused (arXiv 2205.00235)"
        ),
    )


class Average(_Feedback):
    """The mean of the query and of the first k documents (arXiv 2108.11044)."""

    method: Literal["average"] = "average"
    k: _Count = 3
    signals: tuple[Signal, ...] | None = Field(
        default=None, description="What to search for again; by default all that retrieve"
    )
    max_terms: _Count = Field(default=64, description="Of a sparse query")


class Rocchio(_Feedback):
    """alpha times the query and beta times the mean of the first k documents."""

    method: Literal["rocchio"] = "rocchio"
    k: _Count = 5
    alpha: _Weight = 0.4
    beta: _Weight = 0.6
    signals: tuple[Signal, ...] | None = Field(
        default=None, description="What to search for again; by default all that retrieve"
    )
    max_terms: _Count = Field(default=64, description="Of a sparse query")


class Rm3(_Feedback):
    """The relevance model over terms, mixed with the query; for sparse retrieval."""

    method: Literal["rm3"] = "rm3"
    k: _Count = 10
    terms: _Count = 10
    original_weight: Annotated[float, Field(ge=0, le=1)] = 0.5


class ColbertPrf(_Feedback):
    """Tokens that stand for what the first k documents have in common; for multivector."""

    method: Literal["colbert-prf"] = "colbert-prf"
    k: _Count = 3
    clusters: _Count = 24
    tokens: _Count = 10
    beta: _Weight = 0.5


Feedback: TypeAlias = Annotated[Average | Rocchio | Rm3 | ColbertPrf, Field(discriminator="method")]


def searched_again(feedback: "Average | Rocchio | Rm3 | ColbertPrf") -> tuple[Signal, ...] | None:
    """The signals that the feedback is for; None for all."""
    if isinstance(feedback, Rm3):
        return ("sparse",)
    if isinstance(feedback, ColbertPrf):
        return ("multivector",)
    return feedback.signals
