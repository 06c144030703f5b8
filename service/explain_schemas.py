"""What goes in and comes out, as JSON, when a search is explained?

Replies are the very values of `lexmax.explaining`, so that Python, the command line and HTTP give
the same data under the same names.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lexmax.explaining.explanation import DocumentExplanation, FeedbackExplanation
from lexmax.service.schemas import SearchReply, SearchRequest


class ExplainRequest(SearchRequest):
    """A search as POST /v1/collections/{name}/search takes it, and perhaps one document."""

    doc_id: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Explain this document only: why it is a hit, or where it was lost",
        examples=["guide/1"],
    )


class ExplainReply(BaseModel):
    """The result of the search, and for each hit why it is there."""

    model_config = ConfigDict(frozen=True)

    result: SearchReply
    documents: tuple[DocumentExplanation, ...] = Field(
        description="All hits in their order, or the one document that was asked for"
    )
    feedback: FeedbackExplanation | None = Field(description="How feedback changed the query")
