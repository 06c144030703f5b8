"""How is a lexmax index of token vectors built, opened and searched by the name of an engine?

The only module of this benchmark that knows lexmax's API.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_build import MultiVectorPlan, build_multivector
from lexmax.index.multivector_engines import parse_multivector_engine
from lexmax.index.token_writer import TokenStoreWriter
from lexmax.index.tokens import TokenStore
from lexmax.types import Hits, TokenBatch

Search = Callable[[TokenBatch, int, NDArray[np.bool_] | None], Hits]

_PARAMETERS = "parameters.json"
_OF_TOKENS = ("tokens.", "centroids.codes", "residuals.")
# Do not grow with the collection.
_FIXED = (
    "fde.projection",
    "fde.codebooks",
    "fde.cells",
    "centroids.vectors",
    "centroids.heads",
    "centroids.groups",
    _PARAMETERS,
)


def write_index(folder: Path, documents: Iterator[TokenBatch], *, codec: Any, threads: int) -> None:
    """Stream the documents into a token store, then train and write what finds candidates.

    Residuals are made of a store of whole vectors, which is removed.
    """
    is_whole = not codec.startswith("residual")
    whole = folder if is_whole else folder / "whole"
    whole.mkdir(exist_ok=True)
    writer: TokenStoreWriter | None = None
    for batch in documents:
        writer = writer or TokenStoreWriter(whole, batch.dim, codec=codec if is_whole else "int8")
        writer.append(batch)
    if writer is not None:
        writer.close()
    plan = MultiVectorPlan(codec=codec, threads=threads)
    index = build_multivector(TokenStore.open(whole), plan, folder=folder)
    index.save(folder)
    if not is_whole:
        shutil.rmtree(whole)
    (folder / _PARAMETERS).write_text(json.dumps(index.parameters()) + "\n")


def is_of_tokens(file: str) -> bool:
    """Whether a file holds something a token."""
    return file.startswith(_OF_TOKENS)


def is_fixed(file: str) -> bool:
    """Whether a file does not grow with the collection; what is neither grows with documents."""
    return file.startswith(_FIXED)


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is open."""

    inner: MultiVectorIndex

    @property
    def n_docs(self) -> int:
        """Documents."""
        return self.inner.store.n_docs

    @property
    def n_tokens(self) -> int:
        """Tokens of all documents."""
        return self.inner.store.n_tokens

    def searcher(self, text: str) -> Search:
        """The engine that a spec names.

        Raises:
            LexmaxError: if there is none.
        """
        engine = parse_multivector_engine(text)
        return lambda queries, k, alive: self.inner.search(queries, k, engine=engine, alive=alive)


def open_index(folder: Path) -> Index:
    """Map what `write_index` wrote."""
    parameters = json.loads((folder / _PARAMETERS).read_text())
    return Index(MultiVectorIndex.open(folder, parameters))
