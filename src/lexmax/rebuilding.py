"""What if a segment's files are lost or damaged? The catalog has its documents: build it anew."""

import time
from dataclasses import dataclass
from pathlib import Path

from lexmax.building import Watcher, build_again
from lexmax.encoders import Encoders
from lexmax.errors import CorruptionError, EncoderError
from lexmax.index.catalog import Catalog
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.index.manifest import file_problems, read_manifest
from lexmax.index.segment_rows import SegmentRow
from lexmax.pipeline import CollectionEncoders, encoder_specs


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """Segments that were looked at, those that were built anew, and the documents in these."""

    n_segments: int
    rebuilt: tuple[str, ...]
    n_docs: int
    seconds: float


def rebuild(folder: Path, watcher: Watcher, *, encoders: Encoders | None = None) -> RebuildReport:
    """Build every segment anew that differs from what was written; all others are left alone.

    Texts are encoded again, so it takes as long as indexing these documents. Interrupted, it goes
    on where it was. Where `segment.json` is lost, constants such as the mean length of bm25 are
    measured anew.

    Raises:
        NotACollectionError: if `folder` holds no collection.
        CorruptionError: if the catalog itself is damaged.
        EncoderError: if the documents' vectors were imported: no text gives them.
        KeyboardInterrupt: if the watcher stopped it; run it again to go on.
        LockedError: if another process writes to the collection.
    """
    began = time.perf_counter()
    layout = Layout(folder)
    layout.require()
    catalog, lock = Catalog.open(layout.catalog), WriterLock(layout.lock)
    try:
        lock.acquire()
        _require_sound(catalog)
        specs = encoder_specs(catalog.setting("encoders"))
        chosen = CollectionEncoders(encoders or Encoders(), specs)
        rows = catalog.segments()
        damaged = [row for row in rows if not _is_sound(layout, row)]
        for row in damaged if "sparse" in chosen.given.required else ():
            _require_given(catalog, row)
        n_docs = sum(
            build_again(
                catalog, layout, chosen, watcher, row=row, sparse_spec=_sparse_spec(layout, row)
            )
            for row in damaged
        )
    finally:
        catalog.close()
        lock.release()
    rebuilt = tuple(row.segment_id for row in damaged)
    return RebuildReport(len(rows), rebuilt, n_docs, time.perf_counter() - began)


def _require_sound(catalog: Catalog) -> None:
    # A segment made from damaged texts would look sound ever after.
    if problems := catalog.problems():
        raise CorruptionError(problems[0])


def _require_given(catalog: Catalog, row: SegmentRow) -> None:
    """Documents that were imported with a file have no vectors in the catalog, only in segments."""
    if n := catalog.n_without_terms(row.first_serial, row.last_serial):
        raise EncoderError(
            f"{n:,} documents of segment {row.segment_id} have imported vectors, which no text "
            "gives; import all of them into a new collection with `lexmax import`"
        )


def _is_sound(layout: Layout, row: SegmentRow) -> bool:
    folder = layout.segment(row.segment_id)
    try:
        manifest = read_manifest(folder, expected_xxh3=row.manifest_xxh3)
    except CorruptionError:
        return False
    return not file_problems(folder, manifest, thorough=True)


def _sparse_spec(layout: Layout, row: SegmentRow) -> str | None:
    try:
        folder = layout.segment(row.segment_id)
        manifest = read_manifest(folder, expected_xxh3=row.manifest_xxh3)
    except CorruptionError:
        return None
    return manifest.encoders["sparse"]["spec"] if "sparse" in manifest.encoders else None
