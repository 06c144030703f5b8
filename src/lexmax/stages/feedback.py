"""How does what was found change the query? Pseudo-relevance feedback, then a second search.

The methods are in `lexmax.feedback`. Off unless a pipeline asks for it.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

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
    beta: _Weight = Field(default=0.05, description="Of an added token, times its idf")


class TextFeedback(_Feedback):
    """Texts that are put together of the query and the first k documents, and encoded."""

    method: Literal["text"] = "text"
    k: _Count = 3
    how: Literal["concatenate", "each", "windows"] = Field(
        default="each", description="All in one text, one text a document, or one a window"
    )
    aggregate: Literal["borda", "comb-sum", "mean", "max"] = "borda"
    size: _Count = Field(default=64, description="Of a window, in words")
    stride: _Count = Field(default=32, description="From window to window, in words")
    signals: tuple[Signal, ...] | None = Field(
        default=None, description="What to search for again; by default all that retrieve"
    )

    @model_validator(mode="after")
    def _fits(self) -> "TextFeedback":
        if self.stride > self.size:
            raise ValueError(f"stride is {self.stride}; expected at most size, {self.size}")
        return self


Feedback: TypeAlias = Annotated[
    Average | Rocchio | Rm3 | ColbertPrf | TextFeedback, Field(discriminator="method")
]


def searched_again(
    feedback: "Average | Rocchio | Rm3 | ColbertPrf | TextFeedback",
) -> tuple[Signal, ...] | None:
    """The signals that the feedback is for; None for all."""
    if isinstance(feedback, Rm3):
        return ("sparse",)
    if isinstance(feedback, ColbertPrf):
        return ("multivector",)
    return feedback.signals
