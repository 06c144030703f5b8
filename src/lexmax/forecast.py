"""How long will indexing take, and how large will the index be? Measured on a few documents.

The corpus is read once and some of its documents, evenly spread, are encoded and indexed in
memory. What grows with the documents is multiplied; the rest is counted once.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lexmax.acceptance import Acceptance
from lexmax.building import SEGMENT_DOCS, Watcher
from lexmax.corpus import read_documents, total_bytes
from lexmax.creating import IndexChoice
from lexmax.encoders import DenseEncoder, Encoders, MultiVectorEncoder, SparseEncoder
from lexmax.encoders.given import GivenReader
from lexmax.encoders.inputs import InputPart, Inputs
from lexmax.encoders.shared_pass import Encoded
from lexmax.errors import CorpusError
from lexmax.index.centroids import suitable_number
from lexmax.index.multivector_build import MultiVectorPlan, build_multivector
from lexmax.index.pooled import check_pooled_codec
from lexmax.index.sparse import SparseIndex
from lexmax.index.token_codec import Codec
from lexmax.index.tokens import TokenStore
from lexmax.passages import Rows
from lexmax.pipeline import CollectionEncoders
from lexmax.types import Document, SparseBatch, TokenBatch
from lexmax.vectors import GivenRow

_SAMPLE_DOCS = 64
# Documents that the sample's token vectors are repeated to: fixed costs then weigh little.
_BUILT_DOCS = 2048


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an indexing job will take; seconds on this machine, as it is now.

    `tokens` a document; 0 without token vectors. `parts` are bytes on disk by what they hold.
    """

    n_docs: int
    n_sampled: int
    tokens: float
    encode_seconds: float
    build_seconds: float
    parts: dict[str, int]

    @property
    def n_bytes(self) -> int:
        """Bytes of all parts."""
        return sum(self.parts.values())


def forecast(
    sources: Sequence[str],
    *,
    choice: IndexChoice | None,
    watcher: Watcher,
    encoders: Encoders | None = None,
) -> Forecast:
    """Predict the job that `index_corpus` would do; nothing is written.

    Raises:
        CorpusError: if a source cannot be read, or holds no document.
        KeyboardInterrupt: if the watcher stopped it.
    """
    wanted, registry = choice or IndexChoice(), encoders or Encoders()
    reader = CollectionEncoders(registry, wanted.specs).given
    codec = check_pooled_codec(wanted.pooled_codec or "int8")
    acceptance = Acceptance({}, reader, wanted.passages is not None, codec)
    n_docs, text_bytes, sample = _sampled(sources, watcher, acceptance)
    texts = Rows.of(sample, wanted.passages).texts
    n_rows = round(n_docs * len(texts) / len(sample))
    by_terms = None if wanted.sparse is None else registry.sparse(wanted.sparse).fitted(texts)
    by_tokens = None if wanted.multivector is None else registry.multivector(wanted.multivector)
    by_text = None if wanted.pooled is None else registry.dense(wanted.pooled)
    chosen = _Chosen(by_terms, by_tokens, by_text)
    given = chosen.given(sample) if wanted.passages is None else ()
    inputs = Inputs(texts, given)
    # Weights are read by the first call, once and not for every document.
    chosen.encode(inputs.take(range(min(2, len(texts)))))
    began = time.perf_counter()
    encoded = chosen.encode(inputs)
    sparse, tokens = encoded.sparse, encoded.tokens
    encode = time.perf_counter() - began
    share = n_docs / len(sample)
    parts = {"documents": int(text_bytes * 1.3 + _bytes_of(given) * share)}
    build = 0.0
    if sparse is not None:
        seconds, parts["sparse"] = _sparse_cost(sparse, share)
        build += seconds
    if tokens is not None:
        build += _tokens_seconds(tokens, wanted.plan) * n_rows
        parts |= _tokens_bytes(tokens, wanted.plan, n_rows)
    if by_text is not None:
        parts["pooled vectors"] = n_rows * _pooled_bytes(by_text.dim, wanted.pooled_codec)
    mean = 0.0 if tokens is None else len(tokens.vectors) / len(sample)
    return Forecast(n_docs, len(sample), mean, encode * share, build, parts)


@dataclass(frozen=True, slots=True)
class _Chosen:
    sparse: SparseEncoder | None
    multivector: MultiVectorEncoder | None
    pooled: DenseEncoder | None

    def given(self, sample: Sequence[Document]) -> Sequence[GivenRow]:
        """The vectors that came with these documents; () where none has any."""
        if all(document.vectors is None for document in sample):
            return ()
        reader = GivenReader(self)
        return [reader.row(document.vectors) for document in sample]

    def encode(self, inputs: Inputs) -> Encoded:
        return InputPart(
            inputs, sparse=self.sparse, multivector=self.multivector, pooled=self.pooled
        ).encode()


def _bytes_of(given: Sequence[GivenRow]) -> int:
    """As the catalog keeps them."""
    n_bytes = 0
    for row in given:
        n_bytes += 0 if row.terms is None else 8 * len(row.terms[0])
        n_bytes += 0 if row.tokens is None else 2 * row.tokens.size
        n_bytes += 0 if row.pooled is None else 4 * row.pooled.size
    return n_bytes


def _sampled(
    sources: Sequence[str], watcher: Watcher, acceptance: Acceptance
) -> tuple[int, int, list[Document]]:
    """How many documents there are, bytes of their texts, and an even sample of them."""
    total = total_bytes(sources) or 0
    n_docs = n_bytes = 0
    kept: list[Document] = []
    stride = 1
    for document in read_documents(
        sources,
        on_reject=lambda reject: None,
        progress=lambda done: watcher.advance("read", done, total),
        check=acceptance.check,
    ):
        if watcher.stopped():
            raise KeyboardInterrupt
        if n_docs % stride == 0:
            kept.append(document)
        if len(kept) >= 2 * _SAMPLE_DOCS:
            kept, stride = kept[::2], 2 * stride
        n_docs += 1
        n_bytes += len(document.full_text.encode())
    if not kept:
        raise CorpusError("found no document in the corpus; expected at least one")
    return n_docs, n_bytes, kept


def _sparse_cost(sample: SparseBatch, share: float) -> tuple[float, int]:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        SparseIndex.write(Path(folder), sample)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    return (time.perf_counter() - began) * share, int(size * share)


def _tokens_seconds(tokens: TokenBatch, plan: MultiVectorPlan) -> float:
    """Seconds a document to build what the plan asks for, residual codes and recall left out."""
    times = max(1, _BUILT_DOCS // len(tokens))
    lengths = np.tile(np.diff(tokens.offsets), times)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rng = np.random.default_rng(0)
    vectors = np.tile(tokens.vectors, (times, 1))
    vectors += rng.normal(0, 0.02, vectors.shape).astype(np.float32)
    began = time.perf_counter()
    store = TokenStore.from_batch(TokenBatch(offsets, vectors))
    build_multivector(store, MultiVectorPlan("int8", plan.centroids, plan.fde))
    return (time.perf_counter() - began) / len(lengths)


def _bytes_a_token(codec: Codec, dim: int) -> int:
    """Codes and scale of one token, the code of its centroid left out."""
    if codec == "fp16":
        return 2 * dim
    if codec == "int8":
        return dim + 4
    return -(-dim // (2 if codec == "residual4" else 4)) + 2


def _pooled_bytes(dim: int, codec: str | None) -> int:
    return 2 * dim if codec == "fp16" else dim + 4


def _tokens_bytes(tokens: TokenBatch, plan: MultiVectorPlan, n_docs: int) -> dict[str, int]:
    n_tokens = int(len(tokens.vectors) * n_docs / len(tokens))
    n_segments = -(-n_docs // SEGMENT_DOCS)
    parts = {"token vectors": n_tokens * _bytes_a_token(plan.codec, tokens.dim) + 8 * n_docs}
    if plan.centroids or plan.codec.startswith("residual"):
        number = suitable_number(n_tokens // n_segments)
        parts["centroids"] = n_tokens * 4 + n_segments * number * (2 * tokens.dim + 8)
    if plan.fde:
        parts["fde"] = 64 * n_docs + n_segments * 2 * 256 * (10_240 + tokens.dim)
    return parts
