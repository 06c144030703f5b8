import numpy as np
import pytest

from lexmax.errors import InputError
from lexmax.feedback.texts import (
    concatenated,
    concatenated_each,
    max_scores,
    mean_scores,
    windows,
)
from lexmax.fusion import Row

PASSAGES = ["a b c", " ", "d e"]


def ranking(*pairs: tuple[int, float]) -> Row:
    return np.array([o for o, _ in pairs], np.int64), np.array([s for _, s in pairs], np.float32)


def test_all_passages_make_one_text_or_each_makes_one() -> None:
    assert concatenated("q", PASSAGES) == "q a b c d e"
    assert concatenated_each("q", PASSAGES) == ["q a b c", "q d e"]


def test_windows_go_over_the_words_of_all_passages_and_end_with_the_last() -> None:
    assert windows("q", PASSAGES, size=3, stride=1) == ["q a b c", "q b c d", "q c d e"]
    assert windows("q", PASSAGES, size=2, stride=2) == ["q a b", "q c d", "q d e"]
    assert windows("q", PASSAGES, size=9, stride=9) == ["q a b c d e"]


@pytest.mark.parametrize("passages", [[], ["", "  "]])
def test_without_words_in_passages_the_query_is_asked_alone(passages: list[str]) -> None:
    assert concatenated("q", passages) == "q"
    assert concatenated_each("q", passages) == ["q"]
    assert windows("q", passages) == ["q"]


@pytest.mark.parametrize(("size", "stride"), [(0, 0), (3, 0), (3, 4)])
def test_windows_that_skip_words_are_refused(size: int, stride: int) -> None:
    with pytest.raises(InputError, match="expected 1 <= stride <= size"):
        windows("q", PASSAGES, size=size, stride=stride)


def test_mean_and_greatest_of_scores() -> None:
    rankings = [ranking((7, 3.0), (2, 1.0)), ranking(), ranking((2, 4.0), (5, 2.0))]
    # 2: (1 + 4) / 2; 7: (3 + the second's least, 2) / 2; 5: (the first's least, 1, + 2) / 2.
    ordinals, scores = mean_scores(rankings)
    assert list(zip(ordinals.tolist(), scores.tolist(), strict=True)) == [
        (2, 2.5),
        (7, 2.5),
        (5, 1.5),
    ]
    ordinals, scores = max_scores(rankings)
    assert list(zip(ordinals.tolist(), scores.tolist(), strict=True)) == [(2, 4), (7, 3), (5, 2)]


@pytest.mark.parametrize("aggregate", [mean_scores, max_scores])
def test_nothing_aggregated_is_nothing(aggregate: type) -> None:
    assert len(aggregate([])[0]) == 0
    assert len(aggregate([ranking(), ranking()])[0]) == 0
