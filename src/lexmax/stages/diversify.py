"""Which of similar documents are left out? The methods are in `lexmax.diversity`."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from lexmax.stages.fuse import FUSED_DEPTH
from lexmax.stages.values import Depth, Share, Signal, Stage


class _Diversify(Stage):
    depth: Depth = Field(default=200, description="Documents to choose from")
    signal: Signal | None = Field(
        default=None,
        description="Whose stored vectors say what is similar; by default pooled, else multivector",
    )


class Mmr(_Diversify):
    """Maximal marginal relevance (Carbonell & Goldstein 1998)."""

    method: Literal["mmr"] = "mmr"
    trade_off: Share = Field(default=0.7, description="1 is relevance alone, 0 diversity alone")


class Coverage(_Diversify):
    """The set that best covers all candidates, by lazy greedy choice (arXiv 2507.19715)."""

    method: Literal["coverage"] = "coverage"
    diversity: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Weight of pairwise distances beside coverage"
    )


Diversify: TypeAlias = Annotated[Mmr | Coverage, Field(discriminator="method")]


class _Graph(Stage):
    depth: Depth = Field(default=50, description="Documents to start from")
    weight: Share = Field(default=0.3, description="Of the graph's score beside the ranking's")

    @property
    def scaled(self) -> int:
        """Documents whose scores are scaled together, to be added to the graph's."""
        return max(self.depth, FUSED_DEPTH)


class Hops(_Graph):
    """Add the neighbours of what was found, over the graph built at indexing."""

    method: Literal["hops"] = "hops"
    hops: Annotated[int, Field(ge=1, le=3)] = 1


class PageRank(_Graph):
    """Personalised PageRank from what was found, over the graph built at indexing."""

    method: Literal["pagerank"] = "pagerank"
    restart: Annotated[float, Field(gt=0, lt=1)] = 0.2
    steps: Annotated[int, Field(ge=1, le=100)] = 15


Graph: TypeAlias = Annotated[Hops | PageRank, Field(discriminator="method")]
