"""What may be named as a corpus, and which files it stands for."""

from pathlib import Path

import pytest

from lexmax.corpus import source_files, total_bytes
from lexmax.corpus_sources import Source, found_sources, seen_from
from lexmax.errors import CorpusError


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("names", "corpus"),
    [
        (["corpus.jsonl", "corpus.parquet", "queries.jsonl"], ["corpus.jsonl"]),
        (["corpus.jsonl.zst"], ["corpus.jsonl.zst"]),
        (["corpus.parquet", "queries.parquet"], ["corpus.parquet"]),
        (
            ["corpus/b-00001.parquet", "corpus/b-00000.parquet", "corpus/README.md"],
            ["corpus/b-00000.parquet", "corpus/b-00001.parquet"],
        ),
        (["collection.tsv.gz", "queries.dev.small.tsv"], ["collection.tsv.gz"]),
        (["collection.tsv", "collection.tsv.gz"], ["collection.tsv"]),
        (["msmarco-docs.tsv.gz", "msmarco-doctrain-queries.tsv.gz"], ["msmarco-docs.tsv.gz"]),
        (["docs.tsv"], ["docs.tsv"]),
    ],
)
def test_a_folder_stands_for_its_corpus(
    tmp_path: Path, names: list[str], corpus: list[str]
) -> None:
    made(tmp_path, *names)
    assert source_files([tmp_path]) == [tmp_path / name for name in corpus]
    assert total_bytes([tmp_path]) == len(corpus)


def test_each_source_says_what_it_is(tmp_path: Path) -> None:
    made(tmp_path, "a.jsonl.gz", "b.TSV", "c.parquet", "d.json")
    asked = [tmp_path / "a.jsonl.gz", tmp_path / "b.TSV", tmp_path / "c.parquet", "irds:x/y", "-"]
    kinds = [(source.kind, source.path) for source in found_sources([*asked, tmp_path / "d.json"])]
    assert kinds == [
        ("json", tmp_path / "a.jsonl.gz"),
        ("columns", tmp_path / "b.TSV"),
        ("parquet", tmp_path / "c.parquet"),
        ("irds", None),
        ("stdin", None),
        ("json", tmp_path / "d.json"),
    ]
    # Only a file has a size to count.
    assert total_bytes(["irds:x/y"]) is None
    assert found_sources(["irds:x/y"]) == [Source("irds:x/y", "irds")]


def test_sub_collections_are_named_and_none_is_taken_for_the_whole(tmp_path: Path) -> None:
    made(tmp_path, "unix/corpus.jsonl", "android/corpus/a.parquet", "notes/readme.txt")
    with pytest.raises(
        CorpusError, match=r"holds 2 sub-collections \(android, unix\).* such as .*/android"
    ):
        found_sources([tmp_path])


def test_a_folder_of_queries_alone_is_no_corpus(tmp_path: Path) -> None:
    made(tmp_path, "queries.parquet", "qrels/test.parquet")
    with pytest.raises(CorpusError, match=r"a folder without a corpus; expected corpus\.jsonl"):
        found_sources([tmp_path])


def test_a_file_that_is_missing_or_of_another_kind(tmp_path: Path) -> None:
    made(tmp_path, "a.csv")
    with pytest.raises(CorpusError, match=r"gone\.parquet: no such file; .* irds:NAME.* check"):
        found_sources([tmp_path / "gone.parquet"])
    with pytest.raises(CorpusError, match=r"a\.csv: the name does not say .* or \.parquet; rename"):
        found_sources([tmp_path / "a.csv"])


def test_names_are_the_same_from_every_folder(tmp_path: Path) -> None:
    assert seen_from(tmp_path, "irds:beir/scifact") == "irds:beir/scifact"
    assert seen_from(tmp_path, "-") == "-"
    assert seen_from(tmp_path, "a/corpus.jsonl") == tmp_path / "a" / "corpus.jsonl"
    assert seen_from(tmp_path, "/elsewhere.jsonl") == Path("/elsewhere.jsonl")
