from pathlib import Path

import pytest

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.errors import EncoderError
from lexmax.types import Document


def test_documents_of_another_encoder_are_not_compared(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with Collection.create(tmp_path / "ix", encoders=cheap_encoders) as collection:
        collection.add([Document("1", "some text")])
        collection.flush()

    other = cheap_encoders.multivector("minilm").__class__()
    other.fingerprint = "other weights"  # type: ignore[misc]
    upgraded = Encoders(multivector={"minilm": Recipe({}, lambda values: other)})
    with Collection.open(tmp_path / "ix", encoders=upgraded) as again:
        with pytest.raises(EncoderError, match="encoded by word vectors, but this installation"):
            again.search("text", pipeline="multivector")
        assert len(again.search("text", pipeline="bm25").hits) == 1
