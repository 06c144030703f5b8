import sys

import pytest

from lexmax.encoders.analysis import ENGLISH_STOP_WORDS, Analyzer
from lexmax.errors import EncoderError

ANALYZER = Analyzer()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n?!… ", []),
        ("Vitamin-D3, in 2,000 IU", ["vitamin", "d3", "in", "2", "000", "iu"]),
        ("snake_case don't", ["snake", "case", "don", "t"]),
        ("Straße ΣΊΣΥΦΟΣ", ["strasse", "σίσυφοσ"]),
        ("ＦＵＬＬ１２ ﬁle ²", ["full12", "file", "2"]),  # noqa: RUF001
        ("cafe\u0301 café", ["café", "café"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("العَرَبِيَّة", ["العَرَبِيَّة"]),
        ("co\u00adoperate می\u200cخواهم", ["cooperate", "میخواهم"]),  # noqa: RUF001
        ("1\ufe0f\u20e3 ❤\ufe0f 👩\u200d🔬 ok", ["1", "ok"]),
        ("zero\u200bwidth", ["zero", "width"]),
        ("a\u0301\u0302b", ["á\u0302b"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert ANALYZER.words(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("東京大学", ["東京", "京大", "大学"]),
        ("猫", ["猫"]),
        ("Python入門3版", ["python", "入門", "3", "版"]),
        ("ﾃﾞｰﾀ", ["デー", "ータ"]),
        ("時々、人々", ["時々", "人々"]),
        ("검색 엔진", ["검색", "엔진"]),
        ("ภาษา ๑๒", ["ภา", "าษ", "ษา", "๑๒"]),
        ("café 東京", ["café", "東京"]),
    ],
)
def test_scripts_without_spaces_give_pairs(text: str, words: list[str]) -> None:
    assert ANALYZER.words(text) == words


@pytest.mark.parametrize("letter", ["a", "é"])
def test_an_endless_word_is_cut(letter: str) -> None:
    assert [len(word) for word in ANALYZER.words(letter * 600)] == [255, 255, 90]


def test_a_lone_surrogate_separates_words() -> None:
    assert ANALYZER.words("a\ud800b") == ["a", "b"]


def test_stop_words_give_no_term() -> None:
    assert ANALYZER.terms("The cat is on THE mat") == ["cat", "mat"]
    assert Analyzer("none").terms("The cat") == ["the", "cat"]
    assert len(ENGLISH_STOP_WORDS) == 33


def test_stemmer_joins_inflections_and_meets_stop_words_first() -> None:
    english = Analyzer(stemmer="english")
    assert english.terms("These runs were running") == ["run", "were", "run"]


def test_unknown_stop_words_and_stemmer_are_refused_with_what_exists() -> None:
    with pytest.raises(EncoderError, match="'klingon' is not known; expected one of english, none"):
        Analyzer("klingon")
    with pytest.raises(EncoderError, match=r"'klingon' is not known; expected .* english, .*turk"):
        Analyzer(stemmer="klingon")


def test_missing_stemmer_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(EncoderError, match=r"pip install lexmax\[stem\]"):
        Analyzer(stemmer="english")
