"""Which queries may codecs learn from? Never those that are measured."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lexmax.types import Document

MOST = 1000
"""Queries that are learnt from at most: their moments change little after."""

# A stand-in must say something: shorter sentences are headings and initials.
_LEAST_WORDS = 5
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class TrainingQueries:
    """Texts, and a line that says what they are."""

    texts: tuple[str, ...]
    about: str


def from_queries(
    queries: Mapping[str, str], measured: Mapping[str, str], *, about: str, seed: int
) -> TrainingQueries:
    """At most 1,000 of the queries, drawn; none whose id or text is measured."""
    others = [text for query_id, text in queries.items() if query_id not in measured]
    return given_texts(others, measured, about=about, seed=seed)


def given_texts(
    texts: Sequence[str], measured: Mapping[str, str], *, about: str, seed: int
) -> TrainingQueries:
    """At most 1,000 of the texts, drawn; none that is measured, whatever its letters' case."""
    known = {_plain(text) for text in measured.values()}
    chosen = _drawn([text for text in texts if _plain(text) not in known], seed)
    return TrainingQueries(chosen, f"{len(chosen):,} {about}")


def from_documents(documents: Sequence[Document], *, seed: int) -> TrainingQueries:
    """A sentence of each of at most 1,000 documents, drawn: what stands in for queries."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    order: list[int] = rng.permutation(len(documents)).tolist()
    for i in order:
        sentences = [
            one
            for one in _SENTENCE_END.split(documents[i].text)
            if len(one.split()) >= _LEAST_WORDS
        ]
        if sentences:
            texts.append(sentences[int(rng.integers(len(sentences)))].strip())
        if len(texts) == MOST:
            break
    return TrainingQueries(
        tuple(texts), f"{len(texts):,} sentences of documents, which stand in for queries"
    )


def _drawn(texts: Sequence[str], seed: int) -> tuple[str, ...]:
    if len(texts) <= MOST:
        return tuple(texts)
    chosen = np.random.default_rng(seed).choice(len(texts), MOST, replace=False)
    places: list[int] = np.sort(chosen).tolist()
    return tuple(texts[i] for i in places)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
