"""Texts with and without vectors are encoded row by row as each would be alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.encoders.inputs import InputPart, Inputs, encode_inputs
from lexmax.encoders.shared_pass import Encoded
from lexmax.types import SparseBatch, TokenBatch
from lexmax.vectors import NOTHING, GivenRow

DIM = 3


class Lengths:
    """Encodes a text by its length, in every signal."""

    dim = DIM

    def __init__(self, signal: str) -> None:
        self.signal, self.asked = signal, list[str]()

    def encode_documents(self, texts: Sequence[str]) -> Any:
        self.asked += texts
        if self.signal == "sparse":
            return SparseBatch.from_rows([{len(text): 1.0 + len(text)} for text in texts])
        if self.signal == "tokens":
            return TokenBatch.from_rows([tokens_of(text) for text in texts], DIM)
        return np.array([pooled_of(text) for text in texts], np.float32).reshape(-1, DIM)


def tokens_of(text: str) -> NDArray[np.float32]:
    return np.full((len(text), DIM), len(text), np.float32)


def pooled_of(text: str) -> NDArray[np.float32]:
    return np.full(DIM, len(text), np.float32)


def row_of(text: str, parts: set[str]) -> GivenRow:
    """Vectors that no encoder gives, to be told from those that one does."""
    return GivenRow(
        (np.array([77], np.uint32), np.array([7], np.float32)) if "sparse" in parts else None,
        -tokens_of(text)[:1] if "tokens" in parts else None,
        -pooled_of(text) if "pooled" in parts else None,
    )


part_names = st.sets(st.sampled_from(["sparse", "tokens", "pooled"]))


@given(
    rows=st.lists(st.tuples(st.text("ab", max_size=4), part_names), max_size=8),
    wanted=part_names,
    has_given=st.booleans(),
)
def test_what_is_given_stays_and_the_rest_is_encoded(
    rows: list[tuple[str, set[str]]], wanted: set[str], has_given: bool
) -> None:
    texts = [text for text, _ in rows]
    given_rows = [row_of(text, parts & wanted) for text, parts in rows] if has_given else []
    inputs = Inputs(texts, given_rows)
    encoders: dict[str, Any] = {name: Lengths(name) if name in wanted else None for name in PARTS}
    named = dict(zip(("sparse", "multivector", "pooled"), encoders.values(), strict=True))

    def encode(texts: Sequence[str], **some: Any) -> Encoded:
        made = [None if one is None else one.encode_documents(texts) for one in some.values()]
        return Encoded(*made)

    for found in (InputPart(inputs, **named).encode(), encode_inputs(inputs, encode, **named)):
        check(found, inputs, wanted)
    for name, encoder in encoders.items():
        if encoder is not None:
            lacking = [text for text, parts in rows if not has_given or name not in parts]
            assert sorted(encoder.asked) == sorted(lacking * 2)


PARTS = ("sparse", "tokens", "pooled")


def check(found: Encoded, inputs: Inputs, wanted: set[str]) -> None:
    assert (found.sparse is not None) == ("sparse" in wanted)
    assert (found.tokens is not None) == ("tokens" in wanted)
    assert (found.pooled is not None) == ("pooled" in wanted)
    for i, text in enumerate(inputs.texts):
        row = inputs.given[i] if inputs.given else NOTHING
        if found.sparse is not None:
            expected = row.terms or (np.array([len(text)]), np.array([1.0 + len(text)]))
            np.testing.assert_array_equal(found.sparse.row(i)[0], expected[0])
            np.testing.assert_array_equal(found.sparse.row(i)[1], expected[1])
        if found.tokens is not None:
            tokens = tokens_of(text) if row.tokens is None else row.tokens
            np.testing.assert_array_equal(found.tokens.row(i), tokens)
        if found.pooled is not None:
            pooled = pooled_of(text) if row.pooled is None else row.pooled
            np.testing.assert_array_equal(found.pooled[i], pooled)
