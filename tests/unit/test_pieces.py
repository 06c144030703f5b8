import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lexmax.encoders.pieces import Pieces
from lexmax.errors import EncoderError


@pytest.fixture(scope="module")
def berts(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("berts")
    tiny_checkpoints.word_piece_tokenizer().save_pretrained(folder)
    return folder / "tokenizer.json"


@pytest.fixture(scope="module")
def robertas(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("robertas")
    tiny_checkpoints.byte_pair_tokenizer().save_pretrained(folder)
    return folder / "tokenizer.json"


def names(pieces: Pieces, ids: Any) -> list[str]:
    return [pieces.names[int(piece_id)] for piece_id in ids]


def test_word_pieces_and_their_markers(berts: Path) -> None:
    pieces = Pieces(berts)
    assert pieces.splits_at_spaces
    assert pieces.n_markers == 2
    assert names(pieces, pieces.marked("The cats, the dog", 48)) == [
        "[CLS]", "the", "cat", "##s", ",", "the", "dog", "[SEP]",
    ]  # fmt: skip
    assert names(pieces, pieces.marked("The cats, the dog", 5)) == [
        "[CLS]", "the", "cat", "##s", "[SEP]",
    ]  # fmt: skip
    assert pieces.first("the cat the dog", 2).tolist() == pieces.ids("the cat")


def test_byte_pairs_and_their_markers(robertas: Path) -> None:
    pieces = Pieces(robertas)
    assert not pieces.splits_at_spaces
    marked = names(pieces, pieces.marked("the cat", 48))
    assert (marked[0], marked[-1]) == ("<s>", "</s>")
    assert "".join(marked[1:-1]).replace("\u0120", " ") == "the cat"
    assert len(pieces.marked("the cat " * 99, 10)) == 10


@pytest.mark.parametrize("text", ["", " \n", "\x00"])
def test_texts_without_pieces_have_no_markers_either(berts: Path, text: str) -> None:
    assert len(Pieces(berts).marked(text, 48)) == 0


def test_names_of_special_tokens_are_text(berts: Path) -> None:
    pieces = Pieces(berts)
    assert not {2, 3, 4} & set(pieces.ids("[CLS] [SEP] [MASK]"))


def test_a_lone_surrogate_reads_as_a_question_mark(berts: Path) -> None:
    pieces = Pieces(berts)
    assert pieces.ids("a\ud800") == pieces.ids("a?")


def test_texts_are_lower_cased_where_that_is_wanted(
    tiny_checkpoints: ModuleType, tmp_path: Path
) -> None:
    from transformers import BertTokenizer

    known = {name: i for i, name in enumerate(tiny_checkpoints.vocabulary())}
    cased: Any = BertTokenizer(vocab=known, do_lower_case=False)  # type: ignore[arg-type]
    cased.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    assert names(Pieces(path), Pieces(path).first("The CAT", 9)) == ["[UNK]", "[UNK]"]
    lowering = Pieces(path, lower_case=True)
    assert names(lowering, lowering.first("The CAT", 9)) == ["the", "cat"]
    assert lowering.vocabulary_hash == Pieces(path).vocabulary_hash


def test_the_vocabulary_hash_follows_names_and_ids(
    tiny_checkpoints: ModuleType, tmp_path: Path, berts: Path
) -> None:
    own = tiny_checkpoints.vocabulary()
    seen = [Pieces(berts).vocabulary_hash]
    for pieces in (own, [*own[:-2], own[-1], own[-2]], [*own, "more"], [*own[:-1], "other"]):
        tiny_checkpoints.word_piece_tokenizer(pieces).save_pretrained(tmp_path)
        seen.append(Pieces(tmp_path / "tokenizer.json").vocabulary_hash)
    assert seen[0] == seen[1]
    assert len(set(seen)) == 4


def test_pieces_that_could_reach_over_a_space_are_looked_for_in_the_whole_text(
    berts: Path, tmp_path: Path
) -> None:
    written = json.loads(berts.read_text())
    added = {**written["added_tokens"][0], "id": 200, "content": "cat dog", "special": False}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**written, "added_tokens": [*written["added_tokens"], added]}))
    pieces = Pieces(path)
    assert not pieces.splits_at_spaces
    assert names(pieces, pieces.first("the cat dog", 9)) == ["the", "cat dog"]


def test_truncation_and_padding_of_the_file_do_not_count(berts: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(berts))
    tokenizer.enable_truncation(max_length=3)
    tokenizer.enable_padding(length=20)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    pieces = Pieces(tmp_path / "tokenizer.json")
    assert pieces.ids("the cat and the dog") == Pieces(berts).ids("the cat and the dog")
    assert pieces.n_markers == 2


def test_missing_and_damaged_files_are_refused(berts: Path, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(EncoderError, match=r"lacks tokenizer\.json.*save_pretrained"):
        Pieces(path)
    path.write_bytes(berts.read_bytes()[:-100])
    with pytest.raises(EncoderError, match=r"tokenizer\.json is damaged .* download it again"):
        Pieces(path)
