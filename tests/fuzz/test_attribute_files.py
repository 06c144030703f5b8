"""Whatever is done to columns on disk, they are refused, or they answer; nothing crashes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index.attributes import Attributes
from lexmax.index.fields import FieldType
from lexmax.index.number_column import NumberColumn
from lexmax.index.predicates import AnyOf, Exists, Match, Predicate, Range

N_DOCS = 300
FIELDS: dict[str, FieldType] = {"price": "float", "tag": "keyword", "year": "integer"}
ASKED: list[Predicate] = [
    Range("price", gt=0.2, lt=0.7),
    AnyOf("price", (0.5, 0.25)),
    Match("tag", "t3"),
    AnyOf("tag", ("t0", "t1", "t9", "u")),
    Exists("tag"),
    Range("year", gte=1990),
    AnyOf("year", tuple(range(1980, 2020, 2))),
]
FILES = [
    "attributes.0.cells",
    "attributes.0.lows",
    "attributes.0.values",
    "attributes.1.bits",
    "attributes.1.docs",
    "attributes.1.terms",
    "attributes.1.texts",
    "attributes.2.cells",
    "attributes.2.lows",
]


def built() -> Attributes:
    rng = np.random.default_rng(1)
    documents = [
        {
            "tag": [f"t{min(99, t)}" for t in rng.zipf(1.6, int(rng.integers(0, 4)))],
            "year": 1980 + int(rng.integers(40)),
        }
        for _ in range(N_DOCS)
    ]
    made = Attributes.build(documents, {"tag": "keyword", "year": "integer"})
    price = NumberColumn.build(rng.random(N_DOCS), rng.random(N_DOCS) < 0.9, most_cells=20)
    return Attributes(N_DOCS, FIELDS, {"price": price, **made.columns})


def use(folder: Path) -> None:
    opened = Attributes.open(folder, dict(FIELDS), N_DOCS)
    for predicate in ASKED:
        assert opened.matching(predicate).shape == (N_DOCS,)
    Attributes.concatenate([(opened, np.arange(0, N_DOCS, 2)), (opened, np.arange(5))])


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused_or_answers(
    tmp_path: Path,
    name: str,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
) -> None:
    made = built()
    made.save(tmp_path)
    assert sorted(path.stem for path in tmp_path.iterdir()) == FILES
    use(tmp_path)
    path = tmp_path / f"{name}.npy"
    original = path.read_bytes()
    n_rounds, refusals = 0, list[str]()
    for seed in rounds:
        n_rounds += 1
        for damaged in mutations(original, seed):
            path.unlink()
            path.write_bytes(damaged)
            try:
                use(tmp_path)
            except CorruptionError as error:
                refusals.append(str(error))
    assert len(refusals) >= 2 * n_rounds
