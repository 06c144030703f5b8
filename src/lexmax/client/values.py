"""What does a service answer, as values?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.results import SearchResult
from lexmax.types import SparseBatch, TokenBatch


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing documents did; all of them are on the service's disk and searchable."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(
            self.added + other.added,
            self.replaced + other.replaced,
            self.unchanged + other.unchanged,
        )


@dataclass(frozen=True, slots=True)
class CollectionDescription:
    """What a collection holds and can do.

    Attributes:
        name: Of the collection.
        n_docs: Documents.
        n_pending: Of them, those that are in no segment yet; they are found all the same.
        generation: Grows with every change.
        encoders: Specs by signal.
        fields: Types of those that filters can name.
        pipelines: That searches can name.
        bytes: On the service's disk.
        more: All that the service said.
    """

    name: str
    n_docs: int
    n_pending: int
    generation: int
    encoders: Mapping[str, str]
    fields: Mapping[str, str]
    pipelines: Sequence[str]
    bytes: int
    more: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExplainedSearch:
    """A result, and why it is so.

    Attributes:
        result: The result.
        documents: What the search made of each hit, or of the one document that was asked for;
            names are those of docs/explain.md.
        feedback: How feedback changed the query; None without.
    """

    result: SearchResult
    documents: Sequence[Mapping[str, Any]]
    feedback: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts in numbers, a row a text; None for what was not asked for.

    `pooled` is float32 (n_texts, dim).
    """

    sparse: SparseBatch | None
    multivector: TokenBatch | None
    pooled: NDArray[np.float32] | None
    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RerankedText:
    """One of the texts that were ordered.

    Attributes:
        index: Its place among them, from 0.
        text: What it says.
        score: Bigger is better; None where the text has no tokens.
    """

    index: int
    text: str
    score: float | None
