"""How do several rankings become one? The rules are in `lexmax.fusion`."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from lexmax.stages.values import Stage

Scale: TypeAlias = Literal["min-max", "z-score", "none"]
Missing: TypeAlias = Literal["minimum", "zero"]
Weights: TypeAlias = tuple[Annotated[float, Field(ge=0)], ...]

# Documents of a ranking that are fused where its stage says nothing: benchmarks/fusion.py.
FUSED_DEPTH = 200


class ReciprocalRank(Stage):
    """The sum of 1 / (rank_constant + rank), ranks from 1 (Cormack et al. 2009)."""

    method: Literal["reciprocal-rank"] = "reciprocal-rank"
    rank_constant: Annotated[float, Field(ge=0)] = 60
    weights: Weights | None = Field(default=None, description="One a retrieve stage, in order")


class WeightedSum(Stage):
    """The weighted sum of scaled scores (Bruch et al., arXiv 2210.11934)."""

    method: Literal["weighted-sum"] = "weighted-sum"
    weights: Weights | None = Field(default=None, description="One a retrieve stage, in order")
    scale: Scale = "min-max"
    missing: Missing = Field(
        default="minimum", description="What a ranking gives to documents that it has not"
    )


class CombSum(Stage):
    """The sum of scaled scores (Fox & Shaw 1994)."""

    method: Literal["comb-sum"] = "comb-sum"
    scale: Scale = "min-max"


class CombMnz(Stage):
    """The sum of scaled scores times the number of rankings that have it (Fox & Shaw 1994)."""

    method: Literal["comb-mnz"] = "comb-mnz"
    scale: Scale = "min-max"


class Borda(Stage):
    """n - rank + 1 points in a ranking of n documents, summed."""

    method: Literal["borda"] = "borda"
    weights: Weights | None = Field(default=None, description="One a retrieve stage, in order")


Fuse: TypeAlias = Annotated[
    ReciprocalRank | WeightedSum | CombSum | CombMnz | Borda, Field(discriminator="method")
]
