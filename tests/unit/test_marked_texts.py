from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.encoders.marked_texts import MarkedTexts, Prompt
from lexmax.errors import EncoderError


class Letters:
    """A piece for each letter; 100 and 101 around every text."""

    before = np.array([100])
    after = np.array([101])

    def first(self, text: str, limit: int) -> NDArray[np.int64]:
        return np.array([ord(x) - 96 for x in text if x.isalpha()][:limit], dtype=np.int64)


def rows(texts: Sequence[str], max_tokens: int = 9, **values: object) -> list[list[int]]:
    marked = MarkedTexts(Letters(), max_tokens, **values)  # type: ignore[arg-type]
    return [row.tolist() for row in marked.rows(texts)]


def test_texts_stand_between_markers() -> None:
    assert rows(["ab", "c d"]) == [[100, 1, 2, 101], [100, 3, 4, 101]]


def test_long_texts_are_cut_before_the_last_marker() -> None:
    assert rows(["abcdefghij"], 5) == [[100, 1, 2, 3, 101]]


def test_texts_without_pieces_have_no_tokens() -> None:
    assert rows(["", " ", "1", "a"]) == [[], [], [], [100, 1, 101]]


def test_a_prompt_stands_behind_the_first_marker_and_does_not_count_as_text() -> None:
    prompt = Prompt((50, 51), "xy ")
    assert rows(["", "1", "abc"], prompt=prompt) == [[], [], [100, 50, 51, 24, 25, 1, 2, 3, 101]]
    assert rows(["abcdef"], prompt=prompt) == [[100, 50, 51, 24, 25, 1, 2, 3, 101]]


def test_a_marker_is_the_second_token() -> None:
    assert rows(["abcdefgh"], 6, marker=70) == [[100, 70, 1, 2, 3, 101]]
    assert rows(["a"], prompt=Prompt((50,), ""), marker=70) == [[100, 70, 50, 1, 101]]


def test_tokens_before_the_text_are_counted() -> None:
    marked = MarkedTexts(Letters(), 9, Prompt((50,), "xy"), 70)
    assert marked.n_prompt == 5
    assert marked.rows(["abc"])[0].tolist()[5:] == [1, 2, 3, 101]


@pytest.mark.parametrize("max_tokens", [0, 1, 2])
def test_there_must_be_room_for_text(max_tokens: int) -> None:
    with pytest.raises(EncoderError, match=f"texts have {max_tokens} tokens at most, of which"):
        rows(["a"], max_tokens)


def test_a_prompt_must_leave_room_for_text() -> None:
    with pytest.raises(EncoderError, match="prompt and markers take 6"):
        rows(["a"], 6, prompt=Prompt((50,), "abc"))
