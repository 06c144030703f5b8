"""Which documents are found at first, and by what?"""

from functools import lru_cache
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from lexmax.errors import QueryError
from lexmax.index.engines import SparseEngine, parse_engine
from lexmax.index.multivector_engines import MultiVectorEngine, parse_multivector_engine
from lexmax.stages.values import Conditions, Depth, Stage


@lru_cache(maxsize=256)
def sparse_engine(text: str) -> SparseEngine:
    """The engine of this text; raises QueryError if there is none."""
    return parse_engine(text)


@lru_cache(maxsize=256)
def multivector_engine(text: str) -> MultiVectorEngine:
    """The engine of this text; raises QueryError if there is none."""
    return parse_multivector_engine(text)


def _known_sparse(text: str) -> str:
    try:
        return sparse_engine(text).spec
    except QueryError as error:
        raise ValueError(str(error)) from error


def _known_multivector(text: str) -> str:
    try:
        return multivector_engine(text).spec
    except QueryError as error:
        raise ValueError(str(error)) from error


class _Retrieve(Stage):
    depth: Depth | None = Field(
        default=None,
        description=(
            "Documents that are found in the same way however many the query asks for, by default "
            "as many as later stages look at. Where several stages are fused: the documents of "
            "this ranking that are, by default 200"
        ),
    )
    encoder: str | None = Field(
        default=None, description="The only encoder that this stage is meant for"
    )
    filter: Conditions | None = Field(default=None, description="Of this stage only")


class SparseRetrieve(_Retrieve):
    """Find documents by the dot product of term weights."""

    signal: Literal["sparse"] = "sparse"
    engine: Annotated[str, AfterValidator(_known_sparse)] = Field(
        default="exact", description="How the index is searched: lexmax.index.engines"
    )
    backend: str | None = Field(
        default=None, description="Another system over the same weights, such as lucene"
    )

    @property
    def is_exact(self) -> bool:
        """Whether a search for more documents begins with those of a search for fewer."""
        return self.engine == "exact" and self.backend is None


class MultiVectorRetrieve(_Retrieve):
    """Find documents by MaxSim."""

    signal: Literal["multivector"] = "multivector"
    engine: Annotated[str, AfterValidator(_known_multivector)] = Field(
        default="auto", description="How candidates are found: lexmax.index.multivector_engines"
    )

    @property
    def parsed(self) -> MultiVectorEngine:
        """The engine as a value."""
        return multivector_engine(self.engine)

    @property
    def is_exact(self) -> bool:
        """Whether a search for more documents begins with those of a search for fewer."""
        return self.engine == "exact"


class PooledRetrieve(_Retrieve):
    """Find documents by the product of one vector a text; every document is looked at."""

    signal: Literal["pooled"] = "pooled"

    @property
    def is_exact(self) -> bool:
        """Whether a search for more documents begins with those of a search for fewer."""
        return True


Retrieve: TypeAlias = Annotated[
    SparseRetrieve | MultiVectorRetrieve | PooledRetrieve, Field(discriminator="signal")
]
