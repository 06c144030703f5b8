"""How do pending documents become segments?

A build fixes the serials that its segment will hold, then encodes them part by part. After each
part everything is on the disk and the catalog knows it, so a killed build goes on at the next
part and ends with the same bytes. Publishing is one transaction; until then readers see nothing.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import MultiVectorEncoder, SparseEncoder
from lexmax.errors import CorruptionError
from lexmax.index.catalog import Catalog, SegmentRow
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.segment import SegmentPlan, SegmentWriter, read_serials
from lexmax.pipeline import CollectionEncoders
from lexmax.types import Json, ranges

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


def build_segments(
    catalog: Catalog, layout: Layout, encoders: CollectionEncoders, watcher: Watcher
) -> int:
    """Finish interrupted builds, then build until nothing is pending; segments published.

    Raises:
        KeyboardInterrupt: if the watcher stopped it; all finished parts are kept.
    """
    published = 0
    while (build := _next_build(catalog, layout, encoders)) is not None:
        build.run(watcher)
        published += 1
    return published


@dataclass(frozen=True, slots=True)
class _Build:
    catalog: Catalog
    layout: Layout
    sparse: SparseEncoder | None
    multivector: MultiVectorEncoder | None
    plan: SegmentPlan
    writer: SegmentWriter
    done: int

    def run(self, watcher: Watcher) -> None:
        total = len(self.plan.serials)
        watcher.advance("encode", self.done, total)
        for start, stop in ranges(total - self.done, PART_DOCS):
            self._encode_part(self.plan.serials[self.done + start : self.done + stop])
            self.remember(self.done + stop)
            watcher.advance("encode", self.done + stop, total)
            if watcher.stopped():
                raise KeyboardInterrupt
        self._publish(watcher)

    def _encode_part(self, serials: NDArray[np.int64]) -> None:
        texts = [document.full_text for document in self.catalog.documents(serials)]
        sparse = None if self.sparse is None else self.sparse.encode_documents(texts)
        tokens = None if self.multivector is None else self.multivector.encode_documents(texts)
        with storage_errors(self.layout.folder):
            self.writer.append(sparse, tokens)

    def remember(self, done: int) -> None:
        with storage_errors(self.layout.folder):
            state = self.writer.checkpoint()
        encoders: Json = {name: dict(found) for name, found in self.plan.encoders.items()}
        self.catalog.remember_build(
            self.plan.segment_id, {"done": done, "encoders": encoders, "writer": state}
        )

    def _publish(self, watcher: Watcher) -> None:
        total = len(self.plan.serials)
        with storage_errors(self.layout.folder):
            manifest_xxh3 = self.writer.finish(
                progress=lambda done: watcher.advance("index", done, total)
            )
            sync_folder(self.layout.folder / "segments")
        first, last = int(self.plan.serials[0]), int(self.plan.serials[-1])
        self.catalog.publish(SegmentRow(self.plan.segment_id, first, last, total, manifest_xxh3))
        shutil.rmtree(self.layout.staging(self.plan.segment_id), ignore_errors=True)


def _next_build(catalog: Catalog, layout: Layout, encoders: CollectionEncoders) -> _Build | None:
    for segment_id, state in catalog.builds().items():
        if (build := _resumed(catalog, layout, encoders, segment_id, state)) is not None:
            return build
    serials = catalog.living_serials(catalog.last_published(), limit=SEGMENT_DOCS)
    return None if len(serials) == 0 else _started(catalog, layout, encoders, serials)


def _started(
    catalog: Catalog, layout: Layout, encoders: CollectionEncoders, serials: NDArray[np.int64]
) -> _Build:
    sparse, multivector = fitted(catalog, encoders.sparse), encoders.multivector
    segment_id = f"{serials[0]:012d}-{serials[-1]:012d}"
    plan = SegmentPlan(
        segment_id,
        serials,
        _described(sparse, multivector),
        None if multivector is None else multivector.dim,
    )
    with storage_errors(layout.folder):
        writer = SegmentWriter(layout.segment(segment_id), layout.staging(segment_id), plan)
    build = _Build(catalog, layout, sparse, multivector, plan, writer, 0)
    build.remember(0)
    return build


def _resumed(
    catalog: Catalog,
    layout: Layout,
    encoders: CollectionEncoders,
    segment_id: str,
    state: Mapping[str, Any],
) -> _Build | None:
    """None, and the build is forgotten, if its files are gone or its encoders have changed."""
    multivector = encoders.multivector
    specs = {name: found["spec"] for name, found in state["encoders"].items()}
    sparse = encoders.registry.sparse(specs["sparse"]) if "sparse" in specs else None
    if _described(sparse, multivector) != state["encoders"]:
        catalog.forget_build(segment_id)
        return None
    folder, staging = layout.segment(segment_id), layout.staging(segment_id)
    dim = None if multivector is None else multivector.dim
    try:
        plan = SegmentPlan(segment_id, read_serials(folder), state["encoders"], dim)
        writer = SegmentWriter.resume(folder, staging, plan, state["writer"])
    except CorruptionError:
        # The documents are in the catalog: what is damaged can be built anew.
        catalog.forget_build(segment_id)
        return None
    return _Build(catalog, layout, sparse, multivector, plan, writer, int(state["done"]))


def _described(
    sparse: SparseEncoder | None, multivector: MultiVectorEncoder | None
) -> dict[str, dict[str, str]]:
    named = {"sparse": sparse, "multivector": multivector}
    return {
        signal: {"spec": encoder.spec, "fingerprint": encoder.fingerprint}
        for signal, encoder in named.items()
        if encoder is not None
    }
