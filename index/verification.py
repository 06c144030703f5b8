"""Is everything on disk still what was written, and does it fit together?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, InputError, StorageError
from lexmax.index.catalog import Catalog
from lexmax.index.declared import declared_fields
from lexmax.index.layout import Layout
from lexmax.index.manifest import file_problems, read_manifest
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.multivector_engines import AUTO_MAXSIM
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.index.pooled import SETTING as POOLED_CODEC
from lexmax.index.pooled import kept_codec
from lexmax.index.recall import measure, read_queries
from lexmax.index.segment import Segment
from lexmax.index.segment_rows import SegmentRow
from lexmax.index.vocabulary import term_problems


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was looked at, and each thing that is wrong, a sentence each.

    `recalls` say what searches find of the exact best, where an index was built for a recall.
    `n_passages` are those of documents in segments, deleted ones included; None where documents
    are not split.
    """

    n_docs: int
    n_pending: int
    n_files: int
    n_bytes: int
    problems: tuple[str, ...]
    recalls: tuple[str, ...] = ()
    n_passages: int | None = None


def verify(folder: Path) -> VerifyReport:
    """Re-check every checksum of a collection, and the catalog against the segments.

    Reads every byte. Needs no encoder, and may run beside a writer and readers.

    Raises:
        NotACollectionError: if `folder` holds no collection.
        StorageError: if not even the catalog can be read.
    """
    layout = Layout(folder)
    layout.require()
    catalog = Catalog.open(layout.catalog)
    try:
        while True:
            with catalog.snapshot():
                rows, report = catalog.segments(), _verify(catalog, layout)
            # Segments that were merged away meanwhile are missing for a good reason.
            if not report.problems or rows == catalog.segments():
                return report
    finally:
        catalog.close()


def _verify(catalog: Catalog, layout: Layout) -> VerifyReport:
    problems = catalog.problems() + term_problems(layout.catalog) + _setting_problems(catalog)
    n_files, n_bytes = 1, layout.catalog.stat().st_size
    covered: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    recalls: list[str] = []
    n_passages = 0 if catalog.setting(PASSAGES) else None
    for row in catalog.segments():
        try:
            found, files, size, serials = _verify_segment(layout, row)
            problems += found
            n_files, n_bytes = n_files + files, n_bytes + size
            if n_passages is not None:
                n_passages, serials = n_passages + len(serials), np.unique(serials)
            covered.append(serials)
            recalls += [] if found else _recalls(layout, row)
        except StorageError as error:
            problems.append(str(error))
    last = catalog.last_published()
    living = catalog.living_serials(0)
    if not problems:
        held = np.concatenate(covered)
        problems = _misplaced(layout.folder, living[living <= last], held, catalog.all_serials())
    n_pending = int((living > last).sum())
    return VerifyReport(
        len(living), n_pending, n_files, n_bytes, tuple(problems), tuple(recalls), n_passages
    )


def _setting_problems(catalog: Catalog) -> list[str]:
    """What says how the collection is made, and cannot be read."""
    found: list[str] = []
    for read in (
        lambda: declared_fields(catalog),
        lambda: MultiVectorPlan.from_json(catalog.setting("multivector")),
        lambda: kept_codec(catalog.setting(POOLED_CODEC)),
    ):
        try:
            read()
        except (CorruptionError, InputError) as error:
            found.append(f"{catalog.path}: a setting is not what was stored: {error}")
    return found


def _recalls(layout: Layout, row: SegmentRow) -> list[str]:
    """What the index finds of the exact best now, beside what it was built for."""
    folder = layout.segment(row.segment_id)
    index = Segment.open(folder).multivector
    if index is None or (wanted := index.enough) is None:
        return []
    found = measure(index, read_queries(folder), AUTO_MAXSIM)
    return [
        f"{row.segment_id}: finds {one.share:.3f} of the exact best {one.k} on {one.n_queries} "
        f"sample queries; built for {wanted.recall:g}"
        for one in found
    ]


def _misplaced(
    folder: Path,
    published: NDArray[np.int64],
    held: NDArray[np.int64],
    stored: NDArray[np.int64],
) -> list[str]:
    """What is wrong with which documents segments hold, given their serials, a sentence each."""
    once = np.unique(held)
    found = {
        "stored documents are in no segment": len(np.setdiff1d(published, once)),
        "documents of segments are not stored": len(np.setdiff1d(once, stored)),
        "documents are in two segments": len(held) - len(once),
    }
    return [f"{folder}: {n} {what}; restore a backup" for what, n in found.items() if n]


def _verify_segment(
    layout: Layout, row: SegmentRow
) -> tuple[list[str], int, int, NDArray[np.int64]]:
    folder = layout.segment(row.segment_id)
    manifest = read_manifest(folder, expected_xxh3=row.manifest_xxh3)
    problems = file_problems(folder, manifest, thorough=True)
    n_files = len(manifest.files) + 1
    if problems:
        return problems, n_files, manifest.n_bytes, np.zeros(0, np.int64)
    segment = Segment.open(folder)
    if not len(segment) == manifest.n_docs == row.n_docs:
        problems.append(f"{folder}: holds {len(segment)} rows, the catalog says {row.n_docs}")
    return problems, n_files, manifest.n_bytes, np.asarray(segment.serials)
