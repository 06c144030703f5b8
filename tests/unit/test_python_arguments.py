"""What Python programs hand over that is almost, but not quite, what is meant."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import lexmax
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import DocumentError, InputError, LexmaxError

CAT = lexmax.Document("cat", "a cat sleeps")


@pytest.fixture
def pets(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    fields = {"year": "integer", "price": "float"}
    with Collection.create(
        tmp_path / "pets", multivector=None, fields=fields, encoders=cheap_encoders
    ) as made:
        made.add([CAT, lexmax.Document("dog", "a dog runs")])
        yield made


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (CAT, "is one Document; expected a list"),
        (None, "is one NoneType; expected a list"),
        (
            [{"_id": "x", "text": "y"}],
            r"documents\[0\] is of type dict; expected a lexmax.Document",
        ),
        ([CAT, ("x", "y")], r"documents\[1\] is of type tuple"),
    ],
)
def test_what_is_no_list_of_documents_is_refused(pets: Collection, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        pets.add(given)
    with pytest.raises(InputError, match=said):
        pets.store(given)
    with lexmax.Client("http://127.0.0.1:9") as client, pytest.raises(InputError, match=said):
        client.add("pets", given)
    assert pets.n_docs == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("cat", "queries is one text; expected a list"),
        ({"q1": "cat"}, "queries is a mapping; expected a list; give its values"),
        (["cat", 7], r"queries\[1\] is of type int"),
    ],
)
def test_what_is_no_list_of_queries_is_refused(pets: Collection, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        pets.search_batch(given, 2)


def test_queries_may_come_one_by_one(pets: Collection) -> None:
    ranking = pets.search_batch((text for text in ("cat", "dog")), 2)
    assert ranking.doc_ids == [["cat"], ["dog"]]


def test_whole_numbers_of_numpy_are_whole_numbers(pets: Collection) -> None:
    one, another = cast("int", np.int64(1)), cast("int", np.int32(1))
    assert pets.search(np.str_("cat dog"), one).hits == pets.search("cat dog", 1).hits
    assert pets.search_batch(np.array(["cat"]), another).doc_ids == [["cat"]]


@pytest.mark.parametrize(
    "metadata",
    [{"a": float("nan")}, {"a": [1.0, {"b": float("inf")}]}, {"a": None, "b": -float("inf")}],
)
def test_a_number_that_json_has_not_is_refused_and_not_null(
    pets: Collection, metadata: dict[str, Any]
) -> None:
    with pytest.raises(DocumentError, match="NaN or infinity"):
        pets.add([lexmax.Document("x", "y", metadata=metadata)])
    pets.add([lexmax.Document("x", "y", metadata={"a": None, "b": "null", "c": 1.5})])
    assert pets.get(["x"])[0] == lexmax.Document("x", "y", "", {"a": None, "b": "null", "c": 1.5})


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"price": np.float32(0.5)}, "float32"),
        ({"year": datetime(2020, 1, 1)}, "datetime"),
        ({"year": [2020]}, "a list"),
    ],
)
def test_a_field_of_another_type_is_called_what_it_is(
    pets: Collection, metadata: dict[str, Any], found: str
) -> None:
    with pytest.raises(DocumentError, match=f"is (a value of type )?{found}; expected"):
        pets.add([lexmax.Document("x", "y", metadata=metadata)])


@pytest.mark.parametrize(
    "given", [{"metadata": None}, {"metadata": ["a"]}, {"vectors": {"pooled": [1.0, 0.0]}}]
)
def test_a_document_of_other_values_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DocumentError, match=r"expected a mapping, and lexmax\.Vectors or none"):
        lexmax.Document("x", "y", **given)


def test_a_closed_client_says_so() -> None:
    client = lexmax.Client("http://127.0.0.1:9")
    client.close()
    client.close()
    with pytest.raises(InputError, match="the client is closed; expected an open one"):
        client.collections()


def test_an_encoder_is_loaded_by_its_name_or_folder(tmp_path: Path) -> None:
    assert hasattr(lexmax.load("minilm"), "encode_queries")
    with pytest.raises(LexmaxError, match="expected"):
        lexmax.load(tmp_path)
