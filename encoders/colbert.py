"""What are the token vectors of a text, by a model that was trained for late interaction?

Khattab & Zaharia, "ColBERT", SIGIR 2020 (arXiv 2004.12832); Santhanam et al., "ColBERTv2" (arXiv
2112.01488).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders import shared_pass
from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.marked_texts import MarkedTexts
from lexmax.encoders.shared_pass import Head
from lexmax.types import TokenBatch


@dataclass(frozen=True, slots=True)
class Expansion:
    """Queries are filled up with [MASK], whose vectors stand for terms that might be meant.

    Attributes:
        token: Id of the token that fills up.
        length: Tokens of a query once it is filled up; longer ones stay as they are.
        attended: Whether other tokens see them. In ColBERT they see the query and are not seen.
        scored: Whether their vectors count; those that are seen always do.
    """

    token: int
    length: int = 32
    attended: bool = False
    scored: bool = True


@dataclass(frozen=True, slots=True)
class TokenSide:
    """How the texts of one side, queries or documents, become vectors.

    Attributes:
        texts: Give token ids.
        expansion: What short texts are filled up with.
        skipped: Ids of tokens whose vectors are left out, such as punctuation.
        kept: Ids of the only tokens whose vectors are kept; None for all.
    """

    texts: MarkedTexts
    expansion: Expansion | None = None
    skipped: frozenset[int] = frozenset()
    kept: frozenset[int] | None = None

    def rows(self, texts: Sequence[str]) -> "TokenRows":
        """Token ids of each text, and which of them are seen and scored."""
        rows = self.texts.rows(texts)
        filled = rows if self.expansion is None else [_filled(row, self.expansion) for row in rows]
        seen = filled if self.expansion is None or self.expansion.attended else rows
        attended = np.array([len(row) for row in seen], dtype=np.int64)
        return TokenRows(filled, attended, self.scored(filled, attended))

    def names(self, texts: Sequence[str]) -> list[list[str]]:
        """What each vector of each text stands for."""
        found = self.rows(texts)
        return [
            self.texts.names(row[scored])
            for row, scored in zip(found.ids, found.scored, strict=True)
        ]

    def scored(
        self, ids: Sequence[NDArray[np.int64]], attended: Sequence[int] | NDArray[np.int64]
    ) -> list[NDArray[np.bool_]]:
        """Which tokens of each row give a vector; `ids` and `attended` as `rows` gives them."""
        # Tokens that filled a query up and are seen by the others are scored, too.
        own = self.expansion is not None and not self.expansion.scored
        return [
            self._scored(row, seen if own else len(row))
            for row, seen in zip(ids, attended, strict=True)
        ]

    def _scored(self, row: NDArray[np.int64], n_scored: int) -> NDArray[np.bool_]:
        scored = np.arange(len(row)) < n_scored
        if self.skipped:
            scored &= ~np.isin(row, sorted(self.skipped))
        if self.kept is not None:
            scored &= np.isin(row, sorted(self.kept))
        return scored


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Token ids of n texts, for a backbone.

    Attributes:
        ids: Each int64 (its tokens,).
        attended: Leading tokens of each that others may see, int64 (n,).
        scored: Which of its tokens give a vector, each bool (its tokens,).
    """

    ids: Sequence[NDArray[np.int64]]
    attended: NDArray[np.int64]
    scored: Sequence[NDArray[np.bool_]]


class ColBert:
    """Late interaction over a trained transformer: a vector a token, of few coordinates.

    A text without words has no vectors, and neither have padding and skipped tokens; markers and
    the [MASK] of query expansion have. May be used from many threads.

    Attributes:
        backbone: Gives the states.
        queries: How queries become tokens.
        documents: How documents do.
    """

    def __init__(
        self,
        backbone: Backbone,
        project: Callable[[torch.Tensor], torch.Tensor],
        *,
        spec: str,
        fingerprint: str,
        dim: int,
        queries: TokenSide,
        documents: TokenSide,
    ) -> None:
        """`project` takes states (n, backbone.dim) to vectors (n, dim)."""
        self.backbone = backbone
        self.queries = queries
        self.documents = documents
        self._project = project
        self._spec = spec
        self._fingerprint = fingerprint
        self._dim = dim

    @property
    def spec(self) -> str:
        """What `Encoders.multivector` makes this very encoder from."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """Files and parameters that vectors depend on; not where the files are."""
        return self._fingerprint

    @property
    def dim(self) -> int:
        """Coordinates of one token vector."""
        return self._dim

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text."""
        return self.document_head().encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text, filled up where the model was trained with query expansion."""
        return self.query_head().encode(texts)

    def document_head(self) -> Head[TokenBatch]:
        """What can share a pass with other encoders over the same transformer."""
        return self._head(self.documents)

    def query_head(self) -> Head[TokenBatch]:
        """As `document_head`."""
        return self._head(self.queries)

    def token_texts(self, texts: Sequence[str], *, queries: bool) -> list[list[str]]:
        """The piece of each vector: a marker, one of the text, or the [MASK] that fills up."""
        return (self.queries if queries else self.documents).names(texts)

    def _head(self, side: TokenSide) -> Head[TokenBatch]:
        def rows(texts: Sequence[str]) -> shared_pass.TokenRows:
            found = side.rows(texts)
            whole = side.expansion is None or side.expansion.attended
            return shared_pass.TokenRows(found.ids, None if whole else found.attended)

        def sink(rows: shared_pass.TokenRows) -> ScoredVectors:
            seen = [len(row) for row in rows.ids] if rows.attended is None else rows.attended
            return ScoredVectors(side.scored(rows.ids, seen), self._project, self._dim)

        return Head(self.backbone, rows, sink)


class ScoredVectors:
    """A sink that projects the states of scored tokens and keeps them in order."""

    def __init__(
        self,
        scored: Sequence[NDArray[np.bool_]],
        project: Callable[[torch.Tensor], torch.Tensor],
        dim: int,
    ) -> None:
        """`scored` says of each text which of its tokens give a vector."""
        self._scored = scored
        self._project = project
        lengths = [int(row.sum()) for row in scored]
        self._offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self._vectors = np.zeros((int(self._offsets[-1]), dim), dtype=np.float32)

    def take(self, states: States) -> None:
        """Keep the vectors of these rows."""
        chosen: NDArray[np.bool_] = np.zeros(states.ids.shape, dtype=np.bool_)
        for place, i in enumerate(states.rows):
            scored = self._scored[int(i)]
            chosen[place, : len(scored)] = scored
        flat = states.hidden[torch.as_tensor(chosen, device=states.hidden.device)]
        with torch.inference_mode():
            vectors = self._project(flat).cpu().numpy()
        start = 0
        for i in states.rows:
            begin, end = self._offsets[i], self._offsets[i + 1]
            self._vectors[begin:end] = vectors[start : start + end - begin]
            start += end - begin

    def batch(self) -> TokenBatch:
        """Vectors of all texts, once all states were taken."""
        return TokenBatch(self._offsets, self._vectors)


def _filled(row: NDArray[np.int64], by: Expansion) -> NDArray[np.int64]:
    """A query with tokens is filled up to the length; one without stays without."""
    missing = by.length - len(row) if len(row) else 0
    return np.concatenate([row, np.full(max(missing, 0), by.token, dtype=np.int64)])
