import pytest

from lexmax.service.problems import Refusal
from lexmax.service.strict_json import parse

ABUSES = {
    "not a number": b'{"k": NaN}',
    "infinity": b'{"k": -Infinity}',
    "a number past float64": b'{"k": 1e400}',
    "an integer of 5,000 digits": b"9" * 5000,
    "a lone surrogate": b'{"query": "\\ud800"}',
    "U+0000 in a text": b'{"query": "a\\u0000b"}',
    "U+0000 in a name": b'{"a\\u0000": 1}',
    "raw U+0000": b'{"query": "\x00"}',
    "a name twice": b'{"k": 1, "k": 2}',
    "a name twice, deep": b'[{"a": [{"b": 1, "b": {}}]}]',
    "a name twice, once escaped": b'{"k": 1, "\\u006b": 2}',
    "UTF-16": '{"k": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "not UTF-8": b'{"query": "\xff"}',
    "two values": b"{} {}",
    "a trailing comma": b'{"k": 1,}',
    "single quotes": b"{'k': 1}",
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "65 levels": b"[" * 65 + b"]" * 65,
    "half a value": b'{"k": ',
}


@pytest.mark.parametrize("content", ABUSES.values(), ids=ABUSES.keys())
def test_what_readers_disagree_about_is_refused(content: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        parse(content, max_depth=64)
    assert refusal.value.problem.status == 400
    assert len(refusal.value.detail) < 300


def test_what_stands_in_texts_is_no_abuse() -> None:
    content = (
        b'{"a": ": \\" : {\\"k\\": 1, \\"k\\": 2}", ":": "\\\\u0000", "b": ["::", ":\\\\"], '
        b'"\\"": ":)"}'
    )
    assert parse(content, max_depth=3) == {
        "a": ': " : {"k": 1, "k": 2}',
        ":": "\\u0000",
        "b": ["::", ":\\"],
        '"': ":)",
    }


def test_depth_counts_levels_of_values() -> None:
    assert parse(b"[[1]]", max_depth=3) == [[1]]
    with pytest.raises(Refusal, match="deeper than 2"):
        parse(b"[[1]]", max_depth=2)


def test_the_same_name_in_two_mappings_is_no_repetition() -> None:
    assert parse(b'[{"k": 1}, {"k": {"k": 2}}]', max_depth=64) == [{"k": 1}, {"k": {"k": 2}}]
