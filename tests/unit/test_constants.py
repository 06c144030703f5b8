"""Are an encoder's constants measured when they must be, and not again before?"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lexmax import constants
from lexmax.encoders import Encoders
from lexmax.encoders.bm25 import Bm25
from lexmax.index.catalog import Catalog
from lexmax.types import Document


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.create(tmp_path / "catalog.sqlite", {})


def _store(catalog: Catalog, first: int, lengths: Sequence[int]) -> None:
    catalog.upsert([Document(str(first + i), "word " * n) for i, n in enumerate(lengths)])


def _length(encoder: object) -> float:
    assert isinstance(encoder, Bm25)
    assert encoder.avg_doc_len is not None
    return encoder.avg_doc_len


def test_they_are_measured_again_when_the_collection_has_doubled(catalog: Catalog) -> None:
    registry, encoder = Encoders(), Bm25()
    assert constants.known(catalog, encoder, registry) is None
    _store(catalog, 0, [4, 4])
    assert _length(constants.measured(catalog, encoder, registry)) == 4
    _store(catalog, 2, [10])
    assert _length(constants.measured(catalog, encoder, registry)) == 4
    _store(catalog, 3, [10])
    assert _length(constants.measured(catalog, encoder, registry)) == 7
    assert _length(constants.known(catalog, encoder, registry)) == 7


def test_they_are_of_one_encoder(catalog: Catalog) -> None:
    registry = Encoders()
    _store(catalog, 0, [4, 4])
    constants.measured(catalog, Bm25(), registry)
    other = Bm25(k1=2.0)
    assert constants.known(catalog, other, registry) is None
    found = constants.measured(catalog, other, registry)
    assert isinstance(found, Bm25)
    assert (found.k1, found.avg_doc_len) == (2.0, 4)


def test_an_encoder_that_takes_none_is_itself(catalog: Catalog) -> None:
    registry = Encoders()
    encoder = registry.sparse("impacts")
    assert constants.known(catalog, encoder, registry) is encoder
    assert constants.measured(catalog, encoder, registry) is encoder
    assert constants.measured(catalog, None, registry) is None
