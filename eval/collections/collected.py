"""What is told of a test collection that was found?"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Split:
    """Judged queries and judgements of one split."""

    name: str
    n_queries: int
    n_judged: int


@dataclass(frozen=True, slots=True)
class Collected:
    """A collection that was found.

    Attributes:
        name: of its folder, below the one that was searched.
        path: the folder; for ir_datasets the name as a path.
        layout: "BEIR", "MS MARCO", "TREC" or "ir_datasets".
        n_bytes: of all files in it, as they lie on disk; None if they are not known.
        n_docs: documents; None if there is no corpus, or it is too large to count unasked.
        splits: what was judged.
        licence: what its files say; empty if nothing.
        lacks: what an evaluation would need and is not there, in words; and files that are bad.
    """

    name: str
    path: Path
    layout: str
    n_bytes: int | None
    n_docs: int | None
    splits: tuple[Split, ...]
    licence: str
    lacks: tuple[str, ...]
