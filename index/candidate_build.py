"""How are documents' token vectors made into a store of short vectors, in memory that is bounded?

Blocks of documents are encoded and projected on threads and coded in their order, so the number
of threads changes no byte.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.projection import Projection
from lexmax.index.stores.kinds import coder, complete, train
from lexmax.index.stores.spec import StoreSpec, chosen, fitted
from lexmax.index.stores.store import Arrays
from lexmax.index.threads import one_thread
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch, ranges

Made = TypeVar("Made")

logger = logging.getLogger(__name__)

MAX_DIM = 512
MAX_SAMPLE = 4096
# Documents whose tokens and encodings a thread has in memory at a time.
_BLOCK = 128
# Documents of the sample whose tokens cells are trained on.
_CELL_DOCS = 512


@dataclass(frozen=True, slots=True)
class CandidatePlan:
    """What candidates are to be built with.

    Attributes:
        parameters: of the encoding of token vectors.
        store: how encodings are kept; None leaves it to the number of documents.
        dim: coordinates that encodings are projected to, at most; see `CandidateIndex.build`.
        queries: a sample, for whose products with documents the projection is then made.
        seed: of the sample, the projection and codebooks.
        threads: that encode; they change no byte.
    """

    parameters: FdeParameters
    store: StoreSpec | None = None
    dim: int | None = None
    queries: TokenBatch | None = None
    seed: int = 42
    threads: int = 1


@dataclass(frozen=True, slots=True)
class CandidateParts:
    """What was built: the store's spec and arrays, and what its vectors come from."""

    encoder: FdeEncoder
    projection: Projection
    spec: StoreSpec
    arrays: Arrays


def build_candidates(
    store: TokenStore, plan: CandidatePlan, progress: Callable[[int], None] | None
) -> CandidateParts:
    """Fit on a sample of documents and encode all; `progress` is told how many are.

    Raises:
        ShapeError: if the store is empty or the parameters are for another dim.
    """
    if store.n_docs == 0:
        raise ShapeError("the store has no documents; expected at least one to choose from")
    sample = _sample(store.n_docs, plan.seed)
    blocks = _Blocks(store, _encoder(store, plan.parameters, sample), plan.threads, progress)
    with one_thread():
        encodings = blocks.encodings(sample)
        dim = min(plan.dim or MAX_DIM, *encodings.shape)
        spec = _spec(plan.store, store.n_docs, dim)
        queries = None if plan.queries is None else blocks.encoder.queries(plan.queries)
        projection = Projection.fit(
            encodings, dim - dim % spec.multiple, seed=plan.seed, queries=queries
        )
        vectors = projection.apply(encodings)
        del encodings
        trained = train(spec, vectors, seed=plan.seed)
        code = coder(spec, trained)
        rows = _Rows(store.n_docs)
        for start, stop in ranges(len(sample), _BLOCK):
            rows.put(sample[start:stop], code(vectors[start:stop]))
        for ordinals, projected in blocks.projected(_others(store.n_docs, sample), projection):
            rows.put(ordinals, code(projected))
        arrays = complete(spec, trained | rows.arrays)
    return CandidateParts(blocks.encoder, projection, spec, arrays)


class _Blocks:
    """Encodes documents block by block, and tells how many are done."""

    def __init__(
        self,
        store: TokenStore,
        encoder: FdeEncoder,
        threads: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.encoder = encoder
        self._store, self._threads, self._progress = store, threads, progress
        self._done = 0

    def encodings(self, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """(len(ordinals), encoding_dim)."""
        shape = (len(ordinals), self.encoder.parameters.encoding_dim)
        encodings = np.empty(shape, dtype=np.float32)
        start = 0
        for block in self._each(self._encoded, _blocks(ordinals)):
            encodings[start : start + len(block)] = block
            start += len(block)
            self._tell(len(block))
        return encodings

    def projected(
        self, blocks: Iterable[NDArray[np.int64]], projection: Projection
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Ordinals of a block and its projected encodings (len(ordinals), dim), in order."""

        def work(ordinals: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            return ordinals, projection.apply(self._encoded(ordinals))

        for ordinals, vectors in self._each(work, blocks):
            yield ordinals, vectors
            self._tell(len(ordinals))

    def _encoded(self, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.encoder.documents(self._store.decode(ordinals))

    def _each(
        self,
        work: Callable[[NDArray[np.int64]], Made],
        blocks: Iterable[NDArray[np.int64]],
    ) -> Iterator[Made]:
        if self._threads < 2:
            yield from map(work, blocks)
            return
        waiting: deque[Future[Made]] = deque()
        with ThreadPoolExecutor(self._threads) as pool:
            for block in blocks:
                waiting.append(pool.submit(work, block))
                # One more than there are threads, so that none waits while this one codes.
                if len(waiting) > self._threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _tell(self, n: int) -> None:
        self._done += n
        if self._progress is not None:
            self._progress(self._done)


class _Rows:
    """Arrays with a row a document, filled in any order."""

    def __init__(self, n_docs: int) -> None:
        self._n_docs = n_docs
        self.arrays: Arrays = {}

    def put(self, ordinals: NDArray[np.int64], rows: Arrays) -> None:
        for name, block in rows.items():
            if name not in self.arrays:
                self.arrays[name] = np.empty((self._n_docs, *block.shape[1:]), block.dtype)
            self.arrays[name][ordinals] = block


def _encoder(store: TokenStore, parameters: FdeParameters, sample: NDArray[np.int64]) -> FdeEncoder:
    if parameters.cells == "simhash":
        return FdeEncoder(parameters)
    has_tokens = sample[store.offsets[sample + 1] > store.offsets[sample]]
    if len(has_tokens) == 0:
        logger.warning("no document of the sample has tokens; found no cells, using hyperplanes")
        return FdeEncoder(replace(parameters, cells="simhash"))
    return FdeEncoder.fitted(parameters, _cell_tokens(store, has_tokens))


def _cell_tokens(store: TokenStore, sample: NDArray[np.int64]) -> TokenBatch:
    spread = np.unique(np.linspace(0, len(sample) - 1, _CELL_DOCS).astype(np.int64))
    return store.decode(sample[spread])


def _spec(wanted: StoreSpec | None, n_docs: int, dim: int) -> StoreSpec:
    spec = fitted(wanted or chosen(n_docs, dim), n_docs, dim)
    if wanted is not None and spec.name != wanted.name:
        logger.warning(
            "candidate store %s: found %d coordinates, expected %d or more; keeping %s",
            wanted.text,
            dim,
            wanted.multiple,
            spec.text,
        )
    if spec.sub_dim and n_docs < 2**spec.bits:
        logger.warning(
            "candidate store %s: found %d documents for codebooks of %d; smaller ones are used",
            spec.text,
            n_docs,
            2**spec.bits,
        )
    return spec


def _sample(n_docs: int, seed: int) -> NDArray[np.int64]:
    if n_docs <= MAX_SAMPLE:
        return np.arange(n_docs)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_docs, MAX_SAMPLE, replace=False))


def _others(n_docs: int, sample: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return _blocks(np.setdiff1d(np.arange(n_docs), sample, assume_unique=True))


def _blocks(ordinals: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (ordinals[start:stop] for start, stop in ranges(len(ordinals), _BLOCK))
