"""Lists of ids that are none are refused before anything is done with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lexmax.collection import Collection
from lexmax.errors import InputError
from lexmax.types import Document

CALLS: list[Callable[[Collection, Any], object]] = [
    lambda collection, doc_ids: collection.delete(doc_ids),
    lambda collection, doc_ids: collection.get(doc_ids),
    lambda collection, doc_ids: collection.search("milk", doc_ids=doc_ids),
    lambda collection, doc_ids: collection.search_batch(["milk"], 3, doc_ids=doc_ids),
]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    collection = Collection.create(tmp_path / "ix", multivector=None)
    collection.add([Document("a", "milk")])
    return collection


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("doc_ids", "found"),
    [
        ("a", "is one text"),
        (["a", 7], "a value of type int"),
        ([b"a"], "a value of type bytes"),
        ([object()], "a value of type object"),
        (["a", "\ud800"], "UTF-8 cannot store at character 0"),
    ],
)
def test_ids_that_are_none_are_refused(
    collection: Collection, call: Callable[[Collection, Any], object], doc_ids: Any, found: str
) -> None:
    with pytest.raises(InputError, match=found):
        call(collection, doc_ids)
    assert collection.n_docs == 1


def test_no_ids_allow_nothing(collection: Collection) -> None:
    assert collection.search("milk", doc_ids=[]).hits == ()
    assert len(collection.search("milk", doc_ids=iter(["a", "unknown"])).hits) == 1
