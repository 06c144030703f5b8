"""Collections that toolkits ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.types import Document

DOCUMENTS = (
    Document("cat", "a cat sleeps on the mat"),
    Document("dog", "a dog and a cat run", "Dogs"),
    Document("fish", "fish swim in water"),
    Document("d/é#1", "an odd name for a bird"),
)


@pytest.fixture
def empty(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    """A collection with all three signals and without documents."""
    with Collection.create(
        tmp_path / "empty", pooled="minilm-pooled", encoders=cheap_encoders
    ) as collection:
        yield collection


@pytest.fixture
def pets(empty: Collection) -> Collection:
    """The same with documents."""
    empty.add(DOCUMENTS)
    return empty
