"""Which hits are relevant enough to be returned? The maps are in `lexmax.relevance`."""

from typing import Annotated

from pydantic import Field

from lexmax.stages.values import Stage


class RelevanceFilter(Stage):
    """Leave out what a calibration finds not relevant."""

    calibration: str = Field(default="default", description="Name given to `lexmax calibrate`")
    min_relevance: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Of what is returned; by default the calibrated threshold"
    )
