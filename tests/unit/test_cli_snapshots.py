from pathlib import Path

import pytest

from lexmax.cli import main
from lexmax.collection import Collection
from lexmax.types import Document


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["lexmax", *map(str, arguments)])
    with pytest.raises(SystemExit) as raised:
        main()
    return int(raised.value.code or 0)


def test_a_collection_goes_to_a_file_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Collection.create(tmp_path / "pets", multivector=None) as collection:
        collection.add([Document("1", "a cat")])
    assert run(monkeypatch, "snapshot", tmp_path / "pets", tmp_path / "pets.tar") == 0
    assert "2 files" in capsys.readouterr().out
    assert run(monkeypatch, "restore", tmp_path / "pets.tar", tmp_path / "twin") == 0
    assert "1 documents, 2 files" in capsys.readouterr().out
    with Collection.open(tmp_path / "twin") as twin:
        assert twin.search("cat").hits[0].doc_id == "1"
    assert run(monkeypatch, "restore", tmp_path / "pets.tar", tmp_path / "twin") == 1
    assert "found files there" in capsys.readouterr().err.replace("\n", " ")
    (tmp_path / "pets.tar").write_bytes(b"x" * 600)
    assert run(monkeypatch, "restore", tmp_path / "pets.tar", tmp_path / "third") == 1
    assert "no header of a tar" in capsys.readouterr().err.replace("\n", " ")
