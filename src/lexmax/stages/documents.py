"""Where documents are split: how do the scores of passages become those of their documents?"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from lexmax.stages.values import Stage


class BestPassage(Stage):
    """A document is as good as its best passage (MaxP, Dai & Callan 2019)."""

    by: Literal["best"] = "best"


class TopPassages(Stage):
    """A document has the mean score of its best passages; the best one still stands for it."""

    by: Literal["top"] = "top"
    n: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=3,
        description=(
            "Passages that count, or all of a document that has fewer; one that was not found "
            "counts as the last one that was"
        ),
    )


Documents: TypeAlias = Annotated[BestPassage | TopPassages, Field(discriminator="by")]
