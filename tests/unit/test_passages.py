import pytest

from lexmax.errors import CorruptionError, InputError
from lexmax.passages import PassagePlan, Rows, split
from lexmax.types import Document


def pieces(text: str, window: int, stride: int) -> list[str]:
    return [text[start:stop] for start, stop in split(text, PassagePlan(window, stride))]


def test_passages_begin_and_end_with_sentences() -> None:
    # Four tokens a sentence: three words and a point.
    text = "One two cat. One two dog. One two cow. One two pig. One two hen."
    assert pieces(text, 9, 5) == [
        "One two cat. One two dog.",
        "One two dog. One two cow.",
        "One two cow. One two pig.",
        "One two pig. One two hen.",
    ]
    assert pieces(text, 9, 9) == [
        "One two cat. One two dog.",
        "One two cow. One two pig.",
        "One two hen.",
    ]


def test_where_no_sentence_ends_passages_begin_with_words() -> None:
    text = "longerword another lastword someword"  # two tokens each
    assert pieces(text, 3, 3) == ["longerword", "another", "lastword", "someword"]
    assert pieces(text, 5, 3) == ["longerword another", "another lastword", "lastword someword"]


def test_a_word_without_end_is_cut_between_tokens() -> None:
    text = "x" * 60
    assert pieces(text, 3, 2) == ["x" * 18, "x" * 18, "x" * 18, "x" * 18, "x" * 12]
    assert split(text, PassagePlan(3, 2))[1] == (12, 30)


def test_a_small_letter_goes_on_with_a_sentence() -> None:
    # "e.g." is no end: the passage of at most eight tokens ends at a word instead.
    assert pieces("He is, e.g. here now. And so on, too.", 8, 8)[0] == "He is, e.g. here"
    assert pieces("He is, etc. Now here is one more.", 7, 7)[0] == "He is, etc."


@pytest.mark.parametrize(
    ("text", "window", "ends"),
    [
        ('He said "Go." Then he went on and on.', 7, 'He said "Go."'),
        ("One line here\n\nand another line of it", 5, "One line here"),
        ("Is it so? Yes it is so, I think.", 7, "Is it so?"),
    ],
)
def test_ends_of_sentences(text: str, window: int, ends: str) -> None:
    assert pieces(text, window, window)[0] == ends


def test_scripts_without_spaces_are_split_at_their_points() -> None:
    text = "今日は晴れです。明日も晴れです。明後日は雨です。"
    assert pieces(text, 18, 18) == ["今日は晴れです。明日も晴れです。", "明後日は雨です。"]


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000"])
def test_an_empty_text_is_one_empty_passage(text: str) -> None:
    assert split(text, PassagePlan(5, 5)) == [(0, 0)]


def test_a_short_text_is_one_passage_without_the_white_space_around_it() -> None:
    assert split("  a short text \n", PassagePlan(3, 1)) == [(2, 14)]


def test_the_title_stands_before_every_passage() -> None:
    documents = [
        Document("a", "one two. Three four.", "Title"),
        Document("b", ""),
        Document("c", ""),
    ]
    rows = Rows.of(documents, PassagePlan(3, 3))
    assert rows.texts == ["Title one two.", "Title Three four.", "", ""]
    assert rows.places.tolist() == [0, 0, 1, 2]
    assert rows.spans is not None
    assert rows.spans.tolist() == [[0, 8], [9, 20], [0, 0], [0, 0]]


def test_without_a_plan_a_row_is_a_document() -> None:
    rows = Rows.of([Document("a", "one two. Three four.", "Title")], None)
    assert (rows.texts, rows.spans) == (["Title one two. Three four."], None)
    assert rows.places.tolist() == [0]


def test_a_plan_survives_json_and_text() -> None:
    plan = PassagePlan(200, 50)
    assert PassagePlan.from_json(plan.to_json()) == plan == PassagePlan.parse("200/50")
    assert PassagePlan.from_json(None) is None


@pytest.mark.parametrize(
    "text", ["", "180", "180/", "/90", "90/180", "0/0", "-5/3", "1e3/5", "5/3/1"]
)
def test_a_text_that_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"expected .*180/90"):
        PassagePlan.parse(text)


@pytest.mark.parametrize(
    ("window", "stride"), [(3, 4), (0, 0), (200_000, 5), (True, True), (9.0, 3)]
)
def test_a_plan_that_splits_nothing_is_refused(window: int, stride: int) -> None:
    with pytest.raises(InputError, match="1 <= stride <= window"):
        PassagePlan(window, stride)


@pytest.mark.parametrize(
    "written", [5, [], {"window": 5}, {"window": 3, "stride": 9}, {"window": "5"}]
)
def test_a_catalog_that_says_no_plan_is_damaged(written: object) -> None:
    with pytest.raises(CorruptionError, match="plan of passages"):
        PassagePlan.from_json(written)  # type: ignore[arg-type]
