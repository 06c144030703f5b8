"""Lines that arrive in any pieces, and what is stored of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.index.document_rows import UpsertCount
from lexmax.lines import Line
from lexmax.service.document_lines import LineSplitter, LineStore, StreamOptions
from lexmax.service.problems import Refusal

GOOD = b'{"doc_id": "%s", "text": "a cat"}'


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    with Collection.create(
        tmp_path / "ix", multivector=None, fields={"year": "integer"}, encoders=cheap_encoders
    ) as collection:
        yield collection


def store(on_error: str = "stop") -> LineStore:
    options = StreamOptions.of({"on_error": on_error})
    return LineStore(options, longest=100, max_depth=8)


def lines(*contents: bytes) -> list[Line]:
    return [Line(n, content) for n, content in enumerate(contents, start=1)]


@given(
    strategies.lists(strategies.binary(max_size=6), max_size=12),
    strategies.integers(1, 5),
    strategies.booleans(),
)
def test_pieces_give_the_lines_of_the_whole(
    contents: list[bytes], step: int, ends_with_newline: bool
) -> None:
    # A byte order mark is one at the beginning alone.
    contents = [b"x", *(one.replace(b"\n", b"") for one in contents)]
    whole = b"\n".join(contents) + (b"\n" if ends_with_newline else b"")
    split = LineSplitter(4)
    found = [
        line for at in range(0, len(whole), step) for line in split.feed(whole[at : at + step])
    ]
    found += split.end()
    expected = [
        (n, line.removesuffix(b"\r") if len(line) <= 4 else b"", len(line) <= 4)
        for n, line in enumerate(whole.split(b"\n"), start=1)
        if len(line) > 4 or line.strip()
    ]
    assert [(line.number, line.content, line.whole) for line in found] == expected


def test_a_mark_at_the_beginning_is_no_text() -> None:
    assert LineSplitter(9).feed(b"\xef\xbb\xbf{}\r\n\r\n") == [Line(1, b"{}")]


def test_a_long_line_is_not_held() -> None:
    split = LineSplitter(10)
    for _ in range(1000):
        assert split.feed(b"a" * 100) == []
        assert split.n_held <= 10
    assert split.feed(b"\nb") == [Line(1, b"", whole=False)]


def test_what_cannot_be_stored_is_told_and_the_rest_is_stored(collection: Collection) -> None:
    found = store("skip").commit(
        [
            *lines(
                GOOD % b"a",
                b"nope",
                b'{"doc_id": "b"}',
                b'{"doc_id": "b", "text": "x", "doc_id": "c"}',
                b'{"doc_id": "d", "text": "x", "metadata": {"year": "old"}}',
                b'{"doc_id": "bad\\u0001", "text": "x"}',
                GOOD % b"e",
            ),
            Line(8, b"", whole=False),
        ],
        collection,
    )
    assert (found.line, found.count) == (8, UpsertCount(added=2))
    assert [(one.line, one.code) for one in found.rejects] == [
        (2, "malformed_json"),
        (3, "invalid_request"),
        (4, "malformed_json"),
        (5, "document_invalid"),
        (6, "document_invalid"),
        (8, "document_invalid"),
    ]
    assert collection.get(["a", "e", "d"])[2] is None
    assert collection.n_docs == 2


@pytest.mark.parametrize("bad", [b"nope", b'{"doc_id":"b","text":"","metadata":{"year":"old"}}'])
@pytest.mark.parametrize("place", [0, 1, 4, 7])
def test_at_a_stop_what_came_before_is_stored_and_nothing_after(
    collection: Collection, bad: bytes, place: int
) -> None:
    contents = [GOOD % str(i).encode() for i in range(8)]
    contents[place] = bad
    found = store().commit(lines(*contents), collection)
    assert (found.line, found.count) == (place + 1, UpsertCount(added=place))
    assert [one.line for one in found.rejects] == [place + 1]
    stored = collection.get([str(i) for i in range(8)])
    assert [one is not None for one in stored] == [i < place for i in range(8)]


def test_a_reason_repeats_nothing_of_a_text(collection: Collection) -> None:
    found = store("skip").commit(
        lines(b'{"doc_id": "a", "text": ["quetzal"]}', b'{"quetzal'), collection
    )
    assert len(found.rejects) == 2
    assert "quetzal" not in str(found.rejects)


def test_a_query_string_is_strict() -> None:
    assert StreamOptions.of({}) == StreamOptions()
    assert StreamOptions.of({"wait": "false", "on_error": "skip"}).wait is False
    for said in ({"on_error": "maybe"}, {"wait": "perhaps"}, {"other": "1"}):
        with pytest.raises(Refusal, match="query string"):
            StreamOptions.of(said)
