import gzip
import io
import os
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from lexmax import lines as lines_module
from lexmax.corpus import Reject, read_documents, total_bytes
from lexmax.errors import CorpusError
from lexmax.types import Document


def read(*sources: str | Path) -> tuple[list[Document], list[Reject]]:
    rejects: list[Reject] = []
    return list(read_documents(sources, on_reject=rejects.append)), rejects


def written(path: Path, *lines: dict[str, Any] | bytes) -> Path:
    contents = [line if isinstance(line, bytes) else orjson.dumps(line) for line in lines]
    path.write_bytes(b"".join(content + b"\n" for content in contents))
    return path


def test_beir(tmp_path: Path) -> None:
    path = written(
        tmp_path / "corpus.jsonl",
        {"_id": "1", "title": "T", "text": "one"},
        {"_id": "2", "text": "", "title": ""},
    )
    assert read(path) == ([Document("1", "one", "T"), Document("2", "")], [])


@pytest.mark.parametrize("id_name", ["_id", "id", "doc_id", "docid"])
@pytest.mark.parametrize("text_name", ["text", "contents", "body"])
def test_other_names(tmp_path: Path, id_name: str, text_name: str) -> None:
    path = written(tmp_path / "x.jsonl", {id_name: "a/é 😀", text_name: "words"})
    assert read(path) == ([Document("a/é 😀", "words")], [])


def test_everything_else_is_metadata(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x.jsonl",
        {"id": 7, "text": "t", "year": 2020, "tags": ["a"], "metadata": {"lang": "en", "year": 1}},
        {"id": "8", "text": "t", "metadata": None, "contents": "other", "x": None},
        {"id": "9", "text": "t", "metadata": "plain"},
    )
    documents, rejects = read(path)
    assert rejects == []
    assert [document.doc_id for document in documents] == ["7", "8", "9"]
    assert [document.metadata for document in documents] == [
        {"year": 1, "tags": ["a"], "lang": "en"},
        {"contents": "other", "x": None},
        {"metadata": "plain"},
    ]


def test_a_title_alone_is_enough(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", {"_id": "1", "title": "T"}, {"_id": "2", "title": ""})
    assert read(path)[0] == [Document("1", "", "T"), Document("2", "")]


def test_null_title_and_first_name_that_is_not_null(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", {"_id": None, "id": "1", "title": None, "body": "b"})
    assert read(path)[0][0].text == "b"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"_id": "1", "text": "cut', "not JSON (unexpected end of data"),
        (b"plain text", "not JSON"),
        (b'{"_id": "1", "text": NaN}', "not JSON"),
        (b'{"_id": "1", "text": "\\ud800"}', "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b'["1", "text"]', "not an object"),
        (b"null", "not an object"),
        (b'{"_id": "1", "text": "\xff\xfe"}', "not UTF-8 at byte 22"),
        (b'{"text": "words"}', "no id; expected a member called _id or id or doc_id or docid"),
        (b'{"_id": "1"}', "no text; expected a member called text or contents or body"),
        (b'{"_id": "1", "text": null}', "no text"),
        (b'{"_id": "1", "title": null}', "no text"),
        (b'{"_id": true, "text": "t"}', "_id is bool; expected text or a whole number"),
        (b'{"_id": 1.5, "text": "t"}', "_id is float"),
        (b'{"_id": ["1"], "text": "t"}', "_id is list"),
        (b'{"_id": "1", "text": 5}', "text is int; expected text"),
        (b'{"_id": "1", "text": "t", "title": ["T"]}', "title is list; expected text"),
        (b'{"_id": "", "text": "t"}', "has 0 bytes"),
        (b'{"_id": "a\\nb", "text": "t"}', "control character"),
        (b'{"_id": "%s", "text": "t"}' % (b"x" * 600), "has 600 bytes"),
    ],
)
def test_a_bad_line_is_rejected_and_the_next_is_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    path = written(tmp_path / "x.jsonl", b"", line, {"_id": "good", "text": "t"})
    documents, (reject,) = read(path)
    assert documents == [Document("good", "t")]
    assert reason in reject.reason
    assert (reject.source, reject.line_number) == (str(path), 2)


def test_a_rejected_line_is_shown_cut_and_printable(tmp_path: Path) -> None:
    _, rejects = read(written(tmp_path / "x.jsonl", b"\xff\x00" + b"x" * 5000, b"\xc3\xa9" * 300))
    assert rejects[0].line == "\\xff\x00" + "x" * 195
    assert rejects[1].line == "é" * 200
    orjson.dumps([reject.line for reject in rejects])


def test_a_line_that_is_too_long_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "LONGEST_LINE", 100_000)
    path = written(
        tmp_path / "x.jsonl", {"_id": "1", "text": "x" * 200_000}, {"_id": "2", "text": "t"}
    )
    documents, (reject,) = read(path)
    assert [document.doc_id for document in documents] == ["2"]
    assert reject.reason == "line is longer than 64 MiB"


def test_a_text_of_a_megabyte_is_read(tmp_path: Path) -> None:
    text = "word " * 200_000
    assert read(written(tmp_path / "x.jsonl", {"_id": "1", "text": text}))[0][0].text == text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('1\ttext, “quoted” "as is"', Document("1", 'text, “quoted” "as is"')),
        ("1\t", Document("1", "")),
        ("1\tTitle\ttext", Document("1", "text", "Title")),
        ("D1\thttp://x\tTitle\ttext", Document("D1", "text", "Title", {"url": "http://x"})),
        ("D1\t\tTitle\ttext", Document("D1", "text", "Title")),
    ],
)
def test_tables(tmp_path: Path, line: str, expected: Document) -> None:
    assert read(written(tmp_path / "collection.tsv", line.encode())) == ([expected], [])


def test_rows_of_a_table_that_differ_are_rejected(tmp_path: Path) -> None:
    path = written(tmp_path / "x.tsv", b"1\tone", b"2", b"3\ta\tb", b"\xff\tx", b"\ttext", b"4\td")
    documents, rejects = read(path)
    assert [document.doc_id for document in documents] == ["1", "4"]
    assert [reject.line_number for reject in rejects] == [2, 3, 4, 5]
    assert rejects[0].reason == "1 columns; expected 2, as in the first line"
    assert rejects[2].reason.startswith("not UTF-8 at byte 0")


def test_a_table_of_five_columns_is_rejected(tmp_path: Path) -> None:
    _, (reject,) = read(written(tmp_path / "x.tsv", b"1\t2\t3\t4\t5"))
    assert "expected 2 (id, text), 3 (id, title, text) or 4" in reject.reason


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_windows_files(tmp_path: Path, ends: bytes, mark: bytes) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(mark + ends.join([b"1\tone", b"", b"2\ttwo", b""]))
    assert read(path) == ([Document("1", "one"), Document("2", "two")], [])


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("corpus.jsonl", b'{"_id":"1","text":"t"}\n'), ("collection.tsv", b"1\tt\n")],
)
def test_folders_and_compressed_files(
    tmp_path: Path, name: str, content: bytes, suffix: str
) -> None:
    compress = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
    (tmp_path / "queries.jsonl").write_bytes(b"not the corpus")
    path = tmp_path / (name + suffix)
    path.write_bytes(compress[suffix](content))
    assert read(tmp_path) == read(path) == ([Document("1", "t")], [])
    assert total_bytes([tmp_path]) == path.stat().st_size


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\n  {"_id":"1","text":"t"}\n', [Document("1", "t")]),
        (b"1\tt\n", [Document("1", "t")]),
        (gzip.compress(b"1\tt\n"), [Document("1", "t")]),
        (b"", []),
    ],
)
def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, content: bytes, expected: list[Document]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert read("-") == (expected, [])
    assert not sys.stdin.buffer.closed


def test_progress_reaches_the_total_over_all_sources(tmp_path: Path) -> None:
    first = written(tmp_path / "a.jsonl", *({"_id": i, "text": "x" * 5000} for i in range(200)))
    second = written(tmp_path / "b.tsv", b"b\tone")
    seen: list[int] = []
    for _ in read_documents([first, second], on_reject=print, progress=seen.append):
        pass
    assert seen == sorted(seen)
    assert len(seen) > 3
    assert seen[-1] == total_bytes([first, second])


def test_total_is_unknown_for_what_is_not_a_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl")
    assert total_bytes([path]) == 0
    assert total_bytes([path, "-"]) is None
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert total_bytes([tmp_path / "pipe.jsonl"]) is None


def test_unusable_sources_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    good = written(tmp_path / "a.jsonl", {"_id": "1", "text": "t"})
    (tmp_path / "folder").mkdir()
    other = written(tmp_path / "a.csv")
    for bad, message in [
        (tmp_path / "gone.jsonl", r"gone.jsonl: no such file; expected .* check the path"),
        (tmp_path / "folder", r"folder: a folder without a corpus; expected corpus.jsonl"),
        (other, r"a.csv: the name does not say .* expected it to end in .jsonl"),
    ]:
        with pytest.raises(CorpusError, match=message):
            read_documents([good, bad], on_reject=print)
        with pytest.raises(CorpusError, match=message):
            total_bytes([good, bad])


def test_a_file_that_ends_early_gives_what_it_holds_then_fails(tmp_path: Path) -> None:
    lines = b"".join(
        b'{"_id":"%d","text":"%s"}\n' % (i, os.urandom(9).hex().encode()) for i in range(9999)
    )
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(lines)[:-50])
    documents = read_documents([path], on_reject=print)
    assert next(documents).doc_id == "0"
    with pytest.raises(
        CorpusError, match=r"x.jsonl.gz: compressed data ends early, after line \d+"
    ):
        list(documents)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl")
    path.chmod(0)
    with pytest.raises(CorpusError, match=r"cannot be opened .*Permission denied"):
        read(path)


def test_a_file_that_vanishes_before_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl")
    documents = read_documents([path], on_reject=print)
    path.unlink()
    with pytest.raises(CorpusError, match="cannot be opened"):
        next(documents)


def test_cranfield_has_two_empty_documents(shared_data: Path) -> None:
    documents, rejects = read(shared_data / "cranfield")
    assert (len(documents), len(rejects)) == (1400, 0)
    assert sum(document.full_text == "" for document in documents) == 2


@pytest.mark.parametrize(
    ("heading", "row"),
    [
        (b"id\ttext", b"1\ta cat"),
        (b"DocID\tTitle\tBody\r", b"1\tCats\ta cat"),
        (b"docno\turl\ttitle\ttext", b"1\thttp://x\tCats\ta cat"),
    ],
)
def test_a_heading_of_a_table_is_no_document(tmp_path: Path, heading: bytes, row: bytes) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(heading + b"\n" + row + b"\nid\t" + row.partition(b"\t")[2] + b"\n")
    documents, (reject,) = read(path)
    assert [(one.doc_id, one.text) for one in documents] == [("1", "a cat"), ("id", "a cat")]
    assert (reject.line_number, reject.reason.partition(",")[0]) == (1, "a heading")
