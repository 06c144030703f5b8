from pathlib import Path

import pytest

from lexmax.collection import Collection
from lexmax.encoders import Encoders, MultiVectorEncoder
from lexmax.errors import EncoderError
from lexmax.types import Document


class Renamed(Encoders):
    """Gives another encoder's numbers a new name, as an upgrade of its weights would."""

    def __init__(self, inner: Encoders) -> None:
        super().__init__()
        self._encoder = inner.multivector("minilm")

    def multivector(self, spec: str) -> MultiVectorEncoder:
        self._encoder.fingerprint = "other weights"  # type: ignore[misc]
        return self._encoder


def test_documents_of_another_encoder_are_not_compared(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with Collection.create(tmp_path / "ix", encoders=cheap_encoders) as collection:
        collection.add([Document("1", "some text")])
        collection.flush()

    with Collection.open(tmp_path / "ix", encoders=Renamed(cheap_encoders)) as again:
        with pytest.raises(EncoderError, match="encoded by word vectors, but this installation"):
            again.search("text", pipeline="multivector")
        assert len(again.search("text", pipeline="bm25").hits) == 1
