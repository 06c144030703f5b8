"""CIFF files that ciff-toolkit wrote (see ciff/make_with_ciff_toolkit.py) are read, and matched."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.exporting import export_vectors, weights_of
from lexmax.importing import import_vectors
from lexmax.index import vocabulary
from lexmax.index.layout import Layout

FILES = Path(__file__).parent / "ciff"
WORDS = {
    "tide": "the tide comes in and the tide goes out",
    "moon": "the moon pulls the sea and the sea becomes a tide",
    "élan/7": "élan of the sea wind",
    "nothing": "",
}
NUMBERS = {
    f"n{i}": {f"mod{m}": 1 + i * i * i % 70_000 for m in (1, 2, 7, 300) if i % m == 0 and i != 5}
    for i in range(700)
}


def _content(path: Path) -> dict[str, dict[str, float]]:
    names = vocabulary.read_terms(Layout(path).catalog)
    found: dict[str, dict[str, float]] = {}
    with Collection.open(path) as collection:
        snapshot = collection.snapshot()
        for serials, batch in weights_of(snapshot):
            for i, document in enumerate(collection.stored(snapshot, serials)):
                terms, weights = batch.row(i)
                named = [names[term] for term in terms.tolist()]
                found[document.doc_id] = dict(zip(named, weights.tolist(), strict=True))
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("words.ciff", {doc_id: dict(Counter(text.split())) for doc_id, text in WORDS.items()}),
        ("numbers.ciff.gz", NUMBERS),
    ],
)
def test_a_file_of_another_tool_is_read_and_written_alike(
    tmp_path: Path, name: str, expected: dict[str, dict[str, int]]
) -> None:
    import_vectors(FILES / name, tmp_path / "ix", form="ciff", watcher=Silent())

    assert _content(tmp_path / "ix") == expected

    with Collection.open(tmp_path / "ix") as collection:
        export_vectors(collection, tmp_path / "out", form="ciff", watcher=Silent())
    packed = (FILES / name).read_bytes()
    original = gzip.decompress(packed) if name.endswith(".gz") else packed
    # All but the header, whose description says who wrote it.
    assert _after_header((tmp_path / "out").read_bytes()) == _after_header(original)


def _after_header(content: bytes) -> bytes:
    assert content[0] < 0x80, "the header's length takes one byte"
    return content[1 + content[0] :]
