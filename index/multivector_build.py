"""What is built over a token store so that few of its documents need be scored?

Centroids with the code of every token, and fixed-dimensional encodings; both by default. Token
vectors may then be stored as what their centroids leave of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from lexmax.errors import CorruptionError, InputError
from lexmax.index.candidates import CandidateIndex
from lexmax.index.centroid_index import CentroidIndex, mean_residual, sampled_rows
from lexmax.index.centroids import suitable_number
from lexmax.index.fde import FdeParameters
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.recall import drawn_queries, enough, write_queries
from lexmax.index.stores.spec import parse_store
from lexmax.index.token_codec import Codec
from lexmax.index.tokens import TokenStore
from lexmax.types import Json, TokenBatch

Progress = Callable[[str, int], None]

# Coordinates of a projected encoding: 64 bytes a document as codes of 4 bits.
_PROJECTION_DIM = 256
_MOST_DIM = 4096
# Centroids of another index serve as long as they leave no more than this over.
_DRIFT = 1.1


@dataclass(frozen=True, slots=True)
class MultiVectorPlan:
    """What to build.

    Attributes:
        codec: how token vectors are stored.
        centroids: whether tokens get centroids; codecs of residuals always have them.
        fde: whether documents get fixed-dimensional encodings.
        fde_store: how these are kept, as `stores.spec.parse_store` reads it; None chooses by size.
        fde_dim: coordinates that they are projected to, at most; None for 256.
        recall: share of the exact best that searches are to find; None for fixed numbers of
            candidates.
        seed: of samples and all that is drawn at random.
        threads: at most so many; they do not change the result.
    """

    codec: Codec = "int8"
    centroids: bool = True
    fde: bool = True
    recall: float | None = None
    fde_store: str | None = None
    seed: int = 42
    threads: int = 1
    fde_dim: int | None = None

    def __post_init__(self) -> None:
        if self.codec not in get_args(Codec):
            raise InputError(
                f"found codec {self.codec!r}; expected one of {', '.join(get_args(Codec))}"
            )
        if self.fde_store is not None:
            parse_store(self.fde_store)
        if self.recall is not None and not 0 < self.recall <= 1:
            raise InputError(f"recall is {self.recall}; expected above 0 and at most 1")
        if self.fde_dim is not None and not 1 <= self.fde_dim <= _MOST_DIM:
            raise InputError(f"fde_dim is {self.fde_dim}; expected 1 to {_MOST_DIM}")

    @property
    def first_codec(self) -> Codec:
        """How tokens are kept as they come: residuals need centroids, which need all tokens."""
        return "int8" if self.codec.startswith("residual") else self.codec

    def to_json(self) -> dict[str, Json]:
        """What `from_json` reads: all but the threads."""
        return {
            "codec": self.codec,
            "centroids": self.centroids,
            "fde": self.fde,
            "recall": self.recall,
            "fde_store": self.fde_store,
            "seed": self.seed,
            # Left out where nobody asked: catalogs of older releases do not have it either.
            **({} if self.fde_dim is None else {"fde_dim": self.fde_dim}),
        }

    @staticmethod
    def from_json(written: Json) -> "MultiVectorPlan":
        """The plan that `to_json` wrote; the default one for null.

        Raises:
            CorruptionError: if it is something else.
        """
        if written is None:
            return MultiVectorPlan()
        example = MultiVectorPlan().to_json()
        if not isinstance(written, Mapping) or written.keys() - {"fde_dim"} != example.keys():
            raise CorruptionError(
                f"the plan of the multi-vector index is {written!r}; expected {example}; "
                "restore a backup"
            )
        return MultiVectorPlan(**written)  # type: ignore[arg-type]


def _silent(stage: str, done: int) -> None:
    """Nobody is told."""


def build_multivector(
    store: TokenStore,
    plan: MultiVectorPlan | None = None,
    *,
    parameters: FdeParameters | None = None,
    inherited: CentroidIndex | None = None,
    samples: TokenBatch | None = None,
    folder: Path | None = None,
    progress: Progress = _silent,
) -> MultiVectorIndex:
    """An index over the store; a store without tokens is searched as it is.

    `inherited` lends its centroids if they fit these tokens as well as its own. `samples` are
    queries that recall is measured with where the plan asks for it; None draws some from the
    documents. Residuals and samples are written to `folder`. `progress` is told stages and how
    many documents have passed them. The same store, plan and inheritance give the same bytes.

    Raises:
        ShapeError: if `parameters` are for another dim.
    """
    plan = plan or MultiVectorPlan()
    if store.n_tokens == 0:
        return MultiVectorIndex(store, None)
    near = fde = None
    if plan.centroids or plan.codec.startswith("residual"):
        near = CentroidIndex.build(
            store,
            seed=plan.seed,
            threads=plan.threads,
            inherited=_fitting(store, inherited, plan),
            progress=lambda done: progress("centroids", done),
        )
    if plan.fde:
        fde = build_encodings(store, plan, parameters=parameters, progress=progress)
    if near is not None and folder is not None and plan.codec.startswith("residual"):
        near.save(folder)
        store = TokenStore.recoded(
            folder,
            store,
            codec=plan.codec,
            centroids=near.centroids.vectors.astype("float32"),
            assigned=near.codes,
            progress=lambda done: progress("residuals", done),
        )
        near = replace(near, offsets=store.offsets)
    index = MultiVectorIndex(store, fde, near)
    return index if plan.recall is None else _measured(index, plan.recall, samples, folder, plan)


def build_encodings(
    store: TokenStore,
    plan: MultiVectorPlan,
    *,
    parameters: FdeParameters | None = None,
    progress: Progress = _silent,
) -> CandidateIndex:
    """The fixed-dimensional encodings of a plan, of a store that has tokens.

    Raises:
        ShapeError: if `parameters` are for another dim.
    """
    return CandidateIndex.build(
        store,
        parameters=parameters or FdeParameters(dim=store.dim, seed=plan.seed),
        store_spec=None if plan.fde_store is None else parse_store(plan.fde_store),
        projection_dim=_PROJECTION_DIM if plan.fde_dim is None else plan.fde_dim,
        seed=plan.seed,
        threads=plan.threads,
        progress=lambda done: progress("fde", done),
    )


def _measured(
    index: MultiVectorIndex,
    recall: float,
    samples: TokenBatch | None,
    folder: Path | None,
    plan: MultiVectorPlan,
) -> MultiVectorIndex:
    queries = drawn_queries(index.store, seed=plan.seed) if samples is None else samples
    if folder is not None:
        write_queries(folder, queries)
    return replace(index, enough=enough(index, queries, recall=recall, threads=plan.threads))


def _fitting(
    store: TokenStore, inherited: CentroidIndex | None, plan: MultiVectorPlan
) -> CentroidIndex | None:
    """Inherited centroids, unless they are too few or too far from these tokens."""
    if inherited is None or inherited.centroids.dim != store.dim:
        return None
    if 2 * len(inherited.centroids) < suitable_number(store.n_tokens):
        return None
    sample = sampled_rows(store, seed=plan.seed)
    found = mean_residual(inherited.centroids, sample, threads=plan.threads)
    return inherited if found <= _DRIFT * inherited.mean_residual else None
