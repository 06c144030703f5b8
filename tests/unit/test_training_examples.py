import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from lexmax.encoders.training.config import DataSection
from lexmax.encoders.training.config_reading import checked
from lexmax.encoders.training.example import Example
from lexmax.encoders.training.examples import Examples
from lexmax.encoders.training.sources import dev_place
from lexmax.encoders.training.yaml_lines import Located
from lexmax.errors import CorpusError, TrainingError


def opened(tmp_path: Path, *sources: dict[str, Any], **more: Any) -> Examples:
    values = {"folder": str(tmp_path), "train": sources, "dev": {"share": 0.0}, **more}
    section = checked(DataSection, Located(values, {}))
    return Examples(section, output=tmp_path / "out")


def all_of(examples: Examples, source: int = 0) -> list[Example]:
    return [examples.example(source, i) for i in range(examples.sizes[source])]


def pairs(n: int) -> list[bytes]:
    return [orjson.dumps({"query": f"q{i}", "pos": f"p{i}"}) for i in range(n)]


def rejects(tmp_path: Path) -> list[dict[str, Any]]:
    lines = (tmp_path / "out" / "rejects.jsonl").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines]


def test_every_line_of_a_file_is_one_seek_away(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(pairs(20)))
    examples = opened(tmp_path, {"path": "a.jsonl"})
    assert [one.query for one in all_of(examples)] == [f"q{i}" for i in range(20)]


def test_packed_files_byte_order_marks_and_carriage_returns(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + b"\r\n".join(pairs(5)) + b"\r\n\r\n  \n"
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content))
    (tmp_path / "b.tsv").write_bytes(b"q\tp\tn\n")
    examples = opened(tmp_path, {"path": "a.jsonl.gz"}, {"path": "b.tsv"})
    assert examples.sizes == [5, 1]
    assert all_of(examples)[4].query == "q4"
    assert all_of(examples, 1)[0].negatives[0].text == "n"
    assert examples.n_broken == 0


def test_broken_lines_are_counted_and_written_aside(tmp_path: Path) -> None:
    lines = pairs(4)
    lines[1:1] = [b"{oops", b'{"query": "q", "pos": 1.5}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    for _ in range(2):  # the second time from the cache
        examples = opened(tmp_path, {"path": "a.jsonl"})
        assert (examples.sizes, examples.n_broken) == ([4], 2)
        found = rejects(tmp_path)
        assert [one["line_number"] for one in found] == [2, 3]
        assert found[0]["line"] == "{oops"
        assert "expected text" in found[1]["reason"]


def test_too_many_broken_lines_stop(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*pairs(2), b"x", b"y"]))
    with pytest.raises(TrainingError, match=r"a.jsonl: found 2 lines .* line 4: .*at most 1"):
        opened(tmp_path, {"path": "a.jsonl"}, max_rejects=1)
    assert len(rejects(tmp_path)) == 2


def test_a_mended_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([*pairs(2), b"x"]))
    assert opened(tmp_path, {"path": "a.jsonl"}).n_broken == 1
    path.write_bytes(b"\n".join(pairs(3)))
    assert opened(tmp_path, {"path": "a.jsonl"}).sizes == [3]
    assert rejects(tmp_path) == []


def test_the_dev_split_is_the_same_in_whatever_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(pairs(300)))
    (tmp_path / "b.tsv").write_bytes(b"\n".join(b"q%d\tother" % i for i in reversed(range(300))))
    examples = opened(tmp_path, {"path": "a.jsonl"}, {"path": "b.tsv"}, dev={"share": 0.1})
    held = {one.query for one in examples.held_out(1000)}
    assert held == {f"q{i}" for i in range(300) if dev_place(f"q{i}") < 0.1}
    assert 15 <= len(held) <= 45
    for source in (0, 1):
        assert held.isdisjoint(one.query for one in all_of(examples, source))
    few = [one.query for one in examples.held_out(10)]
    assert len(few) == 10
    assert max(map(dev_place, few)) <= sorted(map(dev_place, held))[9]


def test_distractors_have_no_doubles(tmp_path: Path) -> None:
    lines = [orjson.dumps({"query": f"q{i}", "pos": f"p{i % 7}"}) for i in range(50)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    examples = opened(tmp_path, {"path": "a.jsonl"})
    assert sorted(examples.some_documents(1000)) == [f"p{i}" for i in range(7)]
    assert len(list(examples.some_documents(3))) == 3
    assert list(examples.some_documents(0)) == []


def test_ids_stand_for_texts(tmp_path: Path) -> None:
    (tmp_path / "docs.tsv").write_text("d1\tfirst\nd2\tTitle\tsecond\nbad\nd1\tagain\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": 5, "text": "what"}\n')
    (tmp_path / "t.tsv").write_text("5\td2\td1\n5\td9\td1\n6\td1\td2\n")
    source = {"path": "t.tsv", "collection": "docs.tsv", "queries": "queries.jsonl"}
    examples = opened(tmp_path, source)
    (example,) = all_of(examples)
    assert (example.query, example.positives[0].text) == ("what", "Title second")
    assert example.negatives[0].text == "first"
    assert [one["reason"] for one in rejects(tmp_path)] == [
        "1 columns; expected id and text, up to 4",
        "no document of id 'd9' in the collection",
        "no query of id '6' in queries.jsonl",
    ]


def test_a_beir_folder(tmp_path: Path) -> None:
    (tmp_path / "set" / "qrels").mkdir(parents=True)
    folder = tmp_path / "set"
    (folder / "corpus.jsonl").write_text(
        '{"_id": "a", "title": "A", "text": "x"}\n{"_id": "b", "text": "y"}\n'
    )
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "one"}\n')
    (folder / "qrels" / "train.tsv").write_text(
        "query-id\tcorpus-id\tscore\n1\ta\t1\n1\tb\t2\n1\tb\tx\n2\ta\t0\n"
    )
    examples = opened(tmp_path, {"path": "set"})
    (example,) = all_of(examples)
    assert [one.text for one in example.positives] == ["A x", "y"]
    assert examples.n_broken == 1
    with pytest.raises(TrainingError, match=r"no qrels for split 'dev'; found train"):
        opened(tmp_path, {"path": "set", "split": "dev"})


def test_a_limit_takes_the_first_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(pairs(9)))
    assert opened(tmp_path, {"path": "a.jsonl", "limit": 4}).sizes == [4]


@pytest.mark.parametrize(
    ("source", "error", "reason"),
    [
        ({"path": "none.jsonl"}, CorpusError, "none.jsonl: cannot be read"),
        ({"path": "what.bin"}, TrainingError, "the name does not say what is inside"),
        ({"path": "cut.jsonl.gz"}, CorpusError, "compressed data ends early"),
        ({"path": "empty.jsonl"}, TrainingError, "no example to train with"),
        ({"path": "empty"}, TrainingError, "holds no queries.jsonl"),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, source: dict[str, Any], error: type[Exception], reason: str
) -> None:
    (tmp_path / "what.bin").touch()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"\n".join(pairs(500)))[:-20])
    with pytest.raises(error, match=reason):
        opened(tmp_path, source)
