"""How does an index lend its vectors to another one? By links to files; no text is encoded twice.

Segments never change, so the new collection may share their files: only its sparse index, if that
is another one, and what is built over token vectors are made.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from lexmax import constants
from lexmax.building import PART_DOCS, Watcher
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders, SparseEncoder
from lexmax.errors import StorageError
from lexmax.index import spec_ranges
from lexmax.index.catalog import Catalog
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.manifest import Manifest, describe_files, read_manifest, write_manifest
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_build import MultiVectorPlan, build_encodings
from lexmax.index.segment import Segment
from lexmax.index.segment_rows import SegmentRow, covering_id
from lexmax.index.sparse import SparseIndex
from lexmax.passages import passage_texts
from lexmax.types import Json, SparseBatch, ranges

_SPARSE = ("sparse.", "forward.")
_ENCODINGS = ("fde.",)
_MANIFEST = "segment.json"


def derive(
    source: Path, target: Path, plan: IndexChoice, registry: Encoders, watcher: Watcher
) -> None:
    """Make the collection `target` of the vectors of `source`; it is there whole or not at all.

    The plan may differ from that of the source in its sparse encoder and in the encodings (fde)
    over tokens. Searches of the result are those of a collection that was indexed by the plan.

    Raises:
        StorageError: if the source has documents that are in no segment yet.
        DiskFullError: if there is no room.
        KeyboardInterrupt: if the watcher stopped it; nothing is left.
    """
    draft = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    with storage_errors(draft):
        draft.mkdir(parents=True)
        (draft / "segments").mkdir()
        _copy_catalog(Layout(source).catalog, Layout(draft).catalog)
    try:
        with closing(Catalog.open(Layout(draft).catalog)) as catalog:
            if catalog.n_pending():
                raise StorageError(
                    f"{source}: {catalog.n_pending():,} documents are in no segment yet; expected "
                    "an index that is whole; run the same command again"
                )
            deriving = _Deriving(source, Layout(draft), catalog, plan, registry, watcher)
            deriving.run()
        with storage_errors(target):
            draft.replace(target)
            sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _copy_catalog(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


@dataclass(frozen=True, slots=True)
class _Deriving:
    source: Path
    layout: Layout
    catalog: Catalog
    plan: IndexChoice
    registry: Encoders
    watcher: Watcher

    def run(self) -> None:
        rows = self.catalog.segments()
        encoders = dict(cast("dict[str, str]", self.catalog.setting("encoders")))
        sparse = self._new_sparse(encoders)
        if self.plan.sparse is None:
            encoders.pop("sparse", None)
        else:
            encoders["sparse"] = self.registry.sparse(self.plan.sparse).spec
        self.catalog.remember("encoders", cast("Json", encoders))
        if self.plan.multivector is not None:
            self.catalog.remember("multivector", self.plan.plan.to_json())
        for row in rows:
            self._segment(row, sparse)

    def _new_sparse(self, encoders: dict[str, str]) -> SparseEncoder | None:
        """The encoder that the source has not; None if the sparse index can be linked."""
        if self.plan.sparse is None:
            return None
        wanted = self.registry.sparse(self.plan.sparse)
        if "sparse" in encoders:
            found = self.registry.sparse(encoders["sparse"])
            if found.fingerprint == wanted.fingerprint:
                return None
        return constants.measured(self.catalog, wanted, self.registry)

    def _segment(self, row: SegmentRow, sparse: SparseEncoder | None) -> None:
        source = Layout(self.source).segment(row.segment_id)
        manifest = read_manifest(source, expected_xxh3=row.manifest_xxh3)
        name = covering_id(row.first_serial, row.last_serial, replaced=[row])
        folder = self.layout.segment(name)
        makes_encodings = self._makes_encodings(manifest)
        dropped = (
            *(_SPARSE if sparse is not None or self.plan.sparse is None else ()),
            *(_ENCODINGS if makes_encodings else ()),
        )
        with storage_errors(folder):
            folder.mkdir()
            for path in source.iterdir():
                if path.name != _MANIFEST and not path.name.startswith(dropped or ("\0",)):
                    _link(path, folder / path.name)
        segment = Segment.open(source)
        encoders = {signal: dict(found) for signal, found in manifest.encoders.items()}
        parameters = dict(manifest.parameters)
        if self.plan.sparse is None:
            encoders.pop("sparse", None)
        elif sparse is not None:
            SparseIndex.write(folder, self._weights(segment, sparse))
            encoders["sparse"] = {"spec": sparse.spec, "fingerprint": sparse.fingerprint}
            parameters.pop(spec_ranges.PARAMETER, None)
        if makes_encodings and segment.multivector is not None:
            parameters["multivector"] = self._encodings(segment.multivector, folder)
        with storage_errors(folder):
            made = replace(
                manifest,
                segment_id=name,
                encoders=encoders,
                parameters=parameters,
                files=describe_files(folder),
            )
            checksum = write_manifest(folder, made)
            sync_folder(folder.parent)
        new = SegmentRow(name, row.first_serial, row.last_serial, row.n_docs, checksum)
        self.catalog.replace_segments([row], new, kept=segment.serials)

    def _makes_encodings(self, manifest: Manifest) -> bool:
        """Whether encodings are wanted other than the source has, or none."""
        if self.plan.multivector is None:
            return False
        with closing(Catalog.open(Layout(self.source).catalog)) as catalog:
            found = MultiVectorPlan.from_json(catalog.setting("multivector"))
        names = ("fde", "fde_store", "fde_dim")
        return any(getattr(found, name) != getattr(self.plan.plan, name) for name in names)

    def _weights(self, segment: Segment, sparse: SparseEncoder) -> SparseBatch:
        parts: list[SparseBatch] = []
        total = len(segment.serials)
        for start, texts in self._texts(segment):
            parts.append(sparse.encode_documents(texts))
            self.watcher.advance("encode", min(start + PART_DOCS, total), total)
            if self.watcher.stopped():
                raise KeyboardInterrupt
        return SparseBatch.concatenate(parts)

    def _texts(self, segment: Segment) -> Iterator[tuple[int, list[str]]]:
        for start, stop in ranges(len(segment.serials), PART_DOCS):
            documents = self.catalog.documents(segment.serials[start:stop])
            spans = None if segment.passages is None else segment.passages[start:stop]
            yield start, passage_texts(documents, spans)

    def _encodings(self, index: MultiVectorIndex, folder: Path) -> dict[str, Json]:
        total = index.store.n_docs

        def tell(stage: str, done: int) -> None:
            self.watcher.advance(stage, done, total)

        made = None
        if self.plan.plan.fde and index.store.n_tokens:
            plan = replace(self.plan.plan, threads=os.cpu_count() or 1)
            made = build_encodings(index.store, plan, progress=tell)
            made.save(folder)
        return replace(index, candidates=made).parameters()


def _link(source: Path, target: Path) -> None:
    with suppress(OSError):
        os.link(source, target)
        return
    # Another file system, or one without hard links.
    shutil.copy2(source, target)
