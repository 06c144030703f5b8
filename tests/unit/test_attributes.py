from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError, FilterError
from lexmax.index.attributes import Attributes
from lexmax.index.fields import FieldType
from lexmax.index.keyword_column import KeywordColumn
from lexmax.index.number_column import MOST_CELLS, NumberColumn
from lexmax.index.predicates import AnyOf, Either, Every, Exists, Match, Neither, Predicate, Range

FIELDS: dict[str, FieldType] = {"lang": "keyword", "year": "integer"}
DOCUMENTS = [
    {"lang": "en", "year": 2019},
    {"lang": ["de", "en"], "year": 2020},
    {"lang": [], "year": 2021},
    {"year": None},
    {"lang": "de", "year": 2021},
]


@pytest.mark.parametrize(
    ("predicate", "allowed"),
    [
        (Match("lang", "en"), [0, 1]),
        (AnyOf("lang", ("de", "fr")), [1, 4]),
        (AnyOf("lang", ()), []),
        (Exists("lang"), [0, 1, 4]),
        (Match("year", 2021), [2, 4]),
        (AnyOf("year", (2019, 2021, 7)), [0, 2, 4]),
        (Range("year", gte=2020), [1, 2, 4]),
        (Range("year", gt=2019, lt=2021), [1]),
        (Range("year", lte=2019), [0]),
        (Range("year", gt=2021), []),
        (Range("year", gt=2021, lt=2019), []),
        (Exists("year"), [0, 1, 2, 4]),
        (Every(()), [0, 1, 2, 3, 4]),
        (Either(()), []),
        (Neither((Exists("year"),)), [3]),
        (Every((Match("lang", "en"), Range("year", gt=2019))), [1]),
        (Either((Match("lang", "de"), Match("lang", "en")), 2), [1]),
    ],
)
def test_columns_allow(predicate: Predicate, allowed: list[int]) -> None:
    found = Attributes.build(DOCUMENTS, FIELDS).matching(predicate)
    assert found.dtype == np.bool_
    assert np.flatnonzero(found).tolist() == allowed


def test_a_predicate_is_checked_before_it_is_evaluated() -> None:
    with pytest.raises(FilterError, match="'price'; this collection declares lang"):
        Attributes.build(DOCUMENTS, FIELDS).matching(Exists("price"))


def test_values_of_other_types_count_as_none() -> None:
    found = Attributes.build([{"lang": 3, "year": "late"}, {"lang": "en", "year": 1}], FIELDS)
    assert found.matching(Exists("lang")).tolist() == [False, True]
    assert found.matching(Exists("year")).tolist() == [False, True]


def test_frequent_keywords_are_bits_and_rare_ones_ordinals() -> None:
    column = KeywordColumn.build([["all"] if i else ["all", "one"] for i in range(100)])
    assert column.terms.tolist() == [[0, 0, 1], [3, 0, 0], [6, 1, 0]]
    assert column.docs.tolist() == [0]
    assert column.bits.shape == (2, 13)
    assert column.text(0), column.text(1) == (b"all", b"one")
    assert column.any_of(["one", "none"]).sum() == 1
    assert column.any_of(["all", "one"]).all()


def test_few_numbers_have_cells_of_a_byte_and_many_are_checked_at_the_borders() -> None:
    every = np.ones(200_000, dtype=bool)
    few = NumberColumn.build(np.arange(200_000) % 255, every)
    assert (few.cells.dtype, few.values) == (np.uint8, None)
    exact = NumberColumn.build(np.arange(200_000) % MOST_CELLS, every)
    assert (exact.cells.dtype, exact.values) == (np.uint16, None)
    many = NumberColumn.build(np.arange(200_000) % (MOST_CELLS + 1), every)
    assert many.values is not None
    assert len(many.lows) <= MOST_CELLS
    found = many.between(Range("", gt=40_000, lte=40_100))
    assert found.sum() == 300
    assert not found[40_000]
    assert found[40_100]
    numbers = list(range(0, 65_536, 3))
    expected = np.isin(np.arange(200_000) % (MOST_CELLS + 1), numbers)
    assert (many.any_of(numbers) == expected).all()


def test_columns_of_no_documents() -> None:
    empty = Attributes.build([], FIELDS)
    assert empty.matching(Either((Match("lang", "en"), Range("year", gt=3)))).tolist() == []
    joined = Attributes.concatenate([(empty, np.zeros(0, np.int64))] * 2)
    assert joined.n_docs == 0


def test_files_that_are_not_of_this_segment_are_damage(tmp_path: Path) -> None:
    built = Attributes.build(DOCUMENTS, FIELDS)
    built.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "attributes.0.bits.npy",
        "attributes.0.docs.npy",
        "attributes.0.terms.npy",
        "attributes.0.texts.npy",
        "attributes.1.cells.npy",
        "attributes.1.lows.npy",
    ]
    for n_docs in (4, 50):
        with pytest.raises(CorruptionError, match=r"expected 1 row or more|documents; expected"):
            Attributes.open(tmp_path, built.parameters(), n_docs)
    with pytest.raises(CorruptionError, match="names mapped to types"):
        Attributes.open(tmp_path, ["year"], 5)
    (tmp_path / "attributes.1.lows.npy").unlink()
    with pytest.raises(CorruptionError, match="missing"):
        Attributes.open(tmp_path, built.parameters(), 5)


def test_saving_leaves_no_file_of_another_declaration(tmp_path: Path) -> None:
    (tmp_path / "attributes.7.values.npy").write_bytes(b"old")
    (tmp_path / "serials.npy").write_bytes(b"kept")
    Attributes.build(DOCUMENTS, {"year": "integer"}).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "serials.npy",
        "attributes.0.cells.npy",
        "attributes.0.lows.npy",
    }
