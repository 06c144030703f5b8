import math

import orjson
import pytest

from lexmax.encoders.training.example import (
    BadLineError,
    Candidate,
    Example,
    from_columns,
    from_json,
    text_of,
    to_json,
)


def read(value: object, **fields: str) -> Example:
    return from_json(orjson.dumps(value), fields)


def texts(example: Example) -> tuple[list[str], list[str]]:
    return [one.text for one in example.positives], [one.text for one in example.negatives]


def test_pairs_and_triples() -> None:
    assert texts(read({"query": "q", "pos": "p"})) == (["p"], [])
    assert texts(read({"query": "q", "pos": ["p", "r"], "neg": ["n", ""]})) == (["p", "r"], ["n"])


def test_members_of_other_names() -> None:
    found = read({"title": " a title ", "text": "body"}, query="title", pos="text")
    assert (found.query, texts(found)) == ("a title", (["body"], []))


def test_documents_as_objects_and_ids_as_numbers() -> None:
    found = read({"query": 7, "pos": {"title": "T", "text": "body"}, "neg": [3]})
    assert (found.query, texts(found)) == ("7", (["T body"], ["3"]))


def test_a_list_with_scores_begins_with_the_positive() -> None:
    found = read({"query": "q", "docs": ["p", "a", "b"], "scores": [3, 2.5, None]})
    assert found.positives == (Candidate("p", 3.0),)
    assert found.negatives[0] == Candidate("a", 2.5)
    assert math.isnan(found.negatives[1].score)


def test_scores_beside_positives_and_negatives() -> None:
    line = {"query": "q", "pos": ["p"], "neg": ["a", "b"], "pos_scores": [1], "neg_scores": [0, -2]}
    found = read(line)
    assert [one.score for one in (*found.positives, *found.negatives)] == [1.0, 0.0, -2.0]


def test_a_negative_that_says_the_same_as_a_positive_is_none() -> None:
    assert texts(read({"query": "q", "docs": ["p", "p", "a"], "scores": [1, 2, 3]})) == (
        ["p"],
        ["a"],
    )


def test_what_is_written_reads_the_same() -> None:
    example = Example(
        "q", (Candidate("p", 0.1, 3),), (Candidate("a", -1.5, 1), Candidate("b", 2.0))
    )
    assert from_json(to_json(example), {}) == example


def test_columns() -> None:
    assert texts(from_columns(b"q\tp\tn1\tn2")) == (["p"], ["n1", "n2"])
    assert from_columns("ä\tö".encode()).query == "ä"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"[1]", "not an object"),
        (b'{"pos": "p"}', "no query"),
        (b'{"query": " ", "pos": "p"}', "query is empty"),
        (b'{"query": "q"}', "no pos"),
        (b'{"query": "q", "pos": []}', "no pos"),
        (b'{"query": "q", "pos": ""}', "no pos"),
        (b'{"query": "q", "pos": [1.5]}', r"pos\[0\] is float; expected text"),
        (b'{"query": true, "pos": "p"}', "query is bool"),
        (b'{"query": "q", "docs": []}', "docs begins with no text"),
        (b'{"query": "q", "docs": ["", "a"]}', "docs begins with no text"),
        (b'{"query": "q", "docs": ["p", "a"], "scores": [1]}', "scores of docs are 1; expected 2"),
        (b'{"query": "q", "docs": ["p"], "scores": ["x"]}', "hold 'x'; expected numbers"),
        (b'{"query": "q", "docs": ["p"], "scores": [true]}', "hold True; expected numbers"),
        (b'{"query": "q", "docs": ["p"], "scores": [1e999]}', "not JSON|expected numbers"),
    ],
)
def test_broken_lines(line: bytes, reason: str) -> None:
    with pytest.raises(BadLineError, match=reason):
        from_json(line, {})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"q", "1 column"),
        (b"\tp", "query is empty"),
        (b"q\t", "positive is empty"),
        (b"\xff\t", "UTF"),
    ],
)
def test_broken_columns(line: bytes, reason: str) -> None:
    with pytest.raises(BadLineError, match=reason):
        from_columns(line)


def test_title_and_text_are_joined() -> None:
    assert text_of({"title": "a", "text": "b"}) == "a b"
    assert text_of({"title": "", "contents": "b"}) == "b"
    assert text_of({"title": "a"}) == "a"
    assert text_of({"other": "b"}) is None
