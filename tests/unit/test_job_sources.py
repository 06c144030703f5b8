"""Which files of a machine a job may read: those inside the import folder."""

import os
from pathlib import Path

import pytest

from lexmax.service.job_sources import import_files
from lexmax.service.problems import Refusal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "imports"
    (inside / "scifact").mkdir(parents=True)
    (inside / "scifact" / "corpus.jsonl").write_text("{}")
    (inside / "a.tsv.gz").write_bytes(b"")
    (tmp_path / "secret.jsonl").write_text("{}")
    return inside


def refused(folder: Path | None, path: str) -> tuple[int, str]:
    with pytest.raises(Refusal) as raised:
        import_files(folder, path)
    if folder is not None:
        assert str(folder.parent) not in raised.value.detail
    return raised.value.problem.status, raised.value.problem.code


def test_files_and_folders_inside_are_found(folder: Path) -> None:
    assert import_files(folder, "a.tsv.gz") == [folder / "a.tsv.gz"]
    assert import_files(folder, "scifact") == [folder / "scifact" / "corpus.jsonl"]
    assert import_files(folder, "./scifact/corpus.jsonl") == [folder / "scifact" / "corpus.jsonl"]


def test_a_corpus_may_be_several_parquet_files(folder: Path) -> None:
    parts = folder / "hub" / "corpus"
    parts.mkdir(parents=True)
    files = [parts / f"corpus-0000{i}-of-00002.parquet" for i in range(2)]
    for file in files:
        file.write_bytes(b"PAR1")
    assert import_files(folder, "hub") == files
    (parts / "corpus-00002.parquet").symlink_to(folder.parent / "secret.jsonl")
    assert refused(folder, "hub") == (422, "import_refused")


def test_names_of_other_places_are_files_here(folder: Path) -> None:
    for path in ("irds:beir/scifact", "-"):
        assert refused(folder, path) == (404, "import_not_found"), path


def test_without_a_folder_none_is(folder: Path) -> None:
    assert refused(None, "a.tsv.gz") == (403, "imports_disabled")
    assert refused(folder / "gone", "a.tsv.gz") == (404, "import_not_found")


@pytest.mark.parametrize(
    "path",
    ["../secret.jsonl", "scifact/../../secret.jsonl", "/etc/passwd", "a\0.jsonl", "..", "."],
)
def test_no_path_leads_out(folder: Path, path: str) -> None:
    assert refused(folder, path) == (422, "import_refused")


def test_no_link_leads_out(folder: Path) -> None:
    (folder / "file.jsonl").symlink_to(folder.parent / "secret.jsonl")
    (folder / "up").symlink_to(folder.parent)
    (folder / "linked").mkdir()
    (folder / "linked" / "corpus.jsonl").symlink_to(folder.parent / "secret.jsonl")
    (folder / "round.jsonl").symlink_to(folder / "round.jsonl")
    for path in ("file.jsonl", "up/secret.jsonl", "linked", "round.jsonl"):
        assert refused(folder, path) == (422, "import_refused"), path
    # One that stays inside is as good as a file, and so is a folder that is itself a link.
    (folder / "same.tsv.gz").symlink_to(folder / "a.tsv.gz")
    assert import_files(folder, "same.tsv.gz") == [folder / "a.tsv.gz"]
    (folder.parent / "other").symlink_to(folder)
    assert import_files(folder.parent / "other", "a.tsv.gz") == [folder / "a.tsv.gz"]


def test_what_is_no_corpus_is_refused(folder: Path) -> None:
    (folder / "notes.txt").write_text("a")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe.jsonl")
    for path in ("notes.txt", "empty", "pipe.jsonl"):
        assert refused(folder, path) == (422, "import_refused"), path
    assert refused(folder, "none.jsonl") == (404, "import_not_found")
