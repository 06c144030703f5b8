"""What does SPLADE weigh a term in a text?

Formal et al., "SPLADE v2", arXiv 2109.10086: the logits of a masked language model over its whole
vocabulary, pooled over the tokens of the text. This module knows of two sides and a vocabulary;
torch is imported where a side of transformers is (`transformer_terms`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.bm25 import idf
from lexmax.encoders.inference_free import piece_of
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.shared_pass import Head
from lexmax.types import SparseBatch, TermStatistics


class Side(Protocol):
    """How the texts of one side, documents or queries, become term weights."""

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        ...


@runtime_checkable
class SideOnBackbone(Protocol):
    """A side whose pass through a transformer others may share."""

    def shared_head(self) -> Head[SparseBatch]:
        """How texts are encoded."""
        ...


class LaterSide:
    """A side that is loaded when its first text comes.

    A service whose queries are looked up in a table never loads the transformer of its documents.
    """

    def __init__(self, load: Callable[[], Side]) -> None:
        """Loads nothing yet; `load` is called once, or again after it has failed."""
        self._load = load
        self._loaded: Side | None = None
        self._lock = Lock()

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        return self.loaded().encode(texts)

    def loaded(self) -> Side:
        """The side itself."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded


@dataclass(frozen=True, slots=True)
class Splade:
    """A sparse encoder whose terms are the pieces of a masked language model's vocabulary.

    Attributes:
        spec: What `Encoders.sparse` makes this very encoder from.
        fingerprint: Everything that weights of documents depend on, and the vocabulary. Queries
            may be encoded otherwise, by a transformer or by a table, over the same documents.
        documents: Side of the documents.
        queries: Side of the queries.
        names: Piece by term id.
        trained_idf: Idf of each term in the documents of the training, float32 (n_terms,), where
            queries are weighed anew by that of the collection; None where they are not.
        pieces: Tells which terms stand in a text, for those who want to know which were added.
    """

    spec: str
    fingerprint: str
    documents: Side
    queries: Side
    names: Mapping[int, str]
    trained_idf: NDArray[np.float32] | None = None
    pieces: Pieces | None = None

    def fitted(self, sample: Sequence[str]) -> "Splade":
        """Itself: it takes nothing from documents."""
        return self

    def encode_documents(self, texts: Sequence[str]) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        return self.documents.encode(texts)

    def encode_queries(self, texts: Sequence[str], statistics: TermStatistics) -> SparseBatch:
        """One row a text; an empty text gives an empty row."""
        batch = self.queries.encode(texts)
        if self.trained_idf is None:
            return batch
        found = idf(statistics.doc_freqs(batch.term_ids), statistics.n_docs)
        weights = batch.weights * (found / self.trained_idf[batch.term_ids])
        return SparseBatch(batch.indptr, batch.term_ids, weights.astype(np.float32))

    def document_head(self) -> Head[SparseBatch] | None:
        """How documents are encoded; None where nobody can share that."""
        return _head_of(self.documents)

    def query_head(self) -> Head[SparseBatch] | None:
        """As `document_head`."""
        return _head_of(self.queries)

    def term(self, term_id: int, texts: Sequence[str]) -> str:
        """The piece of this id, whatever the texts.

        Raises:
            EncoderError: if the vocabulary has no such id.
        """
        return piece_of(term_id, self.names)

    def own_terms(self, texts: Sequence[str]) -> list[NDArray[np.uint32]] | None:
        """Ids of each text's pieces, ascending; None without a tokenizer."""
        return None if self.pieces is None else self.pieces.distinct(texts)

    def vocabulary(self, texts: Sequence[str]) -> Mapping[int, str]:
        """All pieces by id: a text may be given any of them."""
        return self.names


def _head_of(side: Side) -> Head[SparseBatch] | None:
    loaded = side.loaded() if isinstance(side, LaterSide) else side
    return loaded.shared_head() if isinstance(loaded, SideOnBackbone) else None
