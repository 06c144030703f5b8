import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from lexmax.encoders.pair_texts import PairTemplate, PairTexts
from lexmax.errors import EncoderError

VOCABULARY = {"[CLS]": 0, "[SEP]": 1, "a": 2, "b": 3, "c": 4}


def tokenizer(pair: str | None) -> Tokenizer:
    made = Tokenizer(models.WordLevel(VOCABULARY, unk_token="c"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if pair is not None:
        special = [("[CLS]", 0), ("[SEP]", 1)]
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair=pair, special_tokens=special
        )
    return made


class Words:
    before = after = np.empty(0, dtype=np.int64)

    def first(self, text: str, limit: int) -> NDArray[np.int64]:
        return np.array(tokenizer(None).encode(text).ids[:limit], dtype=np.int64)


@pytest.mark.parametrize(
    ("pair", "ids", "types"),
    [
        ("[CLS] $A [SEP] $B:1 [SEP]:1", [0, 2, 1, 3, 4, 1], [0, 0, 0, 1, 1, 1]),
        ("[CLS] $A [SEP] [SEP] $B [SEP]", [0, 2, 1, 1, 3, 4, 1], [0] * 7),
        ("$A $B", [2, 3, 4], [0, 0, 0]),
    ],
    ids=["BERT", "RoBERTa", "none"],
)
def test_templates_are_those_of_the_tokenizer(pair: str, ids: list[int], types: list[int]) -> None:
    template = PairTemplate.of(tokenizer(pair))
    (row,) = PairTexts(Words(), template, 12).rows("a", ["b c"])
    assert row is not None
    assert row.ids.tolist() == ids
    assert row.types.tolist() == types
    whole = tokenizer(pair).encode("a", "b c")
    assert (whole.ids, whole.type_ids) == (ids, types)


def test_a_template_that_puts_the_document_first_is_refused() -> None:
    with pytest.raises(EncoderError, match="does not put a second text behind the first"):
        PairTemplate.of(tokenizer("[CLS] $B [SEP] $A [SEP]"))


def test_a_prompt_stands_before_the_query() -> None:
    template = PairTemplate.of(tokenizer("[CLS] $A [SEP] $B [SEP]"))
    texts = PairTexts(Words(), template, 12, prompt="c ")
    rows = texts.rows("a", ["b", ""])
    assert rows[0] is not None
    assert rows[0].ids.tolist() == [0, 4, 2, 1, 3, 1]
    assert rows[1] is None
    assert texts.rows("", ["b", "c"]) == [None, None]
    assert texts.rows("a", []) == []


@pytest.mark.parametrize("max_tokens", [0, 4])
def test_there_must_be_room_for_two_texts(max_tokens: int) -> None:
    template = PairTemplate.of(tokenizer("[CLS] $A [SEP] $B [SEP]"))
    with pytest.raises(EncoderError, match=f"pairs have {max_tokens} tokens at most; expected 5"):
        PairTexts(Words(), template, max_tokens)
