"""How do pending documents become segments?

A build fixes the serials that its segment will hold, then encodes them part by part. After each
part everything is on the disk and the catalog knows it, so a killed build goes on at the next
part and ends with the same bytes. Publishing is one transaction; until then readers see nothing.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import MultiVectorEncoder, SparseEncoder
from lexmax.encoders.shared_pass import encoded_parts
from lexmax.errors import CorruptionError
from lexmax.index.catalog import Catalog
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.recall import read_queries
from lexmax.index.segment import SegmentPlan, SegmentWriter, read_serials
from lexmax.index.segment_rows import SegmentRow, covering_id
from lexmax.pipeline import CollectionEncoders
from lexmax.types import Json, TokenBatch, ranges

# Large enough to fill batches of equal length, small enough that a kill costs seconds.
PART_DOCS = 512
# Four windows of the sparse index; bounds the memory of a build.
SEGMENT_DOCS = 1 << 18
_SAMPLE_DOCS = 20_000


class Watcher(Protocol):
    """Told how far a build has come; may stop it between two parts."""

    def advance(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` documents have passed `stage`."""
        ...

    def stopped(self) -> bool:
        """Whether to stop once the part at hand is safe on the disk."""
        ...


class Silent:
    """Watches nothing and never stops."""

    def advance(self, stage: str, done: int, total: int) -> None:
        """Nobody is told."""

    def stopped(self) -> bool:
        """Never."""
        return False


def fitted(catalog: Catalog, encoder: SparseEncoder | None) -> SparseEncoder | None:
    """The encoder with its constants measured on an even sample of the living documents."""
    if encoder is None:
        return None
    serials = catalog.living_serials(0)
    stride = max(1, -(-len(serials) // _SAMPLE_DOCS))
    sample = (document.full_text for document in catalog.documents(serials[::stride]))
    return encoder.fitted(list(sample))


def multivector_plan(catalog: Catalog, *, threads: int) -> MultiVectorPlan:
    """What the collection builds over token vectors."""
    return replace(MultiVectorPlan.from_json(catalog.setting("multivector")), threads=threads)


def sample_queries(layout: Layout) -> TokenBatch | None:
    """Queries that the user gave to measure recall with."""
    return read_queries(layout.sample) if layout.sample.is_dir() else None


def build_segments(
    catalog: Catalog,
    layout: Layout,
    encoders: CollectionEncoders,
    watcher: Watcher,
    *,
    threads: int = 1,
) -> int:
    """Finish interrupted builds, then build until nothing is pending; segments published.

    Raises:
        KeyboardInterrupt: if the watcher stopped it; all finished parts are kept.
    """
    published = 0
    plan = multivector_plan(catalog, threads=threads)
    while (build := _next_build(catalog, layout, encoders, plan)) is not None:
        build.run(watcher)
        published += 1
    return published


def build_again(
    catalog: Catalog,
    layout: Layout,
    encoders: CollectionEncoders,
    watcher: Watcher,
    *,
    row: SegmentRow,
    sparse_spec: str | None,
) -> int:
    """Build a published segment anew from the texts in the catalog; how many documents it has.

    `sparse_spec` is that of its encoder, fitted constants included; None measures them again.

    Raises:
        EncoderError: if an encoder cannot encode documents.
        KeyboardInterrupt: if the watcher stopped it; all finished parts are kept.
    """
    stored = catalog.all_serials()
    stored = stored[(stored >= row.first_serial) & (stored <= row.last_serial)]
    serials = np.setdiff1d(stored, catalog.deleted_serials(), assume_unique=True)
    if len(serials) == 0:
        catalog.replace_segments([row], None, kept=serials)
        return 0
    build = None
    wanted = multivector_plan(catalog, threads=os.cpu_count() or 1)
    for name, state in catalog.builds().items():
        if state.get("replaces") == row.segment_id:
            build = build or _resumed(catalog, layout, encoders, name, state, wanted)
    if build is None:
        sparse = encoders.sparse
        if sparse is not None and sparse_spec is not None:
            sparse = encoders.registry.sparse(sparse_spec)
        build = _started(catalog, layout, encoders, sparse, serials, wanted, replaces=row)
    build.run(watcher)
    return len(build.plan.serials)


@dataclass(frozen=True, slots=True)
class _Build:
    catalog: Catalog
    layout: Layout
    sparse: SparseEncoder | None
    multivector: MultiVectorEncoder | None
    plan: SegmentPlan
    writer: SegmentWriter
    done: int
    replaces: SegmentRow | None = None

    def run(self, watcher: Watcher) -> None:
        total = len(self.plan.serials)
        watcher.advance("encode", self.done, total)
        done = self.done
        parts = encoded_parts(self._texts(), sparse=self.sparse, multivector=self.multivector)
        with closing(parts):
            for encoded in parts:
                with storage_errors(self.layout.folder):
                    self.writer.append(encoded.sparse, encoded.tokens)
                done = min(done + PART_DOCS, total)
                self.remember(done)
                watcher.advance("encode", done, total)
                if watcher.stopped():
                    raise KeyboardInterrupt
        self._publish(watcher)

    def _texts(self) -> Iterator[list[str]]:
        """Of one part after another that is not encoded yet."""
        for start, stop in ranges(len(self.plan.serials) - self.done, PART_DOCS):
            serials = self.plan.serials[self.done + start : self.done + stop]
            yield [document.full_text for document in self.catalog.documents(serials)]

    def remember(self, done: int) -> None:
        with storage_errors(self.layout.folder):
            state = self.writer.checkpoint()
        encoders: Json = {name: dict(found) for name, found in self.plan.encoders.items()}
        progress: dict[str, Json] = {"done": done, "encoders": encoders, "writer": state}
        if self.replaces is not None:
            progress["replaces"] = self.replaces.segment_id
        self.catalog.remember_build(self.plan.segment_id, progress)

    def _publish(self, watcher: Watcher) -> None:
        total = len(self.plan.serials)
        with storage_errors(self.layout.folder):
            manifest_xxh3 = self.writer.finish(
                progress=lambda stage, done: watcher.advance(stage, done, total)
            )
            sync_folder(self.layout.folder / "segments")
        name, serials = self.plan.segment_id, self.plan.serials
        if (old := self.replaces) is None:
            first, last = int(serials[0]), int(serials[-1])
            self.catalog.publish(SegmentRow(name, first, last, total, manifest_xxh3))
        else:
            row = SegmentRow(name, old.first_serial, old.last_serial, total, manifest_xxh3)
            self.catalog.replace_segments([old], row, kept=serials)
            shutil.rmtree(self.layout.segment(old.segment_id), ignore_errors=True)
        shutil.rmtree(self.layout.staging(name), ignore_errors=True)


def _next_build(
    catalog: Catalog, layout: Layout, encoders: CollectionEncoders, wanted: MultiVectorPlan
) -> _Build | None:
    for segment_id, state in catalog.builds().items():
        if (build := _resumed(catalog, layout, encoders, segment_id, state, wanted)) is not None:
            return build
    serials = catalog.living_serials(catalog.last_published(), limit=SEGMENT_DOCS)
    if len(serials) == 0:
        return None
    return _started(catalog, layout, encoders, encoders.sparse, serials, wanted)


def _started(
    catalog: Catalog,
    layout: Layout,
    encoders: CollectionEncoders,
    sparse: SparseEncoder | None,
    serials: NDArray[np.int64],
    wanted: MultiVectorPlan,
    *,
    replaces: SegmentRow | None = None,
) -> _Build:
    sparse, multivector = fitted(catalog, sparse), encoders.multivector
    if replaces is None:
        segment_id = covering_id(int(serials[0]), int(serials[-1]))
    else:
        first, last = replaces.first_serial, replaces.last_serial
        segment_id = covering_id(first, last, replaced=[replaces])
    plan = SegmentPlan(
        segment_id,
        serials,
        _described(sparse, multivector),
        None if multivector is None else multivector.dim,
        wanted,
        sample_queries(layout),
    )
    with storage_errors(layout.folder):
        writer = SegmentWriter(layout.segment(segment_id), layout.staging(segment_id), plan)
    build = _Build(catalog, layout, sparse, multivector, plan, writer, 0, replaces)
    build.remember(0)
    return build


def _resumed(
    catalog: Catalog,
    layout: Layout,
    encoders: CollectionEncoders,
    segment_id: str,
    state: Mapping[str, Any],
    wanted: MultiVectorPlan,
) -> _Build | None:
    """None, and the build is forgotten, if its files are gone or its encoders have changed.

    So is one that was to replace a segment which is not published any more: a merge has taken its
    documents along.
    """
    multivector, replaces = encoders.multivector, state.get("replaces")
    old = next((row for row in catalog.segments() if row.segment_id == replaces), None)
    specs = {name: found["spec"] for name, found in state["encoders"].items()}
    sparse = encoders.registry.sparse(specs["sparse"]) if "sparse" in specs else None
    lost = replaces is not None and old is None
    if lost or _described(sparse, multivector) != state["encoders"]:
        catalog.forget_build(segment_id)
        return None
    folder, staging = layout.segment(segment_id), layout.staging(segment_id)
    dim = None if multivector is None else multivector.dim
    try:
        samples = sample_queries(layout)
        plan = SegmentPlan(
            segment_id, read_serials(folder), state["encoders"], dim, wanted, samples
        )
        writer = SegmentWriter.resume(folder, staging, plan, state["writer"])
    except CorruptionError:
        # The documents are in the catalog: what is damaged can be built anew.
        catalog.forget_build(segment_id)
        return None
    done = int(state["done"])
    return _Build(catalog, layout, sparse, multivector, plan, writer, done, old)


def _described(
    sparse: SparseEncoder | None, multivector: MultiVectorEncoder | None
) -> dict[str, dict[str, str]]:
    named = {"sparse": sparse, "multivector": multivector}
    return {
        signal: {"spec": encoder.spec, "fingerprint": encoder.fingerprint}
        for signal, encoder in named.items()
        if encoder is not None
    }
