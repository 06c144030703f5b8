"""What are the token vectors of a synthetic collection? Document i is the same in any chunk.

A model of contextual token vectors: `N_TYPES` token types, grouped in topics, drawn by Zipf's law;
a document has one to three topics and takes 60 % of its tokens from them; a token is its type plus
the document's own vector plus noise, of unit length. Coordinates have a decaying spectrum under a
random rotation, as those of BERT's token vectors have. A query is a perturbed document: ten of its
tokens moved a little, then mixtures of these, as a ColBERT query's [MASK] tokens are.

Draws come from numpy's PCG64, seeded by (seed, kind, block) for blocks of 100 texts that are always
drawn whole.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

N_TYPES, N_TOPICS = 20_000, 1_500
MEAN_TOKENS, SPREAD_TOKENS, LEAST_TOKENS, MOST_TOKENS = 72, 18, 16, 180
QUERY_TOKENS, CONTENT_TOKENS = 32, 10
BLOCK = 100

_ZIPF, _SPECTRUM = 1.05, 0.28
_TOPIC_IN_TYPE, _TOPIC_IN_DOCUMENT = 0.6, 0.5
_FROM_TOPICS, _CONTEXT, _NOISE = 0.6, 0.45, 0.65
_QUERY_NOISE, _MIXTURE_NOISE, _CONCENTRATION = 0.55, 0.35, 0.5
_TABLES, _DOCUMENT = 0, 1
TEST, TRAIN = 2, 3


@dataclass(frozen=True, slots=True)
class Model:
    """Which collection; documents do not depend on n_docs, queries do."""

    n_docs: int
    dim: int = 128
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Tables:
    """What all documents share.

    Attributes:
        spectrum: (dim, dim), turns white noise into the noise of tokens.
        topics: (N_TOPICS, dim) vectors.
        types: (N_TYPES, dim) unit vectors.
        by_topic: types in the order of their topics.
        starts: (N_TOPICS + 1,) first place of each topic in `by_topic`.
        zipf: (N_TYPES,) running sums of the types' shares.
    """

    spectrum: NDArray[np.float32]
    topics: NDArray[np.float32]
    types: NDArray[np.float32]
    by_topic: NDArray[np.int64]
    starts: NDArray[np.int64]
    zipf: NDArray[np.float64]


def _random(seed: int, kind: int, block: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, kind, block])))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    return vectors / lengths[:, None]


def _noise(
    random: np.random.Generator, n: int, spectrum: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Vectors (n, dim) of the tokens' covariance, of length 1 on average."""
    white = random.standard_normal((n, len(spectrum)), dtype=np.float32)
    noise: NDArray[np.float32] = white @ spectrum
    return noise


@lru_cache(maxsize=2)
def tables(seed: int, dim: int) -> Tables:
    """The shared part of a model."""
    random = _random(seed, _TABLES, 0)
    scale = np.arange(1, dim + 1) ** -_SPECTRUM
    scale /= np.sqrt((scale**2).sum())
    rotation = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    spectrum = (scale[:, None] * rotation).astype(np.float32)
    topics = _noise(random, N_TOPICS, spectrum)
    topic_of = random.integers(0, N_TOPICS, N_TYPES)
    types = _unit(_noise(random, N_TYPES, spectrum) + _TOPIC_IN_TYPE * topics[topic_of])
    by_topic = np.argsort(topic_of, kind="stable")
    starts = np.searchsorted(topic_of[by_topic], np.arange(N_TOPICS + 1))
    shares = 1.0 / np.arange(1, N_TYPES + 1) ** _ZIPF
    return Tables(spectrum, topics, types, by_topic, starts, np.cumsum(shares) / shares.sum())


def documents(model: Model, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Offsets (stop - start + 1,) and unit vectors of documents `start` to `stop`."""
    shared = tables(model.seed, model.dim)
    offsets, vectors = [np.zeros(1, np.int64)], []
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        bounds, found = _block(shared, model.seed, block)
        first, last = max(start - block * BLOCK, 0), min(stop - block * BLOCK, BLOCK)
        vectors.append(found[bounds[first] : bounds[last]])
        offsets.append(offsets[-1][-1] + bounds[first + 1 : last + 1] - bounds[first])
    return np.concatenate(offsets), np.concatenate(vectors)


def _block(shared: Tables, seed: int, block: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Offsets (BLOCK + 1,) and vectors of a block's documents."""
    random = _random(seed, _DOCUMENT, block)
    drawn = np.rint(random.normal(MEAN_TOKENS, SPREAD_TOKENS, BLOCK))
    lengths = np.clip(drawn, LEAST_TOKENS, MOST_TOKENS).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    document_of = np.repeat(np.arange(BLOCK), lengths)
    topics = random.integers(0, N_TOPICS, (BLOCK, 3))
    types = _types(random, shared, topics, document_of)
    own = _noise(random, BLOCK, shared.spectrum) + _TOPIC_IN_DOCUMENT * shared.topics[topics[:, 0]]
    noise = _noise(random, len(types), shared.spectrum)
    tokens = shared.types[types] + _CONTEXT * _unit(own)[document_of] + _NOISE * noise
    return offsets, _unit(tokens).astype(np.float16)


def _types(
    random: np.random.Generator,
    shared: Tables,
    topics: NDArray[np.int64],
    document_of: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The type of every token: from the document's topics, or from the whole language."""
    n = len(document_of)
    n_topics = random.integers(1, 4, len(topics))
    topic = topics[document_of, (random.random(n) * n_topics[document_of]).astype(np.int64)]
    size = shared.starts[topic + 1] - shared.starts[topic]
    # Squared, so that a topic has frequent and rare types too.
    place = shared.starts[topic] + (random.random(n) ** 2 * size).astype(np.int64)
    from_topic = shared.by_topic[np.minimum(place, N_TYPES - 1)]
    anywhere = np.minimum(np.searchsorted(shared.zipf, random.random(n)), N_TYPES - 1)
    return np.where((random.random(n) < _FROM_TOPICS) & (size > 0), from_topic, anywhere)


def queries(model: Model, kind: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Offsets and unit vectors of n queries of 32 tokens; another kind gives other queries."""
    rows = [_query(model, kind, number) for number in range(n)]
    return np.arange(n + 1, dtype=np.int64) * QUERY_TOKENS, np.concatenate(rows)


def _query(model: Model, kind: int, number: int) -> NDArray[np.float32]:
    random = _random(model.seed, kind, number)
    source = int(random.integers(0, model.n_docs))
    _, tokens = documents(model, source, source + 1)
    chosen = random.choice(len(tokens), min(CONTENT_TOKENS, len(tokens)), replace=False)
    spectrum = tables(model.seed, model.dim).spectrum
    noise = _QUERY_NOISE * _noise(random, len(chosen), spectrum)
    content = _unit(tokens[chosen].astype(np.float32) + noise)
    n_mixed = QUERY_TOKENS - len(content)
    shares = random.dirichlet(np.full(len(content), _CONCENTRATION), n_mixed).astype(np.float32)
    mixed = shares @ content + _MIXTURE_NOISE * _noise(random, n_mixed, spectrum)
    return np.concatenate([content, _unit(mixed)])
