from pathlib import Path

import pytest

from lexmax.grown_file import GrownFile


def test_a_job_goes_on_after_what_was_noted(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with GrownFile(path) as file:
        file.append([b"a\n", b"b\n"], done=5)
    # A killed process wrote more than it noted.
    with (tmp_path / "f.part").open("ab") as part:
        part.write(b"half a li")
    with GrownFile(path) as file:
        assert file.done == 5
        file.append([b"c\n"], done=6)
        file.finish()
    assert path.read_bytes() == b"a\nb\nc\n"
    assert [one.name for one in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("note", [b"", b"{}", b"[]", b'{"done": 2, "bytes": 99}', b'{"done": "x"}'])
def test_notes_that_cannot_be_used_begin_anew(tmp_path: Path, note: bytes) -> None:
    path = tmp_path / "f"
    with GrownFile(path) as file:
        file.append([b"a\n"], done=1)
    (tmp_path / "f.place").write_bytes(note)
    with GrownFile(path) as file:
        assert file.done == 0
        file.finish()
    assert path.read_bytes() == b""
