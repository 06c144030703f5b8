"""What does a trained late-interaction model make of a text?"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import xxhash

from lexmax.encoders.colbert import ScoredVectors, TokenSide
from lexmax.encoders.heads.projection import Projection, ProjectionShape
from lexmax.encoders.shared_pass import Head, TokenRows
from lexmax.encoders.sparse_description import described
from lexmax.encoders.token_model import LateInteractionModel, TokenReading, without_markers
from lexmax.encoders.trunk import MINILM, Trunk
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

# Counted up when the same weights would give other vectors than before.
_VERSION = 1


@dataclass(frozen=True, slots=True)
class TokenParts:
    """A model's values and its modules.

    Attributes:
        model: The values.
        trunk: Transformer and tokenizer.
        projection: From states to vectors.

    Raises:
        EncoderError: if the parts do not fit together.
    """

    model: LateInteractionModel
    trunk: Trunk
    projection: Projection

    def __post_init__(self) -> None:
        if self.projection.shape != self.model.projection:
            raise EncoderError(
                f"found {self.projection.shape}; expected {self.model.projection}, which the "
                "model says; build the projection of that shape"
            )
        if self.model.projection.dim_in != self.trunk.backbone.dim:
            raise EncoderError(
                f"the projection takes states of {self.model.projection.dim_in} coordinates; "
                f"expected {self.trunk.backbone.dim}, those of the transformer"
            )
        for reading in (self.model.queries, self.model.documents):
            reading.side(self.trunk.pieces)
            if reading.max_tokens > self.trunk.longest:
                raise EncoderError(
                    f"texts have {reading.max_tokens} tokens at most; expected "
                    f"{self.trunk.longest} or fewer, which the transformer reads"
                )


def token_parts(
    trunk: Trunk,
    projection: ProjectionShape,
    *,
    queries: TokenReading | None = None,
    documents: TokenReading | None = None,
    seed: int = 0,
) -> TokenParts:
    """A model that has not been trained, over a transformer that may have been.

    Args:
        trunk: The transformer.
        projection: Shape of its head.
        queries: How queries are read; None for as `minilm` does, 64 tokens at most.
        documents: How documents are; None for as `minilm` does, 256 tokens at most.
        seed: Of the head's weights.

    Raises:
        EncoderError: if the parts do not fit together.
    """
    model = LateInteractionModel(
        projection,
        queries or without_markers(trunk.pieces, max_tokens=min(64, trunk.longest)),
        documents or without_markers(trunk.pieces, max_tokens=min(256, trunk.longest)),
    )
    return TokenParts(model, trunk, Projection(projection, seed=seed))


class TokenEncoder:
    """Late interaction by a model that was trained here; may be used from many threads.

    Attributes:
        parts: The model.
        spec: What `Encoders.multivector` makes this very encoder from.
        fingerprint: Weights and all values that vectors depend on, and what they were trained for.
    """

    def __init__(self, parts: TokenParts, *, spec: str, fingerprint: str) -> None:
        """`fingerprint` says which weights these are; all else that matters is added."""
        model, pieces = parts.model, parts.trunk.pieces
        self.parts = parts
        self.spec = spec
        self.fingerprint = (
            f"tokens?objective={model.objective}&model={hash_of_model(model)}&weights={fingerprint}"
            f"&backbone={parts.trunk.backbone.fingerprint}&version={_VERSION}"
        )
        self._queries = model.queries.side(pieces)
        self._documents = model.documents.side(pieces)

    @property
    def dim(self) -> int:
        """Coordinates of one token vector."""
        return self.parts.model.projection.dim

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text, pooled where the model says so."""
        return self.document_head().encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text, pooled where the model says so."""
        return self.query_head().encode(texts)

    def document_head(self) -> Head[TokenBatch]:
        """What can share a pass with other encoders over the same transformer."""
        return self._head(self._documents, self.parts.model.documents)

    def query_head(self) -> Head[TokenBatch]:
        """As `document_head`."""
        return self._head(self._queries, self.parts.model.queries)

    def token_texts(self, texts: Sequence[str], *, queries: bool) -> list[list[str]]:
        """The piece of each vector, or several joined by + where vectors are pooled."""
        side = self._queries if queries else self._documents
        reading = self.parts.model.queries if queries else self.parts.model.documents
        names = side.names(texts)
        if reading.pooling is None:
            return names
        before = self._head(side, replace(reading, pooling=None)).encode(texts)
        return reading.pooling.pool(before).joined(names)

    def _head(self, side: TokenSide, reading: TokenReading) -> Head[TokenBatch]:
        trunk, projection = self.parts.trunk, self.parts.projection

        def rows(texts: Sequence[str]) -> TokenRows:
            found = side.rows(texts)
            return TokenRows(found.ids, None if side.expansion is None else found.attended)

        def sink(rows: TokenRows) -> ScoredVectors:
            seen = [len(row) for row in rows.ids] if rows.attended is None else rows.attended
            return ScoredVectors(side.scored(rows.ids, seen), projection, self.dim)

        plain = TokenReading(max_tokens=reading.max_tokens)
        as_minilm = trunk.shipped == MINILM and replace(reading, skipped=(), pooling=None) == plain
        named = f"{MINILM}:{reading.max_tokens}" if as_minilm else ""
        head: Head[TokenBatch] = Head(trunk.backbone, rows, sink, reading=named)
        pooling = reading.pooling
        return head if pooling is None else head.then(lambda batch: pooling.pool(batch).tokens)


def hash_of_model(model: LateInteractionModel) -> str:
    """xxh3 of all values that vectors depend on."""
    return xxhash.xxh3_64_hexdigest(json.dumps(described(model), sort_keys=True).encode())


def hash_of_weights(module: torch.nn.Module) -> str:
    """xxh3 (128 bits) of the parameters as they are now, by name."""
    digest = xxhash.xxh3_128()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
