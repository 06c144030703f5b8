"""A merge gives what it copies new checksums, so it must not copy damage."""

from pathlib import Path

import pytest

from lexmax.collection import Collection
from lexmax.errors import CorruptionError
from lexmax.index import manifest
from lexmax.merging import COMPACT
from lexmax.types import Document


def test_damage_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if the files were so large that opening does not read them.
    monkeypatch.setattr(manifest, "_CHECKED_AT_OPEN", 0)
    with Collection.create(
        tmp_path / "ix", multivector=None, merge_in_background=False
    ) as collection:
        for doc_id in ("a", "b"):
            collection.add([Document(doc_id, "milk bone ship")])
            collection.flush()
    first = min((tmp_path / "ix" / "segments").iterdir()) / "forward.rows.npy"
    first.write_bytes(first.read_bytes()[:-1] + b"\x55")

    with Collection.open(tmp_path / "ix", merge_in_background=False) as collection:
        with pytest.raises(CorruptionError, match=r"forward\.rows\.npy: its bytes differ.*rebuild"):
            collection.merge(policy=COMPACT)
        assert collection.n_segments == 2
        (problem,) = collection.verify().problems
    assert "forward.rows.npy" in problem
