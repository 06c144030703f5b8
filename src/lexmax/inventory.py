"""What does a collection consist of, segment by segment?"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lexmax.collection import Collection
from lexmax.index.layout import Layout
from lexmax.index.part import Part


@dataclass(frozen=True, slots=True)
class SegmentInventory:
    """One published segment; what it has no index for is None.

    Attributes:
        segment_id: Its name.
        n_docs: Documents, deleted ones included.
        n_deleted: Of them, those that are deleted.
        n_passages: Rows, where documents are split.
        n_terms: Distinct terms.
        n_postings: Weights of terms in documents.
        n_tokens: Token vectors.
        bytes: By kind of file, which is its name up to the first dot.
    """

    segment_id: str
    n_docs: int
    n_deleted: int
    n_passages: int | None
    n_terms: int | None
    n_postings: int | None
    n_tokens: int | None
    bytes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Inventory:
    """A collection at one generation.

    Attributes:
        generation: Grows with every change.
        n_docs: Living documents that searches find.
        n_deleted: Deleted documents that segments still hold.
        n_pending: Documents that are searchable but in no segment.
        n_unseen: Documents of a job that has not ended.
        n_tokens: Token vectors in segments; None without an index of them.
        bytes: Of all segments by kind of file, and of the catalog.
        segments: In the order of their documents.
    """

    generation: int
    n_docs: int
    n_deleted: int
    n_pending: int
    n_unseen: int
    n_tokens: int | None
    bytes: Mapping[str, int]
    segments: tuple[SegmentInventory, ...]


def inventory(collection: Collection) -> Inventory:
    """What the collection consists of now; reads manifests and file sizes, no vectors."""
    snapshot, layout = collection.snapshot(), Layout(collection.path)
    published = [part for part in snapshot.parts if part.segment.manifest is not None]
    pending = [part for part in snapshot.parts if part.segment.manifest is None]
    segments = tuple(_segment(part) for part in published)
    sizes = Counter({"catalog": _catalog_bytes(layout.catalog)})
    for one in segments:
        sizes.update(one.bytes)
    tokens = [one.n_tokens for one in segments if one.n_tokens is not None]
    n_pending = sum(_n_living(part) for part in pending)
    return Inventory(
        snapshot.generation,
        sum(_n_living(part) for part in published) + n_pending,
        sum(one.n_deleted for one in segments),
        n_pending,
        collection.n_unseen,
        sum(tokens) if collection.encoders.multivector is not None else None,
        dict(sizes),
        segments,
    )


def _segment(part: Part) -> SegmentInventory:
    segment, manifest = part.segment, part.segment.manifest
    assert manifest is not None
    sizes: Counter[str] = Counter()
    for name, written in manifest.files.items():
        sizes[name.partition(".")[0]] += int(written["bytes"])
    sparse, tokens = segment.sparse, segment.multivector
    return SegmentInventory(
        manifest.segment_id,
        manifest.n_documents,
        manifest.n_documents - _n_living(part),
        None if segment.passages is None else len(segment),
        None if sparse is None else len(sparse.terms),
        None if sparse is None else int(sparse.arrays["sparse.doc_freqs"].sum()),
        None if tokens is None else tokens.store.n_tokens,
        dict(sizes),
    )


def _n_living(part: Part) -> int:
    """Documents, each counted once."""
    if part.alive is None:
        return part.segment.n_documents
    if part.segment.passages is None:
        return part.n_living
    return len(set(part.segment.serials[part.alive].tolist()))


def _catalog_bytes(catalog: Path) -> int:
    """With what SQLite has not yet moved from its log into the file."""
    log = catalog.with_name(f"{catalog.name}-wal")
    return catalog.stat().st_size + (log.stat().st_size if log.exists() else 0)
