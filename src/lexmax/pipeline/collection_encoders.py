"""Which encoders and engines has a collection?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from lexmax.encoders import DenseEncoder, Encoders, MultiVectorEncoder, PairScorer, SparseEncoder
from lexmax.encoders.given import GivenReader, Part
from lexmax.index.snapshot import Snapshot
from lexmax.stages import SIGNALS, Signal
from lexmax.types import Hits, Json, SparseBatch

_PARTS: Mapping[Signal, Part] = MappingProxyType(
    {"sparse": "sparse", "multivector": "tokens", "pooled": "pooled"}
)


class SparseBackend(Protocol):
    """Another engine that ranks a snapshot's documents by their term weights."""

    def search(self, snapshot: Snapshot, queries: SparseBatch, k: int) -> Hits:
        """The best k documents of each query, as `Snapshot.search_sparse` gives them."""
        ...


@dataclass(frozen=True, slots=True)
class CollectionEncoders:
    """The encoders of one collection, loaded when they are first needed.

    `given` reads vectors that come with documents and queries.
    `specs` has an entry for each signal that the collection has an index for; `backends` are
    other engines over its sparse weights that this installation has, by name.
    """

    registry: Encoders
    specs: Mapping[Signal, str]
    backends: Mapping[str, SparseBackend] = field(default_factory=dict[str, SparseBackend])
    given: GivenReader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Tells from the specs which parts of vectors have to be given: nothing is loaded."""
        required: list[Part] = [
            _PARTS[signal]
            for signal, spec in self.specs.items()
            if spec.partition("?")[0] in ("impacts", "given", "given-pooled")
        ]
        object.__setattr__(self, "given", GivenReader(self, required))

    @property
    def sparse(self) -> SparseEncoder | None:
        """What gives term weights, if the collection has a sparse index."""
        spec = self.specs.get("sparse")
        return None if spec is None else self.registry.sparse(spec)

    @property
    def multivector(self) -> MultiVectorEncoder | None:
        """What gives token vectors, if the collection has a multi-vector index."""
        spec = self.specs.get("multivector")
        return None if spec is None else self.registry.multivector(spec)

    @property
    def pooled(self) -> DenseEncoder | None:
        """What gives one vector a text, if the collection keeps these."""
        spec = self.specs.get("pooled")
        return None if spec is None else self.registry.dense(spec)

    def pairs(self, spec: str) -> PairScorer:
        """What reads a query and a document together.

        Raises:
            EncoderError: if there is no such scorer.
        """
        return self.registry.pairs(spec)


def encoder_specs(setting: Json) -> dict[Signal, str]:
    """The specs of a collection's encoders, as its catalog keeps them."""
    if not isinstance(setting, Mapping):
        return {}
    return {signal: str(setting[signal]) for signal in SIGNALS if signal in setting}
