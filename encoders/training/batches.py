"""Which batch comes when, and what is in it?

Everything here is a function of the batch's number and the seed, so that training goes on after
a stop with the very batches that it would have had.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.curriculum import Curriculum
from lexmax.encoders.training.example import Candidate, Example
from lexmax.encoders.training.order import Order, key_of, shuffled
from lexmax.encoders.training.teacher import scaled
from lexmax.errors import TrainingError

_NEGATIVES, _POSITIVE, _FILL = 1, 2, 3


class ExampleSource(Protocol):
    """Gives examples by source and number."""

    @property
    def sizes(self) -> Sequence[int]:
        """Examples of each source."""
        ...

    def example(self, source: int, number: int) -> Example:
        """One of them."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which negatives of an example stand in a batch.

    Attributes:
        per_query: So many; positives of other queries fill up.
        first: The first ones of the example, instead of others every time.
        keep_below: Negatives that a teacher scores above this share of the positive are left out.
    """

    per_query: int = 0
    first: bool = False
    keep_below: float | None = None

    def chosen(self, example: Example, positive: Candidate, key: int) -> list[Candidate]:
        """At most `per_query` negatives."""
        allowed = [one for one in example.negatives if self._is_below(one, positive)]
        n = min(self.per_query, len(allowed))
        if self.first:
            return allowed[:n]
        return [allowed[shuffled(i, len(allowed), key=key)] for i in range(n)]

    def _is_below(self, one: Candidate, positive: Candidate) -> bool:
        return self.keep_below is None or not too_near(one.score, positive.score, self.keep_below)


def too_near(negative: float, positive: float, share: float) -> bool:
    """Whether a negative's score is above `share` of the positive's (NV-Retriever).

    With a positive's score below 0 the bound lies as far below it; NaN is never too near.
    """
    return negative > positive - (1 - share) * abs(positive)


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of a run, by number.

    Attributes:
        examples: Where examples are.
        order: Which one comes when.
        batch_size: Queries a batch.
        selection: Of negatives.
        scaling: Of a teacher's scores, see `teacher.scaled`.
        factor: Multiplies a teacher's scores after that.
        curriculum: Weights of samples, or None.
        seed: Another seed, other negatives.
    """

    examples: ExampleSource
    order: Order
    batch_size: int
    selection: Selection = Selection()
    scaling: str = "none"
    factor: float = 1.0
    curriculum: Curriculum | None = None
    seed: int = 0

    def at(self, number: int, *, step: int) -> TrainingBatch:
        """Batch `number`, from 0 on through all epochs, with the weights of an optimiser step."""
        first = number * self.batch_size
        samples = [self._sample(draw, step) for draw in range(first, first + self.batch_size)]
        return _joined(_filled(samples, self.selection.per_query, key_of(self.seed, first, _FILL)))

    def _sample(self, draw: int, step: int) -> "_Sample":
        example = self.examples.example(*self.order.at(draw))
        pick = shuffled(0, len(example.positives), key=key_of(self.seed, draw, _POSITIVE))
        positive = example.positives[pick]
        key = key_of(self.seed, draw, _NEGATIVES)
        negatives = self.selection.chosen(example, positive, key)
        taught = tuple(self._taught(example, [positive, *negatives]))
        if self.curriculum is None:
            return _Sample(example.query, taught)
        known = (*example.positives, *example.negatives)
        weight = self.curriculum.weight(positive, negatives, known, step=step)
        of_texts = self._text_weights(self.curriculum, [positive, *negatives], known, step)
        return _Sample(example.query, taught, weight, of_texts)

    @staticmethod
    def _text_weights(
        rules: Curriculum, documents: list[Candidate], known: Sequence[Candidate], step: int
    ) -> "_TextWeights | None":
        if rules.form != "pointwise":
            return None
        # The last one stands for documents that fill up, which the ranking does not have.
        *found, other = rules.text_weights([*documents, Candidate("")], known, step=step)
        texts = (one.text for one in documents)
        return _TextWeights(dict(zip(texts, found, strict=True)), other)

    def _taught(self, example: Example, chosen: Sequence[Candidate]) -> Iterator[Candidate]:
        known = [one.score for one in (*example.positives, *example.negatives)]
        for one in chosen:
            yield replace(one, score=scaled(one.score, known, self.scaling) * self.factor)


@dataclass(frozen=True, slots=True)
class _TextWeights:
    known: Mapping[str, float]
    other: float

    def of(self, documents: Sequence[Candidate]) -> list[float]:
        return [self.known.get(one.text, self.other) for one in documents]


@dataclass(frozen=True, slots=True)
class _Sample:
    query: str
    documents: tuple[Candidate, ...]
    weight: float = 1.0
    text_weights: _TextWeights | None = None


def _filled(samples: Sequence[_Sample], per_query: int, key: int) -> Iterator[_Sample]:
    """Samples of equal width: positives of other queries stand where negatives are missing."""
    positives = list(dict.fromkeys(sample.documents[0].text for sample in samples))
    for number, sample in enumerate(samples):
        missing = per_query + 1 - len(sample.documents)
        if missing == 0:
            yield sample
            continue
        own = {one.text for one in sample.documents}
        others = [text for text in positives if text not in own]
        order = (shuffled(i, len(others), key=key_of(key, number)) for i in range(len(others)))
        fill = [Candidate(others[i]) for i, _ in zip(order, range(missing), strict=False)]
        yield replace(sample, documents=_repeated(sample.documents + tuple(fill), per_query + 1))


def _repeated(documents: tuple[Candidate, ...], width: int) -> tuple[Candidate, ...]:
    """The negatives again, where even the whole batch has too few others."""
    if not (again := documents[1:]):
        raise TrainingError(
            f"a batch has no document to stand against {documents[0].text!r:.60}; expected "
            "negatives in the examples, or other positives in the batch; raise "
            "optimiser.batch_size, or set negatives.per_query to 0"
        )
    copies = math.ceil((width - len(documents)) / len(again))
    return (documents + again * max(copies, 0))[:width]


def _joined(samples: Iterator[_Sample]) -> TrainingBatch:
    rows: dict[str, int] = {}
    found = list(samples)
    groups = [[rows.setdefault(one.text, len(rows)) for one in s.documents] for s in found]
    scores = np.array([[one.score for one in s.documents] for s in found], dtype=np.float32)
    taught = bool(np.isfinite(scores).any())
    return TrainingBatch(
        [sample.query for sample in found],
        list(rows),
        torch.tensor(groups, dtype=torch.int64),
        torch.as_tensor(scores) if taught else None,
        torch.tensor([sample.weight for sample in found], dtype=torch.float32),
        _text_weights(found),
    )


def _text_weights(samples: Sequence[_Sample]) -> torch.Tensor | None:
    rows = [s.text_weights.of(s.documents) for s in samples if s.text_weights is not None]
    return torch.tensor(rows, dtype=torch.float32) if rows else None
