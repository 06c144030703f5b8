"""What of a text's vectors is given, and what must an encoder still make?"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.contract import DenseEncoder, MultiVectorEncoder, SparseEncoder
from lexmax.encoders.shared_pass import DocumentPart, Encoded
from lexmax.types import SparseBatch, TokenBatch
from lexmax.vectors import NOTHING, GivenRow, Terms


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Texts to encode, each with what was given of its vectors; no `given` at all for nothing."""

    texts: Sequence[str]
    given: Sequence[GivenRow] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> "Inputs":
        """Those texts, in this order."""
        given = [self.given[i] for i in rows] if self.given else ()
        return Inputs([self.texts[i] for i in rows], given)

    def then(self, others: "Inputs") -> "Inputs":
        """These and the others behind them."""
        given: Sequence[GivenRow] = ()
        if self.given or others.given:
            given = (*_filled(self), *_filled(others))
        return Inputs((*self.texts, *others.texts), given)


def _filled(inputs: Inputs) -> Sequence[GivenRow]:
    return inputs.given or [NOTHING] * len(inputs)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The encoders of a collection, of which some texts need only a few."""

    sparse: SparseEncoder | None
    multivector: MultiVectorEncoder | None
    pooled: DenseEncoder | None

    def groups(self, inputs: Inputs) -> "list[tuple[list[int], _Wanted]]":
        """Which texts need the same encoders."""
        if not inputs.given:
            return [(list(range(len(inputs))), self)]
        groups: dict[tuple[bool, bool, bool], list[int]] = {}
        for i, row in enumerate(inputs.given):
            needs = (row.terms is None, row.tokens is None, row.pooled is None)
            groups.setdefault(needs, []).append(i)
        return [(members, self._only(*needs)) for needs, members in groups.items()]

    def _only(self, sparse: bool, multivector: bool, pooled: bool) -> "_Wanted":
        return _Wanted(
            self.sparse if sparse else None,
            self.multivector if multivector else None,
            self.pooled if pooled else None,
        )

    @property
    def is_nothing(self) -> bool:
        return self.sparse is None and self.multivector is None and self.pooled is None

    def joined(self, inputs: Inputs, parts: Sequence[tuple[Sequence[int], Encoded]]) -> Encoded:
        """A row a text, from what was given and what was encoded."""
        if not inputs.given:
            return parts[0][1] if parts else Encoded()
        places = {row: (encoded, i) for rows, encoded in parts for i, row in enumerate(rows)}
        terms: list[Terms] = []
        tokens: list[NDArray[np.float32]] = []
        pooled: list[NDArray[np.float32]] = []
        for row, given in enumerate(inputs.given):
            encoded, i = places.get(row, (Encoded(), 0))
            if self.sparse is not None:
                terms.append(_of(encoded.sparse, i, given.terms))
            if self.multivector is not None:
                tokens.append(_of(encoded.tokens, i, given.tokens))
            if self.pooled is not None:
                pooled.append(_said(given.pooled) if encoded.pooled is None else encoded.pooled[i])
        return Encoded(
            None if self.sparse is None else SparseBatch.stack(terms),
            None
            if self.multivector is None
            else TokenBatch.from_rows(tokens, self.multivector.dim),
            None
            if self.pooled is None
            else np.array(pooled, np.float32).reshape(len(pooled), self.pooled.dim),
        )


def _of(batch: SparseBatch | TokenBatch | None, i: int, given: Any) -> Any:
    return _said(given) if batch is None else batch.row(i)


def _said(part: Any) -> Any:
    assert part is not None, "a text that lacks this vector was encoded"
    return part


class InputPart:
    """Some documents that are about to be encoded, as far as that is not given."""

    def __init__(
        self,
        inputs: Inputs,
        *,
        sparse: SparseEncoder | None,
        multivector: MultiVectorEncoder | None,
        pooled: DenseEncoder | None = None,
    ) -> None:
        """Makes rows of tokens where encoders share a pass; may be called in another thread."""
        self._inputs = inputs
        self._wanted = _Wanted(sparse, multivector, pooled)
        self._parts = [
            (rows, _part(inputs.take(rows).texts, wanted))
            for rows, wanted in self._wanted.groups(inputs)
            if not (wanted.is_nothing and inputs.given)
        ]

    def encode(self) -> Encoded:
        """One row a document of each signal.

        Raises:
            EncoderError: if an encoder cannot encode documents.
        """
        found = [(rows, part.encode()) for rows, part in self._parts]
        return self._wanted.joined(self._inputs, found)


def _part(texts: Sequence[str], wanted: _Wanted) -> DocumentPart:
    return DocumentPart(
        texts, sparse=wanted.sparse, multivector=wanted.multivector, pooled=wanted.pooled
    )


def encoded_parts(
    parts: Iterable[Inputs],
    *,
    sparse: SparseEncoder | None,
    multivector: MultiVectorEncoder | None,
    pooled: DenseEncoder | None = None,
) -> Generator[Encoded, None, None]:
    """One part after another; the tokens of each are made while the one before is encoded.

    `parts` are taken in the calling thread, one ahead, so that memory does not grow with their
    number.
    """

    def part(inputs: Inputs) -> InputPart:
        return InputPart(inputs, sparse=sparse, multivector=multivector, pooled=pooled)

    coming: deque[Future[InputPart]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="lexmax-tokenizer") as tokenizer:
        for inputs in parts:
            coming.append(tokenizer.submit(part, inputs))
            if len(coming) > 1:
                yield coming.popleft().result().encode()
        while coming:
            yield coming.popleft().result().encode()


def encode_inputs(
    inputs: Inputs,
    encode: Callable[..., Encoded],
    *,
    sparse: SparseEncoder | None,
    multivector: MultiVectorEncoder | None,
    pooled: DenseEncoder | None = None,
) -> Encoded:
    """One row a query of each signal; `encode(texts, sparse=, multivector=, pooled=)` makes some.

    Raises:
        EncoderError, QueryError: as `encode`.
    """
    wanted = _Wanted(sparse, multivector, pooled)
    parts = [
        (
            rows,
            encode(
                inputs.take(rows).texts,
                sparse=some.sparse,
                multivector=some.multivector,
                pooled=some.pooled,
            ),
        )
        for rows, some in wanted.groups(inputs)
        if not (some.is_nothing and inputs.given)
    ]
    return wanted.joined(inputs, parts)
