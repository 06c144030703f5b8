"""Names of imported terms in the catalog."""

import sqlite3
from pathlib import Path

from lexmax.index.catalog import Catalog
from lexmax.index.vocabulary import read_names, read_terms, term_problems, write_terms


def catalog(folder: Path) -> Path:
    path = folder / "catalog.sqlite"
    Catalog.create(path, {}).close()
    return path


def test_a_catalog_without_names_is_as_valid(tmp_path: Path) -> None:
    path = catalog(tmp_path)

    assert read_terms(path) == {}
    assert term_problems(path) == []


def test_names_come_back(tmp_path: Path) -> None:
    path = catalog(tmp_path)
    write_terms(path, [(7, "seven"), ((1 << 32) - 1, "Straße ☃")])
    write_terms(path, [(7, "VII"), (0, "zero")])

    assert read_terms(path) == {0: "zero", 7: "VII", (1 << 32) - 1: "Straße ☃"}
    assert term_problems(path) == []


def test_a_changed_name_is_found(tmp_path: Path) -> None:
    path = catalog(tmp_path)
    write_terms(path, [(7, "seven"), (8, "eight")])
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE vocabulary SET term = 'nine' WHERE term_id = 8")
    connection.close()

    (problem,) = term_problems(path)
    assert "names of 1 terms" in problem
    assert "has the id 8" in problem


def test_names_of_some_ids_are_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    Catalog.create(path, {}).close()
    assert read_names(path, [7]) == {}
    write_terms(path, ((i, f"t{i}") for i in range(2000)))
    assert read_names(path, [7, 5000, 7]) == {7: "t7"}
    assert read_names(path, range(1, 1999)) == {i: f"t{i}" for i in range(1, 1999)}
    assert read_names(path, []) == {}
