"""What is a segment? Some documents' indexes: built once, checked at open, never changed.

A segment is made of up to three indexes over the same documents, which are numbered from 0 (their
ordinals) in the order of their serials in the catalog. Where documents are split, every passage is
a row of the indexes and has an ordinal; those of one document are neighbours with one serial.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.append import NpyAppender
from lexmax.index.attributes import Attributes
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.directions import directions
from lexmax.index.durable import drop_drafts, sync_file, sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.manifest import (
    Manifest,
    describe_files,
    file_problems,
    read_manifest,
    write_manifest,
)
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_build import MultiVectorPlan, Progress, build_multivector
from lexmax.index.neighbour_build import build_neighbours
from lexmax.index.neighbours import Neighbours
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.passage_rows import n_distinct, read_passages, write_passages
from lexmax.index.pooled import PooledCodec, PooledIndex, PooledPlan, PooledWriter
from lexmax.index.sparse import SparseIndex
from lexmax.index.token_codec import Codec
from lexmax.index.tokens import TokenStore, TokenStoreWriter
from lexmax.types import Json, SparseBatch, TokenBatch

_SERIALS = "serials.npy"

Index = TypeVar("Index", SparseIndex, MultiVectorIndex, PooledIndex)


@dataclass(frozen=True, slots=True)
class Segment:
    """Indexes over the documents with these serials, int64 (n_docs,), ascending.

    `passages` are start and end, in characters of the document's text, of what each row is made
    of, int32 (n_docs, 2); then `n_docs` counts passages, and a serial stands once for each. They
    are None where documents are not split.
    """

    serials: NDArray[np.int64]
    sparse: SparseIndex | None
    multivector: MultiVectorIndex | None
    manifest: Manifest | None = None
    attributes: Attributes | None = None
    neighbours: Neighbours | None = None
    pooled: PooledIndex | None = None
    passages: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.serials)

    @property
    def n_documents(self) -> int:
        """Documents, each counted once."""
        if self.passages is None:
            return len(self)
        return n_distinct(self.serials) if self.manifest is None else self.manifest.n_documents

    @staticmethod
    def in_memory(
        serials: NDArray[np.int64],
        sparse: SparseBatch | None,
        tokens: TokenBatch | None,
        pooled: NDArray[np.float32] | None = None,
        *,
        passages: NDArray[np.int32] | None = None,
        token_codec: Codec = "int8",
        pooled_codec: PooledCodec = "int8",
    ) -> "Segment":
        """A segment that was never written: what makes pending documents searchable."""
        store = None if tokens is None else TokenStore.from_batch(tokens, codec=token_codec)
        return Segment(
            serials,
            None if sparse is None else SparseIndex.build(sparse),
            None if store is None else MultiVectorIndex(store, None),
            pooled=None if pooled is None else PooledIndex.from_vectors(pooled, codec=pooled_codec),
            passages=passages,
        )

    @staticmethod
    def open(folder: Path, *, manifest_xxh3: str | None = None) -> "Segment":
        """Map a segment into memory; vectors and postings are not read.

        Raises:
            CorruptionError: if a file is missing, has another size, or (small files) other bytes.
            IndexFormatError: if another format version wrote it.
            StorageError: if it cannot be opened, or too many files are open already.
        """
        with storage_errors(folder):
            manifest = read_manifest(folder, expected_xxh3=manifest_xxh3)
            problems = file_problems(folder, manifest, thorough=False)
            if problems:
                raise CorruptionError(problems[0])
            built = manifest.parameters.get("multivector")
            serials, fields = read_serials(folder), manifest.parameters.get("attributes")
            return Segment(
                serials,
                SparseIndex.open(folder) if "sparse" in manifest.encoders else None,
                MultiVectorIndex.open(folder, built) if isinstance(built, Mapping) else None,
                manifest,
                attributes=None
                if fields is None
                else Attributes.open(folder, fields, len(serials)),
                neighbours=_open_neighbours(folder, manifest),
                pooled=_open_pooled(folder, manifest.parameters),
                passages=read_passages(folder, len(serials))
                if "passages" in manifest.parameters
                else None,
            )


def _open_neighbours(folder: Path, manifest: Manifest) -> Neighbours | None:
    built = manifest.parameters.get("neighbours")
    return Neighbours.open(folder, built) if isinstance(built, Mapping) else None


def _open_pooled(folder: Path, parameters: Mapping[str, Json]) -> PooledIndex | None:
    built = parameters.get("pooled")
    return PooledIndex.open(folder, built) if isinstance(built, Mapping) else None


def read_serials(folder: Path) -> NDArray[np.int64]:
    """Serials of the documents that a segment, finished or being built, holds."""
    return map_npy(folder / _SERIALS, (np.int64,), 1)


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What a segment will hold; fixed before the first document is encoded.

    `encoders` maps "sparse", "multivector" and "pooled" to {"spec", "fingerprint"}; a signal that
    is not there is not built. `dim` is that of the token vectors, `pooled` says how pooled ones are
    stored; `samples` are queries to measure recall
    with. `parameters` go into the manifest beside those of the indexes. With `neighbours` above 0
    there is a graph of so many nearest neighbours of each document. `passages` are start and end of
    each row where documents are split; then `serials` name the document of each.
    """

    segment_id: str
    serials: NDArray[np.int64]
    encoders: Mapping[str, Mapping[str, str]]
    dim: int | None
    multivector: MultiVectorPlan = field(default_factory=MultiVectorPlan)
    samples: TokenBatch | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict[str, Json])
    neighbours: int = 0
    pooled: PooledPlan | None = None
    passages: NDArray[np.int32] | None = None


class SegmentWriter:
    """Takes encoded documents part by part, then builds their indexes.

    `folder` becomes the segment; `staging` holds what only the build needs. After `checkpoint`
    returns, all that was appended survives a crash: `resume` with its state goes on from there
    and ends with the same bytes as if nothing had happened.
    """

    def __init__(self, folder: Path, staging: Path, plan: SegmentPlan) -> None:
        """Start from nothing; what lies in the two folders is overwritten."""
        folder.mkdir(parents=True, exist_ok=True)
        staging.mkdir(parents=True, exist_ok=True)
        self._folder, self._staging, self._plan = folder, staging, plan
        self._sparse: dict[str, NpyAppender] | None = None
        self._tokens: TokenStoreWriter | None = None
        self._inherited: CentroidIndex | None = None
        self._attributes: Attributes | None = None
        self._pooled = None if plan.pooled is None else PooledWriter(folder, plan.pooled)
        if "sparse" in plan.encoders:
            self._sparse = {
                name: NpyAppender(staging / f"{name}.npy", dtype, ())
                for name, dtype in _STAGED.items()
            }
        if "multivector" in plan.encoders:
            self._tokens = TokenStoreWriter(
                _token_folder(folder, staging, plan), _dim(plan), codec=plan.multivector.first_codec
            )
        write_npy(folder / _SERIALS, plan.serials)
        sync_file(folder / _SERIALS)
        if plan.passages is not None:
            write_passages(folder, plan.passages)
        for place in (folder, staging):
            sync_folder(place)
            sync_folder(place.parent)
            sync_folder(place.parent.parent)

    @staticmethod
    def resume(
        folder: Path, staging: Path, plan: SegmentPlan, state: Mapping[str, Any]
    ) -> "SegmentWriter":
        """Go on from a checkpoint; whatever was written after it is dropped."""
        writer = SegmentWriter.__new__(SegmentWriter)
        writer._folder, writer._staging, writer._plan = folder, staging, plan
        writer._sparse = writer._tokens = writer._inherited = writer._attributes = None
        if "sparse" in plan.encoders:
            writer._sparse = {
                name: NpyAppender.resume(staging / f"{name}.npy", dtype, (), state["sparse"][name])
                for name, dtype in _STAGED.items()
            }
        if "multivector" in plan.encoders:
            tokens = _token_folder(folder, staging, plan)
            writer._tokens = TokenStoreWriter.resume(tokens, state["tokens"])
        writer._pooled = None
        if plan.pooled is not None:
            writer._pooled = PooledWriter.resume(folder, state["pooled"])
        return writer

    def append(
        self,
        sparse: SparseBatch | None,
        tokens: TokenBatch | None,
        pooled: NDArray[np.float32] | None = None,
    ) -> None:
        """Add the next documents of the plan, encoded."""
        if self._sparse is not None and sparse is not None:
            self._sparse["lengths"].append(np.diff(sparse.indptr))
            self._sparse["term_ids"].append(sparse.term_ids)
            self._sparse["weights"].append(sparse.weights)
        if self._tokens is not None and tokens is not None:
            self._tokens.append(tokens)
        if self._pooled is not None and pooled is not None:
            self._pooled.append(pooled)

    def copy(self, source: Segment, ordinals: NDArray[np.int64]) -> None:
        """Add documents of another segment as the next of the plan, exactly as they are stored.

        Residuals are decoded and coded anew, because the centroids may be others.

        Raises:
            ShapeError: if the segment lacks an index of the plan, or its vectors another form.
        """
        if self._sparse is not None:
            self.append(_required(source.sparse, "sparse").weights(ordinals), None)
        if self._tokens is not None:
            index = _required(source.multivector, "multivector")
            self._copy_tokens(self._tokens, index.store, ordinals)
            self._inherited = _larger(self._inherited, index.centroids)
        if self._pooled is not None:
            self._pooled.append_stored(_required(source.pooled, "pooled").rows(ordinals))

    def _copy_tokens(
        self, writer: TokenStoreWriter, store: TokenStore, ordinals: NDArray[np.int64]
    ) -> None:
        # Residuals belong to their centroids: what is left of a token changes with them.
        if store.codec.startswith("residual"):
            writer.append(store.decode(ordinals))
        else:
            writer.append_stored(store.rows(ordinals))

    def keep(self, attributes: Attributes) -> None:
        """Write these columns, of all documents of the plan, with the segment."""
        self._attributes = attributes

    def checkpoint(self) -> dict[str, Json]:
        """Force everything to the disk; the state that `resume` needs."""
        state: dict[str, Json] = {}
        if self._sparse is not None:
            state["sparse"] = {name: file.checkpoint() for name, file in self._sparse.items()}
        if self._tokens is not None:
            state["tokens"] = self._tokens.checkpoint()
        if self._pooled is not None:
            state["pooled"] = self._pooled.checkpoint()
        return state

    def finish(self, *, progress: Progress | None = None) -> str:
        """Build the indexes and write the manifest; returns the manifest's checksum.

        `progress` is told stages and how many documents have passed them.
        """
        parameters = dict(self._plan.parameters)
        if self._plan.passages is not None:
            parameters["passages"] = {"n_documents": n_distinct(self._plan.serials)}
        drop_drafts(self._folder)
        if self._sparse is not None:
            self._finish_sparse(self._sparse)
        if self._tokens is not None:
            self._tokens.close()
            parameters["multivector"] = self._finish_multivector(progress)
        if self._pooled is not None:
            self._pooled.close()
            parameters["pooled"] = self._pooled.parameters()
        if self._attributes is not None:
            self._attributes.save(self._folder)
            parameters["attributes"] = self._attributes.parameters()
        if self._plan.neighbours:
            self._finish_neighbours(parameters, progress or _silent)
        manifest = Manifest(
            segment_id=self._plan.segment_id,
            n_docs=len(self._plan.serials),
            first_serial=int(self._plan.serials[0]),
            last_serial=int(self._plan.serials[-1]),
            encoders=self._plan.encoders,
            parameters=parameters,
            files=describe_files(self._folder),
        )
        return write_manifest(self._folder, manifest)

    def _finish_sparse(self, files: Mapping[str, NpyAppender]) -> None:
        for file in files.values():
            file.close()
        lengths, term_ids, weights = (
            map_npy(self._staging / f"{name}.npy", (dtype,), 1) for name, dtype in _STAGED.items()
        )
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
        SparseIndex.write(self._folder, SparseBatch(indptr, term_ids, weights))

    def _finish_multivector(self, progress: Progress | None) -> dict[str, Json]:
        index = build_multivector(
            TokenStore.open(_token_folder(self._folder, self._staging, self._plan)),
            self._plan.multivector,
            inherited=self._inherited,
            samples=self._plan.samples,
            folder=self._folder,
            progress=progress or _silent,
        )
        index.save(self._folder)
        return index.parameters()

    def _finish_neighbours(self, parameters: dict[str, Json], progress: Progress) -> None:
        """Build the graph of what the other indexes have stored."""
        multivector = parameters.get("multivector")
        found = directions(
            self._staging / "directions",
            pooled=_open_pooled(self._folder, parameters),
            tokens=MultiVectorIndex.open(self._folder, multivector).store
            if isinstance(multivector, Mapping)
            else None,
            terms=None if self._sparse is None else SparseIndex.open(self._folder),
        )
        if found is not None:
            graph = build_neighbours(
                found[1],
                self._plan.neighbours,
                signal=found[0],
                threads=self._plan.multivector.threads,
                progress=lambda done: progress("neighbours", done),
            )
            graph.save(self._folder)
            parameters["neighbours"] = graph.parameters()


def _silent(stage: str, done: int) -> None:
    """Nobody is told."""


def _token_folder(folder: Path, staging: Path, plan: SegmentPlan) -> Path:
    return folder if plan.multivector.first_codec == plan.multivector.codec else staging


def _larger(a: CentroidIndex | None, b: CentroidIndex | None) -> CentroidIndex | None:
    return b if a is None or (b is not None and len(b.codes) > len(a.codes)) else a


_STAGED: dict[str, type[np.generic]] = {
    "lengths": np.int64,
    "term_ids": np.uint32,
    "weights": np.float32,
}


def _required(index: Index | None, signal: str) -> Index:
    if index is None:
        raise ShapeError(f"found a segment without a {signal} index; expected one to copy from")
    return index


def _dim(plan: SegmentPlan) -> int:
    if plan.dim is None:
        raise ValueError("a plan with token vectors needs their dim")
    return plan.dim
