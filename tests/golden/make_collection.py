"""Writes the golden collection of the current format version beside this file.

Run it once for each new format version and commit what it writes; never write an old one anew.
Its documents and vectors are made here, so that no encoder is needed to open it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.index.manifest import FORMAT_VERSION
from lexmax.types import Document, TokenBatch

TEXTS = (
    "A sail turns the wind into thrust.",
    "Bones are dense where calcium is plenty.",
    "The wing of an aircraft lifts it in a flow of air.",
    "Milk holds calcium and vitamin D.",
    "Supersonic flow over a wing makes shocks.",
    "",
)
DIM = 16


class Means:
    """The mean of a text's words, as `Letters` has them."""

    spec = "minilm-pooled"
    fingerprint = "means of letters, version 1"
    dim = DIM

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text; zeros for one without words."""
        batch = Letters().encode_documents(texts)
        rows = [batch.row(i).sum(axis=0) / max(1, len(batch.row(i))) for i in range(len(batch))]
        return np.array(rows, np.float32).reshape(-1, DIM)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As documents."""
        return self.encode_documents(texts)


class Letters:
    """Each word is a vector of how often it holds each of sixteen letters, of length one."""

    spec = "minilm"
    fingerprint = "letters, version 1"
    dim = DIM

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text."""
        rows = [[self._vector(word) for word in text.lower().split()] for text in texts]
        return TokenBatch.from_rows(
            [np.array(row, np.float32).reshape(-1, DIM) for row in rows], DIM
        )

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        """As documents."""
        return self.encode_documents(texts)

    def _vector(self, word: str) -> list[float]:
        counts = [1.0 + word.count(letter) for letter in "etaoinshrdlcumwf"]
        length = sum(count * count for count in counts) ** 0.5
        return [count / length for count in counts]


def encoders() -> Encoders:
    """Letters in the place of neural encoders; the real bm25."""
    return Encoders(
        multivector={"minilm": Recipe({}, lambda values: Letters())},
        dense={"minilm-pooled": Recipe({}, lambda values: Means())},
    )


def create(path: Path) -> Collection:
    """An empty collection that has whatever this version knows of."""
    return Collection.create(
        path,
        pooled="minilm-pooled",
        fields={"number": "integer"},
        neighbours=2,
        encoders=encoders(),
    )


def documents() -> list[Document]:
    """The documents; the third gets a new version and the fourth is deleted after the build."""
    return [
        Document(f"doc/{i}", text, title=f"Title {i}", metadata={"number": i})
        for i, text in enumerate(TEXTS)
    ]


def main() -> int:
    """Write the collection of this build's version, unless it is there."""
    path = Path(__file__).parent / f"collection-v{FORMAT_VERSION}"
    if path.exists():
        sys.stderr.write(f"{path} is there already; golden files are never written anew\n")
        return 1
    with create(path) as collection:
        collection.add(documents())
        collection.flush()
        collection.add([Document("doc/2", "A wing of a bird lifts it too.", title="New")])
        collection.delete(["doc/3"])
    (path / "writer.lock").unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
