"""How are the best documents scored again?"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from lexmax.stages.values import Depth, Signal, Stage


class MaxSim(Stage):
    """By MaxSim over the stored token vectors."""

    by: Literal["maxsim"] = "maxsim"
    depth: Depth = Field(default=100, description="Documents to score; others stay behind")
    carve: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description=(
            "Query tokens whose product with an earlier one is at least so much are first summed "
            "with it (MUVERA's ball carving): fewer products, scores that are not quite MaxSim"
        ),
    )


class OtherSignal(Stage):
    """By the stored vectors of another signal than the one that found them."""

    by: Literal["sparse", "pooled"]
    depth: Depth = 100


class Pairs(Stage):
    """By a model that reads query and document together: a cross-encoder, or yes or no."""

    by: Literal["pairs"] = "pairs"
    scorer: str = Field(description="cross-encoder:PATH or yes-no:PATH")
    depth: Depth = 50


Rerank: TypeAlias = Annotated[MaxSim | OtherSignal | Pairs, Field(discriminator="by")]


def signal_of(rerank: "MaxSim | OtherSignal | Pairs") -> Signal | None:
    """The signal whose index it reads, if it reads one."""
    if isinstance(rerank, MaxSim):
        return "multivector"
    return rerank.by if isinstance(rerank, OtherSignal) else None
