from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lexmax.encoders import inference_free
from lexmax.encoders.inference_free import InferenceFree, TermTable, piece_of
from lexmax.encoders.pieces import Pieces
from lexmax.errors import EncoderError


@pytest.fixture(scope="module")
def pieces(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    folder = tmp_path_factory.mktemp("tokenizer")
    tiny_checkpoints.word_piece_tokenizer().save_pretrained(folder)
    return Pieces(folder / "tokenizer.json")


@pytest.fixture(scope="module")
def weights(tiny_checkpoints: ModuleType) -> np.ndarray:
    return tiny_checkpoints.table_weights(200).numpy()


def named(table: TermTable, text: str) -> dict[str, float]:
    term_ids, found = table.encode([text]).row(0)
    names = [table.pieces.names[term_id] for term_id in term_ids.tolist()]
    return dict(zip(names, found.tolist(), strict=True))


def test_each_piece_weighs_what_the_table_says(pieces: Pieces, weights: np.ndarray) -> None:
    found = named(TermTable(pieces, weights), "The cats: the dog")
    expected = {name: float(weights[i]) for i, name in pieces.names.items()}
    assert found == {name: expected[name] for name in ("the", "cat", "##s", "dog")}


def test_repeated_pieces_count_once_or_each_time(pieces: Pieces, weights: np.ndarray) -> None:
    once = named(TermTable(pieces, weights), "cat cat dog cat")
    each = named(TermTable(pieces, weights, duplicates="sum"), "cat cat dog cat")
    assert each == pytest.approx({"cat": 3 * once["cat"], "dog": once["dog"]})


def test_the_order_of_words_does_not_count(pieces: Pieces, weights: np.ndarray) -> None:
    table = TermTable(pieces, weights, duplicates="sum")
    assert named(table, "the risk of a cat") == named(table, "cat a of risk the")


def test_pieces_of_no_weight_are_left_out(pieces: Pieces) -> None:
    weights = np.zeros(200, np.float32)
    weights[22], weights[23] = 1.5, -2
    assert named(TermTable(pieces, weights), "the cat and the dog [SEP] ɸ") == {"cat": 1.5}
    assert named(TermTable(pieces, weights), "the dog") == {}


def test_only_the_first_pieces_are_read(pieces: Pieces, weights: np.ndarray) -> None:
    table = TermTable(pieces, weights, max_tokens=3)
    assert set(named(table, "the cats dog")) == {"the", "cat", "##s"}
    long = TermTable(pieces, weights, max_tokens=3)
    assert named(long, "the cats dog " * 10_000) == named(table, "the cats dog")


def test_a_prompt_stands_before_texts_that_have_pieces(pieces: Pieces, weights: np.ndarray) -> None:
    table = TermTable(pieces, weights, prompt="search: ")
    assert {"search", "cat"} <= set(named(table, "cat"))
    assert named(table, " ") == {}


def test_words_that_were_seen_give_what_they_gave(pieces: Pieces, weights: np.ndarray) -> None:
    texts = ["the cats fall", "cats", "the  cats \n fall", "東京 cats CAFÉ cafe\u0301", "x" * 99]
    table = TermTable(pieces, weights)
    first = [named(table, text) for text in texts]
    assert [named(table, text) for text in texts] == first
    assert first == [named(TermTable(pieces, weights), text) for text in texts]


def test_what_is_remembered_of_words_is_bounded(
    pieces: Pieces, weights: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_free, "_MAX_KNOWN_WORDS", 10)
    table = TermTable(pieces, weights)
    for i in range(100):
        table.encode([f"word{i} cat {'x' * 70} é{i}"])
        assert len(table._known) <= 10
    assert named(table, "cat word3") == named(TermTable(pieces, weights), "word3 cat")


def test_both_sides_are_encoded_alike(pieces: Pieces, weights: np.ndarray) -> None:
    encoder = InferenceFree("idf:x", "f", TermTable(pieces, weights))
    nothing: Any = None
    documents, queries = encoder.encode_documents(["cat"]), encoder.encode_queries(["cat"], nothing)
    assert documents.weights.tolist() == queries.weights.tolist()


def test_a_term_that_is_none_is_refused(pieces: Pieces) -> None:
    assert piece_of(5, pieces.names) == "the"
    with pytest.raises(EncoderError, match="term 200 is none of the 200 pieces"):
        piece_of(200, pieces.names)


@pytest.mark.parametrize(
    ("weights", "values", "message"),
    [
        (np.ones(199, np.float32), {}, r"shape \(199,\) for a vocabulary of 200 pieces"),
        (np.ones((200, 2), np.float32), {}, r"shape \(200, 2\)"),
        (np.full(200, np.nan, np.float32), {}, "NaN or infinity"),
        (np.ones(200, np.float32), {"duplicates": "max"}, "duplicates is 'max'; expected set"),
        (np.ones(200, np.float32), {"max_tokens": 0}, "max_tokens is 0"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(
    pieces: Pieces, weights: np.ndarray, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(EncoderError, match=message):
        TermTable(pieces, weights, **values)


def test_byte_pairs_are_looked_up_too(tiny_checkpoints: ModuleType, tmp_path: Path) -> None:
    tiny_checkpoints.byte_pair_tokenizer().save_pretrained(tmp_path)
    pieces = Pieces(tmp_path / "tokenizer.json")
    table = TermTable(pieces, np.arange(400, dtype=np.float32))
    found = table.encode(["the cat the cat"]).term_ids.tolist()
    assert found == sorted(set(pieces.ids("the cat the cat")))
