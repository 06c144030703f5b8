"""Texts are encoded once each, in order, and alike, whatever goes through a model together."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from lexmax.encoders import backbone as backbone_module
from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.heads import largest_logits as logits_module
from lexmax.encoders.heads.largest_logits import largest_logits, logit_chunks
from lexmax.encoders.inputs import Inputs, encoded_parts
from lexmax.encoders.shared_pass import Head, TokenRows
from lexmax.types import TokenBatch

DIM, VOCABULARY, MOST = 32, 50, 64
TOLERANCE = 1e-5

LENGTHS = st.lists(st.integers(0, 24), max_size=10)
BUDGETS = st.integers(1, 160)


@cache
def backbone() -> Backbone:
    """A transformer of two layers with random weights."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MOST,
    )
    torch.manual_seed(5)
    return Backbone(BertModel(config).eval(), dim=DIM, pad_id=0, fingerprint="tiny")


class Once:
    """Keeps the states of each row, and fails where a row comes twice."""

    def __init__(self, n_rows: int) -> None:
        self.rows: list[NDArray[np.float32]] = [np.zeros((0, DIM), np.float32)] * n_rows
        self.seen = np.zeros(n_rows, int)

    def take(self, states: States) -> None:
        for place, row in enumerate(states.rows):
            self.seen[row] += 1
            self.rows[row] = states.hidden[place, states.mask[place]].numpy()

    def batch(self) -> TokenBatch:
        return TokenBatch.from_rows(self.rows, DIM)


def ids_of(text: str) -> NDArray[np.int64]:
    return np.array([1 + ord(letter) % (VOCABULARY - 1) for letter in text], np.int64)


class Letters:
    """Token vectors of a text: the states of its letters."""

    dim, spec, fingerprint = DIM, "letters", "letters"

    def __init__(self) -> None:
        self.sinks: list[Once] = []

    def document_head(self) -> Head[TokenBatch]:
        def sink(rows: TokenRows) -> Once:
            self.sinks.append(Once(len(rows.ids)))
            return self.sinks[-1]

        return Head(backbone(), lambda texts: TokenRows([ids_of(text) for text in texts]), sink)

    def query_head(self) -> Head[TokenBatch]:
        return self.document_head()

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        return self.document_head().encode(texts)

    encode_queries = encode_documents


def rows_of(lengths: Sequence[int]) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(len(lengths))
    return [rng.integers(1, VOCABULARY, n) for n in lengths]


def run(rows: Sequence[NDArray[np.int64]], *, budget: int = 10**6) -> Once:
    kept = Once(len(rows))
    with mock.patch.object(backbone_module, "BATCH_TOKENS", budget):
        backbone().run(rows, [kept])
    return kept


@settings(deadline=None, max_examples=40)
@given(LENGTHS, BUDGETS)
def test_every_row_is_encoded_once_whatever_the_budget(lengths: list[int], budget: int) -> None:
    found = run(rows_of(lengths), budget=budget)
    assert found.seen.tolist() == [int(n > 0) for n in lengths]
    assert [len(row) for row in found.rows] == lengths


@settings(deadline=None, max_examples=30)
@given(LENGTHS, BUDGETS)
def test_neither_padding_nor_company_changes_a_vector(lengths: list[int], budget: int) -> None:
    rows = rows_of(lengths)
    for row, together in zip(rows, run(rows, budget=budget).rows, strict=True):
        # Alone nothing is padded.
        np.testing.assert_allclose(together, run([row]).rows[0], atol=TOLERANCE)


@settings(deadline=None, max_examples=30)
@given(LENGTHS.filter(bool), BUDGETS, st.randoms(use_true_random=False))
def test_other_rows_may_stand_anywhere(lengths: list[int], budget: int, random: Any) -> None:
    rows = rows_of(lengths)
    order = list(range(len(rows)))
    random.shuffle(order)
    straight, shuffled = run(rows, budget=budget), run([rows[i] for i in order], budget=budget)
    for place, i in enumerate(order):
        np.testing.assert_allclose(shuffled.rows[place], straight.rows[i], atol=TOLERANCE)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text("abcdefghij", max_size=20), max_size=9), st.data())
def test_texts_come_out_in_their_order_however_they_are_parted(
    texts: list[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=4)))
    bounds = [0, *cuts, len(texts)]
    parts = [Inputs(texts[a:b]) for a, b in pairwise(bounds)]
    budget = data.draw(BUDGETS)
    encoder = Letters()
    with mock.patch.object(backbone_module, "BATCH_TOKENS", budget):
        found = list(encoded_parts(parts, sparse=None, multivector=encoder))  # type: ignore[arg-type]
    assert [len(part.tokens or ()) for part in found] == [len(part) for part in parts]
    rows = [part.tokens.row(i) for part in found if part.tokens for i in range(len(part.tokens))]
    assert sum(int(sink.seen.sum()) for sink in encoder.sinks) == sum(map(bool, texts))
    for text, row in zip(texts, rows, strict=True):
        np.testing.assert_allclose(row, run([ids_of(text)]).rows[0], atol=TOLERANCE)


SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 30))


@settings(deadline=None)
@given(SHAPES, st.integers(1, 4000), st.integers(0, 2**31))
def test_logits_that_are_there_at_once_stay_within_the_bound(
    shape: tuple[int, int, int], bound: int, seed: int
) -> None:
    n, width, n_terms = shape
    rng = torch.Generator().manual_seed(seed)
    states, decoder = (
        torch.randn(n, width, 4, generator=rng),
        torch.randn(n_terms, 4, generator=rng),
    )
    content = torch.rand(n, width, generator=rng) < 0.7
    sizes: list[int] = []
    linear = torch.nn.functional.linear

    def watched(given: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        made = linear(given, weights)
        sizes.append(made.numel() * made.element_size())
        return made

    with (
        mock.patch.object(logits_module, "CHUNK_BYTES", bound),
        mock.patch.object(torch.nn.functional, "linear", watched),
    ):
        best = largest_logits(states, decoder, content)
        chunks = logit_chunks(states, n_terms)
    of_one_position = n * n_terms * 4
    assert max(sizes) <= max(bound, of_one_position)
    assert sum(sizes) == of_one_position * width
    assert [i for start in chunks for i in range(start, min(start + chunks.step, width))] == list(
        range(width)
    )
    whole = linear(states, decoder).masked_fill(~content[..., None], -torch.inf).amax(1)
    torch.testing.assert_close(best, whole, atol=TOLERANCE, rtol=0)


def test_a_batch_of_splade_stays_far_below_its_logits() -> None:
    # 32 x 256 tokens over the terms of BERT: a gigabyte, in pieces of 64 MiB.
    states, n_terms = torch.empty(32, 256, 1, device="meta"), 30_522
    chunks = logit_chunks(states, n_terms)
    assert 32 * chunks.step * n_terms * 4 <= logits_module.CHUNK_BYTES < 400 << 20
    assert 32 * 256 * n_terms * 4 > 900 << 20
