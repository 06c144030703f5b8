"""How are documents with a vector a token stored, and searched by MaxSim?"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.compression.codecs.codec import Arrays, Codec, Fitted, Sample, rows_of
from lexmax.eval.compression.scan import LEXMAX, NUMPY, Scan, TokenVectors, best
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.threads import one_thread
from lexmax.index.token_codec import Codec as StoredCodec
from lexmax.index.tokens import TokenStore
from lexmax.types import Hits, TokenBatch

# Tokens that are decoded at a time: with more, their products with all queries leave the cache.
_BLOCK_TOKENS = 2048
# Tokens that codecs are fitted to.
_SAMPLE = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class DecodedTokens:
    """Codes that numpy decodes, block by block, for exact MaxSim in float32."""

    codec: Fitted
    stored: Arrays
    offsets: NDArray[np.int64]
    scanned_by: str = field(default=NUMPY, init=False)

    @property
    def fixed(self) -> Arrays:
        """As `Scan`."""
        return self.codec.fixed

    def search(self, queries: TokenBatch, k: int) -> Hits:
        """As `Scan`; a query without tokens has no hits."""
        n_docs, lengths = len(self.offsets) - 1, np.diff(self.offsets)
        scores = np.full((len(queries), n_docs), -np.inf, np.float32)
        asked = np.flatnonzero(np.diff(queries.offsets))
        turned = self.codec.queries(queries.vectors)
        for start, stop in document_blocks(self.offsets, _BLOCK_TOKENS):
            some = start + np.flatnonzero(lengths[start:stop])
            if len(some) == 0 or len(asked) == 0:
                continue
            first, last = int(self.offsets[start]), int(self.offsets[stop])
            products = self.codec.decode(rows_of(self.stored, first, last)) @ turned.T
            # Token by token, so that neighbours in memory are compared together.
            most = np.maximum.reduceat(products, self.offsets[some] - first, axis=0)
            sums = np.add.reduceat(most, queries.offsets[asked], axis=1)
            scores[np.ix_(asked, some)] = sums.T
        return best(scores, lengths > 0, k)


@dataclass(frozen=True, slots=True, eq=False)
class TokenScan:
    """The token store of collections, scored whole by the index's kernels."""

    store: TokenStore
    scanned_by: str = field(default=LEXMAX, init=False)

    @property
    def stored(self) -> Arrays:
        """As `Scan`."""
        arrays: Arrays = {"codes": self.store.codes}
        if self.store.scales is not None:
            arrays["scales"] = self.store.scales
        if self.store.residuals is not None:
            arrays["assigned"] = self.store.residuals.assigned
        return arrays

    @property
    def fixed(self) -> Arrays:
        """As `Scan`."""
        if self.store.residuals is None:
            return {}
        codec = self.store.residuals.codec
        halves = codec.centroids.astype(np.float16)
        return {"centroids": halves, "levels": codec.levels, "widths": codec.widths}

    def search(self, queries: TokenBatch, k: int) -> Hits:
        """As `Scan`."""
        return self.store.best_of_batch(queries, None, min(k, self.store.n_docs))


@dataclass(frozen=True, slots=True, eq=False)
class RescoredTokens:
    """The best `depth` of a scan, scored again by tokens in 8 bits, which are stored beside."""

    first: Scan[TokenBatch]
    second: TokenStore
    depth: int

    @property
    def stored(self) -> Arrays:
        """As `Scan`."""
        beside = TokenScan(self.second).stored
        return self.first.stored | {f"again_{name}": array for name, array in beside.items()}

    @property
    def fixed(self) -> Arrays:
        """As `Scan`."""
        return self.first.fixed

    @property
    def scanned_by(self) -> str:
        """As `Scan`: whose loops read the codes that all documents have."""
        return self.first.scanned_by

    def search(self, queries: TokenBatch, k: int) -> Hits:
        """As `Scan`."""
        found = self.first.search(queries, max(k, self.depth))
        candidates = [found.row(i)[0] for i in range(len(queries))]
        return self.second.best_of_batch(queries, candidates, min(k, self.second.n_docs))


def document_blocks(offsets: NDArray[np.int64], n_tokens: int) -> list[tuple[int, int]]:
    """(start, stop) of documents that have about so many tokens together, one document at least."""
    n_docs = len(offsets) - 1
    blocks: list[tuple[int, int]] = []
    start = 0
    while start < n_docs:
        last = int(offsets[start]) + n_tokens
        end = int(np.searchsorted(offsets, last, "right")) - 1
        stop = min(max(start + 1, end), n_docs)
        blocks.append((start, stop))
        start = stop
    return blocks


def decoded_tokens(vectors: TokenVectors, seed: int, codec: Codec) -> DecodedTokens:
    """Tokens in a codec that was fitted to some of them and to those of training queries."""
    rows = vectors.documents.vectors
    with one_thread():
        made = codec.fit(Sample(sample_rows(rows), vectors.training.vectors, seed))
        parts = [
            made.encode(rows[start : start + _SAMPLE]) for start in range(0, len(rows), _SAMPLE)
        ] or [made.encode(rows)]
    stored = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return DecodedTokens(made, stored, vectors.documents.offsets)


def sample_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most 65,536 of the rows, evenly spread."""
    stride = -(-max(1, len(rows)) // _SAMPLE)
    return np.ascontiguousarray(rows[::stride])


def token_store(vectors: TokenVectors, seed: int, codec: StoredCodec) -> TokenScan:
    """Tokens as `lexmax index --codec` stores them."""
    if codec in ("int8", "fp16"):
        return TokenScan(TokenStore.from_batch(vectors.documents, codec=codec))
    # As index/multivector_build.py does: from 8 bits, with the centroids of the centroid index.
    plain = TokenStore.from_batch(vectors.documents, codec="int8")
    near = CentroidIndex.build(plain, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        near.save(Path(folder))
        recoded = TokenStore.recoded(
            Path(folder),
            plain,
            codec=codec,
            centroids=near.centroids.vectors.astype(np.float32),
            assigned=near.codes,
        )
        # Its files are mapped and go with the folder.
        return TokenScan(recoded.rows(np.arange(recoded.n_docs)))


def rescored_tokens(vectors: TokenVectors, first: Scan[TokenBatch], depth: int) -> RescoredTokens:
    """A scan whose best are scored again by the same tokens in 8 bits."""
    return RescoredTokens(first, TokenStore.from_batch(vectors.documents), depth)
