"""How do several encoders share one pass through a transformer?

An encoder that stands on a backbone says so by its heads: which backbone, which rows of tokens it
wants of a text, and what it makes of their states. Heads whose backbones have equal fingerprints
and devices, and whose rows are equal, see the states of one pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.contract import DenseEncoder, MultiVectorEncoder, SparseEncoder
from lexmax.types import SparseBatch, TermStatistics, TokenBatch

if TYPE_CHECKING:  # Torch takes seconds to import, and who asks bm25 alone does not need it.
    from lexmax.encoders.backbone import Backbone, States

B = TypeVar("B")
C = TypeVar("C")
B_co = TypeVar("B_co", covariant=True)


class Rows(Protocol):
    """Token ids of n texts, as a backbone takes them; an encoder's own may say more."""

    @property
    def ids(self) -> Sequence[NDArray[np.int64]]:
        """Of each text, markers included, int64 (its tokens,)."""
        ...

    @property
    def attended(self) -> NDArray[np.int64] | None:
        """How many leading tokens of each the others may attend to, int64 (n,); None for all."""
        ...


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Rows of which nothing else is to be said.

    Attributes:
        ids: Of each text, markers included, int64 (its tokens,).
        attended: How many leading tokens of each the others may attend to, int64 (n,); None for
            all.
    """

    ids: Sequence[NDArray[np.int64]]
    attended: NDArray[np.int64] | None = None


def equal_rows(one: Rows, other: Rows) -> bool:
    """Whether a model gives equal states for both."""
    if len(one.ids) != len(other.ids) or not all(map(np.array_equal, one.ids, other.ids)):
        return False
    return np.array_equal(_attended(one), _attended(other))


def _attended(rows: Rows) -> NDArray[np.int64]:
    everything = np.array([len(row) for row in rows.ids], dtype=np.int64)
    return everything if rows.attended is None else rows.attended


class BatchSink(Protocol[B_co]):
    """Takes states, as `lexmax.encoders.backbone.Sink`, and makes a batch of them."""

    def take(self, states: "States") -> None:
        """Keep what is wanted of these rows."""
        ...

    def batch(self) -> B_co:
        """One row a text, in their order, once all states were taken."""
        ...


@dataclass(frozen=True, slots=True)
class Head(Generic[B]):
    """What an encoder makes of the states of a backbone.

    Attributes:
        backbone: Gives the states.
        rows: Gives token rows of texts; called in a thread beside the model.
        sink: Makes a new sink for rows that `rows` gave.
        reading: Names how texts become rows. Heads of equal backbones and equal `reading` have
            equal rows, which are then made once; "" makes no such promise.
    """

    backbone: "Backbone"
    rows: Callable[[Sequence[str]], Rows]
    sink: Callable[[Any], BatchSink[B]]
    reading: str = ""

    def then(self, change: Callable[[B], C]) -> "Head[C]":
        """The same with a change made to every batch, as pooling does."""
        return Head(
            self.backbone, self.rows, lambda rows: _Changed(self.sink(rows), change), self.reading
        )

    def encode(self, texts: Sequence[str]) -> B:
        """A batch of these texts, by a pass of its own."""
        batch: B
        (batch,) = SharedPass([self], texts).run()
        return batch


@dataclass(frozen=True, slots=True)
class _Changed(Generic[B, C]):
    sink: BatchSink[B]
    change: Callable[[B], C]

    def take(self, states: "States") -> None:
        self.sink.take(states)

    def batch(self) -> C:
        return self.change(self.sink.batch())


@runtime_checkable
class OnBackbone(Protocol):
    """An encoder that can share a pass."""

    def document_head(self) -> Head[Any] | None:
        """How documents are encoded; None where that takes no backbone."""
        ...

    def query_head(self) -> Head[Any] | None:
        """How queries are encoded; None where that takes no backbone, as with a table."""
        ...


def document_head_of(encoder: object) -> Head[Any] | None:
    """The encoder's head for documents, if it has one."""
    found = _on_backbone(encoder)
    return None if found is None else found.document_head()


def query_head_of(encoder: object) -> Head[Any] | None:
    """The encoder's head for queries, if it has one."""
    found = _on_backbone(encoder)
    return None if found is None else found.query_head()


_SHARES: dict[type[Any], bool] = {}


def _on_backbone(encoder: object) -> OnBackbone | None:
    kind = type(encoder)
    # Asked a few times a query, and each look at a protocol's members takes microseconds.
    if (shares := _SHARES.get(kind)) is None:
        shares = _SHARES[kind] = issubclass(kind, OnBackbone)
    return cast("OnBackbone", encoder) if shares else None


class SharedPass:
    """Several heads over the same texts, whose rows are made at once and whose states later."""

    def __init__(self, heads: Sequence[Head[Any]], texts: Sequence[str]) -> None:
        """Makes the rows, which takes a tokenizer and no model."""
        self._heads = heads
        self._rows: list[Rows] = []
        for i, head in enumerate(heads):
            same = next((j for j in range(i) if _reads_as(heads[j], head)), None)
            self._rows.append(head.rows(texts) if same is None else self._rows[same])

    def run(self) -> list[Any]:
        """One batch a head, in the order of the heads."""
        sinks = [head.sink(rows) for head, rows in zip(self._heads, self._rows, strict=True)]
        for group in self._groups():
            first = group[0]
            self._heads[first].backbone.run(
                self._rows[first].ids,
                [sinks[i] for i in group],
                attended=self._rows[first].attended,
            )
        return [sink.batch() for sink in sinks]

    def _groups(self) -> list[list[int]]:
        """Heads that see the same states, by number."""
        groups: list[list[int]] = []
        for i in range(len(self._heads)):
            fitting = (group for group in groups if self._fits(group[0], i))
            group = next(fitting, None)
            if group is None:
                groups.append([i])
            else:
                group.append(i)
        return groups

    def _fits(self, one: int, other: int) -> bool:
        mine, theirs = self._heads[one].backbone, self._heads[other].backbone
        # A head is on the device of its own backbone, and so has to be what it takes.
        if (mine.fingerprint, mine.device) != (theirs.fingerprint, theirs.device):
            return False
        rows, others = self._rows[one], self._rows[other]
        return rows is others or equal_rows(rows, others)


def _reads_as(one: Head[Any], other: Head[Any]) -> bool:
    same_backbone = one.backbone.fingerprint == other.backbone.fingerprint
    return bool(one.reading) and one.reading == other.reading and same_backbone


@dataclass(frozen=True, slots=True)
class Encoded:
    """The same texts as each signal of a collection sees them; None where it has not the signal.

    `pooled` is float32 (n_texts, dim).
    """

    sparse: SparseBatch | None = None
    tokens: TokenBatch | None = None
    pooled: NDArray[np.float32] | None = None


class DocumentPart:
    """Some documents that are about to be encoded, by all encoders of a collection."""

    def __init__(
        self,
        texts: Sequence[str],
        *,
        sparse: SparseEncoder | None,
        multivector: MultiVectorEncoder | None,
        pooled: DenseEncoder | None = None,
    ) -> None:
        """Makes rows of tokens where encoders share a pass; may be called in another thread."""
        self._texts = texts
        self._sparse, self._multivector, self._pooled = sparse, multivector, pooled
        self._heads = [document_head_of(encoder) for encoder in (sparse, multivector, pooled)]
        self._pass = SharedPass([head for head in self._heads if head is not None], texts)

    def encode(self) -> Encoded:
        """One row a document of each signal.

        Raises:
            EncoderError: if an encoder cannot encode documents.
        """
        of_sparse, of_multivector, of_pooled = _spread(self._heads, self._pass.run())
        if self._sparse is not None and of_sparse is None:
            of_sparse = self._sparse.encode_documents(self._texts)
        if self._multivector is not None and of_multivector is None:
            of_multivector = self._multivector.encode_documents(self._texts)
        if self._pooled is not None and of_pooled is None:
            of_pooled = self._pooled.encode_documents(self._texts)
        return Encoded(of_sparse, of_multivector, of_pooled)


def _spread(heads: Sequence[Head[Any] | None], batches: Sequence[Any]) -> list[Any]:
    """The batch of each head in turn, None where there is no head."""
    left = iter(batches)
    return [None if head is None else next(left) for head in heads]


def encode_queries(
    texts: Sequence[str],
    statistics: TermStatistics,
    *,
    sparse: SparseEncoder | None,
    multivector: MultiVectorEncoder | None,
    pooled: DenseEncoder | None = None,
) -> Encoded:
    """One row a query of each signal; one pass for the encoders that can share it.

    Raises:
        EncoderError: if an encoder cannot encode queries.
    """
    heads = [query_head_of(encoder) for encoder in (sparse, multivector, pooled)]
    found = [head for head in heads if head is not None]
    batches = SharedPass(found, texts).run() if len(found) > 1 else [None] * len(found)
    of_sparse, of_multivector, of_pooled = _spread(heads, batches)
    if sparse is not None and of_sparse is None:
        of_sparse = sparse.encode_queries(texts, statistics)
    if multivector is not None and of_multivector is None:
        of_multivector = multivector.encode_queries(texts)
    if pooled is not None and of_pooled is None:
        of_pooled = pooled.encode_queries(texts)
    return Encoded(of_sparse, of_multivector, of_pooled)
