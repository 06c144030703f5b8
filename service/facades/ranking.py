"""How relevant is each text, from 0 to 1? What all façades that rerank answer from."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import QueryError
from lexmax.service.encoding import n_tokens_of
from lexmax.service.facades.lenient import TextOrFields, Usage
from lexmax.service.limits import check_count, check_query
from lexmax.service.models import Model, asked_model
from lexmax.service.parts import Service
from lexmax.service.reranking import scores_by_maxsim, scores_by_pairs


@dataclass(frozen=True, slots=True)
class Ranked:
    """One text of a request.

    Attributes:
        index: Its place in the request, from 0.
        text: What it says.
        score: As the model gives it.
        relevance: The same between 0 and 1.
    """

    index: int
    text: str
    score: float
    relevance: float


@dataclass(frozen=True, slots=True)
class Answer:
    """All texts of a request, best first, equals in the request's order; and who said so."""

    model: str
    best: tuple[Ranked, ...]
    n_tokens: int

    def top(self, n: int | None) -> tuple[Ranked, ...]:
        """The first n of them, or all."""
        return self.best[:n]

    @property
    def usage(self) -> Usage:
        """About how many tokens were read."""
        return Usage(prompt_tokens=self.n_tokens, total_tokens=self.n_tokens)


async def ranking(query: str, texts: Sequence[str], model: str | None, service: Service) -> Answer:
    """The texts in their order for the query.

    Raises:
        QueryError: if the query is blank.
        Refusal: if there are too many texts, no such model, no room or no time left.
    """
    settings = service.settings
    check_query(query, settings)
    check_count("documents", len(texts), settings.max_rerank_documents, unit="texts")
    found = asked_model(model, ["pairs", "multivector"], settings)
    work = partial(_answer, query, texts, found, service)
    return await service.encoding.run(work, service.call, watched=True)


def text_of(document: TextOrFields, fields: Sequence[str] | None = None) -> str:
    """What a document says: itself, its `text`, or those fields of it, one a line.

    Raises:
        QueryError: if it has none of them, or they are no texts.
    """
    if isinstance(document, str):
        return document
    said = [document[name] for name in fields or ["text"] if name in document]
    texts = [text for text in said if isinstance(text, str)]
    if not texts or len(texts) < len(said):
        raise QueryError(
            "documents: found one without a text; expected texts, or mappings with a text under "
            "the name text, or under one of rank_fields; correct it"
        )
    return "\n".join(texts)


def _answer(query: str, texts: Sequence[str], model: Model, service: Service) -> Answer:
    start = time.perf_counter()
    scores, relevances = _scores(query, texts, model, service)
    service.took("rerank", {"rerank_ms": (time.perf_counter() - start) * 1e3})
    best = tuple(
        Ranked(int(i), texts[int(i)], float(scores[i]), float(relevances[i]))
        for i in np.argsort(-scores, kind="stable")
    )
    return Answer(model.name, best, n_tokens_of([query, *texts]))


def _scores(
    query: str, texts: Sequence[str], model: Model, service: Service
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    encoders, call = service.encoders, service.call
    if model.kind == "pairs":
        found = scores_by_pairs(query, texts, spec=model.spec, encoders=encoders, call=call)
        return found, relevance_of_pairs(found)
    encoder = encoders.multivector(model.spec)
    found = scores_by_maxsim(query, texts, encoder=encoder, encoders=encoders, call=call)
    most = float(np.linalg.norm(encoders.query_tokens(encoder, query), axis=1).sum())
    return without_infinity(found), relevance_of_maxsim(found, most)


def relevance_of_pairs(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores between 0 and 1 as they are; where one is not, all are logits: their sigmoid."""
    if ((scores >= 0) & (scores <= 1)).all():
        return scores
    # 1 / (1 + exp(-x)), which overflows for logits far below 0.
    return ((1 + np.tanh(scores.astype(np.float64) / 2)) / 2).astype(np.float32)


def relevance_of_maxsim(scores: NDArray[np.float32], most: float) -> NDArray[np.float32]:
    """The share of the highest score that unit vectors can reach; 0 where there is no token."""
    if most <= 0:
        return np.zeros_like(scores)
    found: NDArray[np.float32] = np.clip(without_infinity(scores) / np.float32(most), 0, 1)
    return found


def without_infinity(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores that JSON can hold: that of a text without tokens is the lowest of all, or 0."""
    there = scores[np.isfinite(scores)]
    lowest = np.float32(min(0.0, there.min())) if len(there) else np.float32(0)
    found: NDArray[np.float32] = np.where(np.isfinite(scores), scores, lowest)
    return found
