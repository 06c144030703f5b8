"""How do pending documents become segments?

A build fixes the serials that its segment will hold, then encodes them part by part. After each
part everything is on the disk and the catalog knows it, so a killed build goes on at the next
part and ends with the same bytes. Publishing is one transaction; until then readers see nothing.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lexmax import constants
from lexmax.encoders import DenseEncoder, MultiVectorEncoder, SparseEncoder
from lexmax.encoders.inputs import Inputs, encoded_parts
from lexmax.errors import CorruptionError
from lexmax.index.catalog import Catalog
from lexmax.index.declared import attributes_of, declared_fields
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.neighbours import SETTING as NEIGHBOURS
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.index.passage_rows import n_distinct, read_passages
from lexmax.index.pooled import SETTING as POOLED_CODEC
from lexmax.index.pooled import PooledCodec, PooledPlan, kept_codec
from lexmax.index.recall import read_queries
from lexmax.index.segment import SegmentPlan, SegmentWriter, read_serials
from lexmax.index.segment_rows import SegmentRow, covering_id
from lexmax.passages import PassagePlan, Spans, passage_texts, split_all
from lexmax.pipeline import CollectionEncoders
from lexmax.types import Json, TokenBatch, ranges
from lexmax.vectors import GivenRow

# Large enough to fill batches of equal length, small enough that a kill costs seconds.
PART_DOCS = 512
# Four windows of the sparse index; bounds the memory of a build.
SEGMENT_DOCS = 1 << 18
# What is encoded is forced to the disk so often: a kill costs no more than this again.
_LOST_SECONDS = 1.0


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


Known: TypeAlias = Callable[[NDArray[np.int64], SparseEncoder | None], Sequence[GivenRow]]
"""Vectors of documents by their serials, term weights by this encoder; () for none."""


def _nothing(serials: NDArray[np.int64], sparse: SparseEncoder | None) -> Sequence[GivenRow]:
    return ()


def multivector_plan(catalog: Catalog, *, threads: int) -> MultiVectorPlan:
    """What the collection builds over token vectors."""
    return replace(MultiVectorPlan.from_json(catalog.setting("multivector")), threads=threads)


def wanted_neighbours(catalog: Catalog) -> int:
    """Neighbours of a document in the graph that the collection builds; 0 where it builds none."""
    return int(cast("int | None", catalog.setting(NEIGHBOURS)) or 0)


def pooled_codec(catalog: Catalog) -> PooledCodec:
    """How the collection stores pooled vectors."""
    return kept_codec(catalog.setting(POOLED_CODEC))


def passage_plan(catalog: Catalog) -> PassagePlan | None:
    """How the collection splits documents; None where it does not."""
    return PassagePlan.from_json(catalog.setting(PASSAGES))


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
    up_to: int | None = None,
    known: Known = _nothing,
) -> int:
    """Finish interrupted builds, then build until nothing is pending; segments published.

    `up_to` is the last serial that is built: documents may be stored meanwhile, without end. What
    is `known` of a part need not be encoded. One call at a time.

    Raises:
        KeyboardInterrupt: if the watcher stopped it; all finished parts are kept.
    """
    published = 0
    plan = multivector_plan(catalog, threads=threads)
    while (build := _next_build(catalog, layout, encoders, plan, up_to=up_to)) is not None:
        build.run(watcher, known)
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
    return n_distinct(build.plan.serials)


@dataclass(frozen=True, slots=True)
class _Build:
    catalog: Catalog
    layout: Layout
    sparse: SparseEncoder | None
    multivector: MultiVectorEncoder | None
    pooled: DenseEncoder | None
    plan: SegmentPlan
    writer: SegmentWriter
    done: int
    replaces: SegmentRow | None = None

    def run(self, watcher: Watcher, known: Known = _nothing) -> None:
        total = len(self.plan.serials)
        watcher.advance("encode", self.done, total)
        done, remembered = self.done, time.monotonic()
        parts = encoded_parts(
            self._inputs(known),
            sparse=self.sparse,
            multivector=self.multivector,
            pooled=self.pooled,
        )
        with closing(parts):
            for encoded in parts:
                with storage_errors(self.layout.folder):
                    self.writer.append(encoded.sparse, encoded.tokens, encoded.pooled)
                done = min(done + PART_DOCS, total)
                if time.monotonic() >= remembered + _LOST_SECONDS:
                    self.remember(done)
                    remembered = time.monotonic()
                watcher.advance("encode", done, total)
                if watcher.stopped():
                    self.remember(done)
                    raise KeyboardInterrupt
        self._publish(watcher)

    def _inputs(self, known: Known) -> Iterator[Inputs]:
        """Of one part after another that is not encoded yet."""
        for start, stop in ranges(len(self.plan.serials) - self.done, PART_DOCS):
            rows = slice(self.done + start, self.done + stop)
            serials, spans = self.plan.serials[rows], self.plan.passages
            once = np.unique(serials)
            stored = self.catalog.documents(once)
            places: list[int] = np.searchsorted(once, serials).tolist()
            documents = [stored[place] for place in places]
            texts = passage_texts(documents, None if spans is None else spans[rows])
            given: Sequence[GivenRow] = ()
            if spans is None:  # documents that are split come without vectors
                given = known(serials, self.sparse) or self.catalog.vectors(serials)
            yield Inputs(texts, given)

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
        if fields := declared_fields(self.catalog):
            self.writer.keep(attributes_of(self.catalog, self.plan.serials, fields))
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
    catalog: Catalog,
    layout: Layout,
    encoders: CollectionEncoders,
    wanted: MultiVectorPlan,
    *,
    up_to: int | None,
) -> _Build | None:
    for segment_id, state in catalog.builds().items():
        if (build := _resumed(catalog, layout, encoders, segment_id, state, wanted)) is not None:
            return build
    serials = catalog.living_serials(catalog.last_published(), limit=SEGMENT_DOCS)
    if up_to is not None:
        serials = serials[serials <= up_to]
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
    sparse = constants.measured(catalog, sparse, encoders.registry)
    multivector = encoders.multivector
    pooled = encoders.pooled
    most = SEGMENT_DOCS if replaces is None else None
    serials, passages = _rows(catalog, serials, most=most)
    if replaces is None:
        segment_id = covering_id(int(serials[0]), int(serials[-1]))
    else:
        first, last = replaces.first_serial, replaces.last_serial
        segment_id = covering_id(first, last, replaced=[replaces])
    plan = SegmentPlan(
        segment_id,
        serials,
        _described(sparse, multivector, pooled),
        None if multivector is None else multivector.dim,
        wanted,
        sample_queries(layout),
        neighbours=wanted_neighbours(catalog),
        pooled=_pooled_plan(pooled, catalog),
        passages=passages,
    )
    with storage_errors(layout.folder):
        writer = SegmentWriter(layout.segment(segment_id), layout.staging(segment_id), plan)
    build = _Build(catalog, layout, sparse, multivector, pooled, plan, writer, 0, replaces)
    build.remember(0)
    return build


def _rows(
    catalog: Catalog, serials: NDArray[np.int64], *, most: int | None
) -> tuple[NDArray[np.int64], Spans | None]:
    """The serial of each row that these documents have, and its place where they are split.

    Documents that would bring the rows above `most` are left out, but not the first 512.
    """
    if (plan := passage_plan(catalog)) is None:
        return serials, None
    rows: list[NDArray[np.int64]] = []
    found: list[Spans] = []
    for start, stop in ranges(len(serials), PART_DOCS):
        texts = (document.text for document in catalog.documents(serials[start:stop]))
        counts, spans = split_all(texts, plan)
        if most is not None and rows and sum(map(len, rows)) + len(spans) > most:
            break
        rows.append(np.repeat(serials[start:stop], counts))
        found.append(spans)
    return np.concatenate(rows), np.concatenate(found)


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
    pooled = encoders.pooled
    old = next((row for row in catalog.segments() if row.segment_id == replaces), None)
    specs = {name: found["spec"] for name, found in state["encoders"].items()}
    sparse = encoders.registry.sparse(specs["sparse"]) if "sparse" in specs else None
    lost = replaces is not None and old is None
    if lost or _described(sparse, multivector, pooled) != state["encoders"]:
        catalog.forget_build(segment_id)
        return None
    folder, staging = layout.segment(segment_id), layout.staging(segment_id)
    dim = None if multivector is None else multivector.dim
    try:
        samples = sample_queries(layout)
        serials = read_serials(folder)
        plan = SegmentPlan(
            segment_id,
            serials,
            state["encoders"],
            dim,
            wanted,
            samples,
            neighbours=wanted_neighbours(catalog),
            pooled=_pooled_plan(pooled, catalog),
            passages=None if passage_plan(catalog) is None else read_passages(folder, len(serials)),
        )
        writer = SegmentWriter.resume(folder, staging, plan, state["writer"])
    except CorruptionError:
        # The documents are in the catalog: what is damaged can be built anew.
        catalog.forget_build(segment_id)
        return None
    done = int(state["done"])
    return _Build(catalog, layout, sparse, multivector, pooled, plan, writer, done, old)


def _pooled_plan(encoder: DenseEncoder | None, catalog: Catalog) -> PooledPlan | None:
    return None if encoder is None else PooledPlan(encoder.dim, pooled_codec(catalog))


def _described(
    sparse: SparseEncoder | None,
    multivector: MultiVectorEncoder | None,
    pooled: DenseEncoder | None,
) -> dict[str, dict[str, str]]:
    named = {"sparse": sparse, "multivector": multivector, "pooled": pooled}
    return {
        signal: {"spec": encoder.spec, "fingerprint": encoder.fingerprint}
        for signal, encoder in named.items()
        if encoder is not None
    }
