"""How are vectors written that come with a document or a query?"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lexmax.errors import ShapeError
from lexmax.vectors import MAX_DIM, Query, Vectors

MAX_TERMS = 10_000
MAX_TOKENS = 8_192

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Vector = Annotated[list[_Number], Field(max_length=MAX_DIM)]


class _Given(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TermIdWeights(_Given):
    """Weights of terms by their ids, as a collection's own sparse encoder numbers them."""

    indices: list[Annotated[int, Field(ge=0, lt=1 << 32)]] = Field(max_length=MAX_TERMS)
    values: list[_Number] = Field(max_length=MAX_TERMS)


class VectorsSpec(_Given):
    """Vectors in place of those that encoders would make of the text; each may be left out."""

    sparse: TermIdWeights | Annotated[dict[str, _Number], Field(max_length=MAX_TERMS)] | None = (
        Field(
            default=None,
            description="Weights of terms, by name or by id",
            examples=[{"sail": 1.5, "wind": 0.25}, {"indices": [2054], "values": [1.5]}],
        )
    )
    tokens: Annotated[list[_Vector], Field(max_length=MAX_TOKENS)] | None = Field(
        default=None, description="One vector a token"
    )
    pooled: _Vector | None = Field(default=None, description="One vector of the whole text")

    def read(self) -> Vectors:
        """The vectors as collections take them.

        Raises:
            ShapeError: if numbers do not fit together.
        """
        return Vectors.of(self.model_dump(exclude_none=True))


def asked(text: str, vectors: VectorsSpec | None) -> str | Query:
    """The query that a request gives by a text, by vectors, or by both.

    Raises:
        ShapeError: if the vectors' numbers do not fit together.
    """
    return text if vectors is None else Query(text, _named("the query", vectors))


def _named(what: str, vectors: VectorsSpec) -> Vectors:
    try:
        return vectors.read()
    except ShapeError as error:
        raise ShapeError(f"{what} has vectors that cannot be used: {error}") from error


def given(doc_id: str, vectors: VectorsSpec | None) -> Vectors | None:
    """The vectors that came with a document.

    Raises:
        ShapeError: if their numbers do not fit together.
    """
    return None if vectors is None else _named(f"document {doc_id!r}", vectors)
