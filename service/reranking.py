"""How well do these texts answer the query? A part of them at a time.

Between two parts the request may end, because its time is over or its client has left, and those
of other requests have their turn.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import MultiVectorEncoder
from lexmax.index.tokens import TokenStore
from lexmax.service.calls import Call
from lexmax.service.served_encoders import ServedEncoders, tokens_of

PART_TOKENS = 2048


def scores_by_pairs(
    query: str, texts: Sequence[str], *, spec: str, encoders: ServedEncoders, call: Call
) -> NDArray[np.float32]:
    """What a scorer of pairs gives each text, float32 (n_texts,).

    Raises:
        EncoderError: if there is no such scorer.
        Refusal: 504 if the call's time is over.
    """
    scorer = encoders.pairs(spec)
    return _scored(texts, call, lambda part: scorer.score(query, part), extra=tokens_of(query))


def scores_by_maxsim(
    query: str,
    texts: Sequence[str],
    *,
    encoder: MultiVectorEncoder,
    encoders: ServedEncoders,
    call: Call,
) -> NDArray[np.float32]:
    """MaxSim of the query with each text, float32 (n_texts,); -inf where either has no token.

    Raises:
        Refusal: 504 if the call's time is over.
    """
    tokens = encoders.query_tokens(encoder, query)
    if len(tokens) == 0:
        return np.full(len(texts), -np.inf, dtype=np.float32)

    def score(part: Sequence[str]) -> NDArray[np.float32]:
        return TokenStore.from_batch(encoders.document_tokens(encoder, part)).maxsim(tokens, None)

    return _scored(texts, call, score)


def parts(costs: Sequence[int], budget: int = PART_TOKENS) -> list[list[int]]:
    """Numbers of the texts of each part, the cheap ones first: rows of a batch are padded.

    A part is within the budget, or one text; each text is in one part.
    """
    found: list[list[int]] = []
    left = 0
    for i in sorted(range(len(costs)), key=costs.__getitem__):
        if not found or costs[i] > left:
            found.append([])
            left = budget
        found[-1].append(i)
        left -= costs[i]
    return found


def _scored(
    texts: Sequence[str],
    call: Call,
    score: Callable[[Sequence[str]], NDArray[np.float32]],
    *,
    extra: int = 0,
) -> NDArray[np.float32]:
    scores = np.empty(len(texts), dtype=np.float32)
    for part in parts([tokens_of(text) + extra for text in texts]):
        call.check()
        scores[part] = score([texts[i] for i in part])
    return scores
