"""How do many segments become few, and how do deleted documents leave them?

A merge copies the living documents of adjacent segments, in the order of their serials, into a
new segment: term weights and token vectors exactly as they are stored, so no text is encoded
again and every document keeps its scores. The new segment takes the place of the old ones in one
transaction. Whatever interrupts a merge leaves files that no catalog names.
"""

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lexmax.building import (
    SEGMENT_DOCS,
    Watcher,
    multivector_plan,
    sample_queries,
    wanted_neighbours,
)
from lexmax.errors import CorruptionError, StorageError
from lexmax.index import spec_ranges
from lexmax.index.attributes import Attributes
from lexmax.index.catalog import Catalog
from lexmax.index.declared import attributes_of, declared_fields
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.manifest import Manifest, file_problems
from lexmax.index.merge_policy import MergePolicy, SegmentSize
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.part import Part
from lexmax.index.passage_rows import n_distinct
from lexmax.index.pooled import PooledPlan
from lexmax.index.segment import Segment, SegmentPlan, SegmentWriter
from lexmax.index.segment_rows import SegmentRow, covering_id
from lexmax.index.snapshot import Snapshot
from lexmax.types import ranges

TIERED = MergePolicy(full_docs=SEGMENT_DOCS, most_docs=4 * SEGMENT_DOCS)
"""What writers keep to: few segments for little work."""

COMPACT = MergePolicy(
    growth=1, full_docs=4 * SEGMENT_DOCS, most_docs=8 * SEGMENT_DOCS, dead_share=0.0
)
"""Few segments whatever the work, and no deleted document."""

# About 60 MB of token vectors: enough to be fast, little enough to stop at once.
_COPIED_DOCS = 1024


@dataclass(frozen=True, slots=True)
class Extent:
    """Published segments, documents in them, deleted ones included, and bytes of their files.

    `n_rows` counts passages where documents are split, else documents.
    """

    n_segments: int
    n_docs: int
    n_bytes: int
    n_rows: int


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What merging did: how often, how many deleted documents it dropped, and what is left."""

    n_merges: int
    n_dropped: int
    before: Extent
    after: Extent
    seconds: float


def sizes_of(parts: Sequence[Part], neighbours: int | None = None) -> list[SegmentSize]:
    """What a policy looks at; parts that were never written must not be among them.

    Segments whose graph has another number of neighbours than this are stale.
    """
    return [
        SegmentSize(
            len(part.segment),
            part.n_living,
            _kind(part.segment),
            stale=neighbours is not None and _neighbours(part.segment) != neighbours,
        )
        for part in parts
    ]


def worth_merging(snapshot: Snapshot, policy: MergePolicy = TIERED) -> bool:
    """Whether the published segments of a snapshot should be merged."""
    published = [part for part in snapshot.parts if part.segment.manifest is not None]
    return policy.next_run(sizes_of(published)) is not None


def merge_segments(
    catalog: Catalog,
    layout: Layout,
    watcher: Watcher,
    *,
    policy: MergePolicy = TIERED,
    threads: int = 1,
) -> MergeReport:
    """Merge until the policy finds nothing to merge, and every segment has the graph it should.

    At most `threads` threads build the new indexes. Needs the right to write, held by this
    process. Documents may be added, deleted and built into segments meanwhile, and searches go on.
    One call at a time.

    Raises:
        KeyboardInterrupt: if the watcher stopped it; finished merges are kept.
        CorruptionError: if a segment is damaged; it is left as it is.
        DiskFullError: if there is no room for a new segment beside the old ones.
    """
    began = time.perf_counter()
    n_merges = n_dropped = 0
    before = after = None
    while True:
        parts, rows = _published(catalog, layout)
        after = _extent(parts)
        before = before or after
        if (run := policy.next_run(sizes_of(parts, wanted_neighbours(catalog)))) is None:
            seconds = time.perf_counter() - began
            return MergeReport(n_merges, n_dropped, before, after, seconds)
        if watcher.stopped():
            raise KeyboardInterrupt
        wanted = multivector_plan(catalog, threads=threads)
        old = slice(run.start, run.stop)
        merge = _Merge(catalog, layout, rows[old], parts[old], wanted)
        n_dropped += merge.run(watcher)
        n_merges += 1


@dataclass(frozen=True, slots=True)
class _Merge:
    catalog: Catalog
    layout: Layout
    rows: Sequence[SegmentRow]
    parts: Sequence[Part]
    wanted: MultiVectorPlan

    def run(self, watcher: Watcher) -> int:
        """Put one segment in the place of these; the number of documents dropped."""
        first, last = self.rows[0].first_serial, self.rows[-1].last_serial
        name = covering_id(first, last, replaced=self.rows)
        living = [_living(part) for part in self.parts]
        serials = np.concatenate(
            [part.segment.serials[kept] for part, kept in zip(self.parts, living, strict=True)]
        )
        try:
            self._require_sound(watcher)
            new = self._written(name, serials, living, watcher) if len(serials) else None
            self.catalog.replace_segments(self.rows, new, kept=serials)
        except BaseException:
            self._discard(name)
            raise
        for row in self.rows:
            # Who has them open keeps them mapped; who opens them now looks for newer ones.
            shutil.rmtree(self.layout.segment(row.segment_id), ignore_errors=True)
        shutil.rmtree(self.layout.staging(name), ignore_errors=True)
        return sum(part.segment.n_documents for part in self.parts) - n_distinct(serials)

    def _require_sound(self, watcher: Watcher) -> None:
        """What is damaged must not be copied: it would have sound checksums ever after."""
        done, total = 0, sum(len(part.segment) for part in self.parts)
        for row, part in zip(self.rows, self.parts, strict=True):
            folder, manifest = self.layout.segment(row.segment_id), _manifest(part.segment)
            if problems := file_problems(folder, manifest, thorough=True):
                raise CorruptionError(problems[0])
            done += row.n_docs
            _tell(watcher, "check", done, total)

    def _written(
        self,
        name: str,
        serials: NDArray[np.int64],
        living: Sequence[NDArray[np.int64]],
        watcher: Watcher,
    ) -> SegmentRow:
        plan = _plan(name, serials, [part.segment for part in self.parts], self.wanted)
        plan = replace(
            plan,
            samples=sample_queries(self.layout),
            neighbours=wanted_neighbours(self.catalog),
            passages=_passages(self.parts, living),
        )
        with storage_errors(self.layout.folder):
            writer = SegmentWriter(self.layout.segment(name), self.layout.staging(name), plan)
            self._copy(writer, living, watcher)
            if (columns := self._columns(serials, living)) is not None:
                writer.keep(columns)
            manifest_xxh3 = writer.finish(
                progress=lambda stage, done: _tell(watcher, stage, done, len(serials))
            )
            sync_folder(self.layout.folder / "segments")
        first, last = self.rows[0].first_serial, self.rows[-1].last_serial
        return SegmentRow(name, first, last, len(serials), manifest_xxh3)

    def _copy(
        self, writer: SegmentWriter, living: Sequence[NDArray[np.int64]], watcher: Watcher
    ) -> None:
        done, total = 0, sum(map(len, living))
        for part, kept in zip(self.parts, living, strict=True):
            for start, stop in ranges(len(kept), _COPIED_DOCS):
                writer.copy(part.segment, kept[start:stop])
                done += stop - start
                _tell(watcher, "merge", done, total)

    def _columns(
        self, serials: NDArray[np.int64], living: Sequence[NDArray[np.int64]]
    ) -> Attributes | None:
        """Those of the parts; made of the metadata where one lacks a declared field."""
        if not (fields := declared_fields(self.catalog)):
            return None
        found = [
            (columns, kept)
            for part, kept in zip(self.parts, living, strict=True)
            if (columns := part.segment.attributes) is not None and columns.fields == fields
        ]
        if len(found) < len(self.parts):
            return attributes_of(self.catalog, serials, fields)
        return Attributes.concatenate(found)

    def _discard(self, name: str) -> None:
        # What cannot be asked or removed now is swept by the next writer.
        with suppress(StorageError):
            if name not in {row.segment_id for row in self.catalog.segments()}:
                shutil.rmtree(self.layout.segment(name), ignore_errors=True)
                shutil.rmtree(self.layout.staging(name), ignore_errors=True)


def _tell(watcher: Watcher, stage: str, done: int, total: int) -> None:
    watcher.advance(stage, done, total)
    if watcher.stopped():
        raise KeyboardInterrupt


def _published(catalog: Catalog, layout: Layout) -> tuple[list[Part], list[SegmentRow]]:
    with catalog.snapshot():
        rows, deleted = catalog.segments(), catalog.deleted_serials()
    segments = [
        Segment.open(layout.segment(row.segment_id), manifest_xxh3=row.manifest_xxh3)
        for row in rows
    ]
    return [Part.of(segment, 0, deleted) for segment in segments], rows


def _extent(parts: Sequence[Part]) -> Extent:
    segments = [part.segment for part in parts]
    n_bytes = sum(_manifest(segment).n_bytes for segment in segments)
    n_docs, n_rows = sum(one.n_documents for one in segments), sum(map(len, segments))
    return Extent(len(segments), n_docs, n_bytes, n_rows)


def _living(part: Part) -> NDArray[np.int64]:
    return np.arange(len(part.segment)) if part.alive is None else np.flatnonzero(part.alive)


def _passages(
    parts: Sequence[Part], living: Sequence[NDArray[np.int64]]
) -> NDArray[np.int32] | None:
    """Where the living rows lie in their documents; None where documents are not split."""
    held = [part.segment.passages for part in parts]
    found = [one[kept] for one, kept in zip(held, living, strict=True) if one is not None]
    return np.concatenate(found) if found else None


def _manifest(segment: Segment) -> Manifest:
    if segment.manifest is None:
        raise ValueError("a segment in memory is not merged; it is built")
    return segment.manifest


def _neighbours(segment: Segment) -> int:
    return 0 if segment.neighbours is None else segment.neighbours.k


def _kind(segment: Segment) -> tuple[object, ...]:
    """What segments must have in common: how their documents were encoded, and are stored."""
    encoders = _manifest(segment).encoders
    signals = tuple((signal, encoders[signal]["fingerprint"]) for signal in sorted(encoders))
    store = None if segment.multivector is None else segment.multivector.store
    tokens = None if store is None else (store.codec, store.dim)
    pooled = None if segment.pooled is None else (segment.pooled.codec, segment.pooled.dim)
    return signals, tokens, pooled


def _plan(
    name: str, serials: NDArray[np.int64], segments: Sequence[Segment], wanted: MultiVectorPlan
) -> SegmentPlan:
    manifests = [_manifest(segment) for segment in segments]
    specs = {
        signal: spec_ranges.joined(
            [found for one in manifests for found in spec_ranges.spec_ranges(one, signal)]
        )
        for signal in manifests[0].encoders
    }
    encoders = {
        signal: {"spec": specs[signal][-1].spec, "fingerprint": encoder["fingerprint"]}
        for signal, encoder in manifests[0].encoders.items()
    }
    index, pooled = segments[0].multivector, segments[0].pooled
    return SegmentPlan(
        name,
        serials,
        encoders,
        None if index is None else index.store.dim,
        multivector=wanted if index is None else replace(wanted, codec=index.store.codec),
        parameters=spec_ranges.described(specs),
        pooled=None if pooled is None else PooledPlan(pooled.dim, pooled.codec),
    )
