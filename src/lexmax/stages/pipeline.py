"""What is asked of a collection, stage by stage?"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, model_validator

from lexmax.stages.diversify import Diversify, Graph
from lexmax.stages.documents import BestPassage, Documents
from lexmax.stages.feedback import Feedback, searched_again
from lexmax.stages.filtering import RelevanceFilter
from lexmax.stages.fuse import Borda, Fuse, ReciprocalRank, WeightedSum
from lexmax.stages.rerank import Rerank, signal_of
from lexmax.stages.retrieve import MultiVectorRetrieve, Retrieve
from lexmax.stages.values import Conditions, Signal, Stage


class Pipeline(Stage):
    """Stages in the order in which they run; all but `retrieve` may be left out."""

    name: str = Field(default="custom", min_length=1, max_length=64)
    filter: Conditions | None = Field(default=None, description="Of every stage")
    retrieve: Annotated[tuple[Retrieve, ...], Field(min_length=1, max_length=16)]
    fuse: Fuse = Field(default_factory=ReciprocalRank)
    feedback: Feedback | None = None
    graph: Graph | None = None
    rerank: Annotated[tuple[Rerank, ...], Field(max_length=8)] = ()
    documents: Documents = Field(
        default_factory=BestPassage, description="Where documents are split; else of no effect"
    )
    relevance: RelevanceFilter | None = None
    diversify: Diversify | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Pipeline":
        fuse, n_rankings = self.fuse, len(self.retrieve)
        weights = fuse.weights if isinstance(fuse, ReciprocalRank | WeightedSum | Borda) else None
        if weights is not None and len(weights) != n_rankings:
            raise ValueError(
                f"fuse has {len(weights)} weights; expected {n_rankings}, one a retrieve stage"
            )
        again = None if self.feedback is None else searched_again(self.feedback)
        retrieved = {stage.signal for stage in self.retrieve}
        if missing := sorted(set(again or ()) - retrieved):
            raise ValueError(
                f"feedback is for {', '.join(missing)}, which no retrieve stage searches; expected "
                f"{', '.join(sorted(retrieved))}"
            )
        return self

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> "Pipeline":
        """As of every model; what was worked out of the stages is not copied."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("signals", "deepest"):
            vars(copied).pop(name, None)
        return copied

    @cached_property
    def signals(self) -> frozenset[Signal]:
        """Indexes that a collection must have for this pipeline."""
        needed: list[Signal] = [stage.signal for stage in self.retrieve]
        for stage in self.rerank:
            if (signal := signal_of(stage)) is not None:
                needed.append(signal)
        if self.diversify is not None and self.diversify.signal is not None:
            needed.append(self.diversify.signal)
        if any(
            isinstance(stage, MultiVectorRetrieve) and stage.parsed.needs_terms
            for stage in self.retrieve
        ):
            needed.append("sparse")
        return frozenset(needed)

    @property
    def is_fused(self) -> bool:
        """Whether there are several rankings that become one."""
        return len(self.retrieve) > 1

    @cached_property
    def deepest(self) -> int:
        """Hits that later stages look at, 0 if only what is asked for: `retrieve` finds as many."""
        depths = [stage.depth for stage in self.rerank]
        if self.feedback is not None:
            depths.append(self.feedback.k)
        if self.diversify is not None:
            depths.append(self.diversify.depth)
        if self.graph is not None:
            depths.append(self.graph.scaled)
        return max(depths, default=0)
