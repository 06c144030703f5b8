from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from lexmax.encoders.pair_texts import longest_first

COUNTS = st.integers(0, 40)


def cut_by_library(n_first: int, n_second: int, room: int) -> tuple[int, int]:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(room, strategy="longest_first")
    ids = tokenizer.encode("a " * n_first, "b " * n_second).ids
    return ids.count(0), ids.count(1)


@given(COUNTS, COUNTS, st.integers(2, 60))
def test_pairs_are_cut_as_the_tokenizers_library_does(
    n_first: int, n_second: int, room: int
) -> None:
    assert longest_first(n_first, n_second, room) == cut_by_library(n_first, n_second, room)
