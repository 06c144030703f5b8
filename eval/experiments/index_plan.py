"""What does an index of an experiment keep, and when are two of them the same?"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import xxhash

from lexmax.encoders import Encoders
from lexmax.errors import EvaluationError
from lexmax.index.durable import to_json
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.pooled import check_pooled_codec
from lexmax.indexing import IndexChoice
from lexmax.passages import PassagePlan
from lexmax.types import Json

_OVER_TOKENS = ("codec", "centroids", "fde", "fde_store", "fde_dim", "recall")


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """Specs of encoders, None for none, and what is built besides."""

    sparse: str | None = None
    multivector: str | None = None
    pooled: str | None = None
    tokens: MultiVectorPlan = field(default_factory=MultiVectorPlan)
    passages: PassagePlan | None = None
    neighbours: int = 0
    pooled_codec: str = "int8"

    @staticmethod
    def of(given: Mapping[str, Any]) -> "IndexPlan":
        """The plan of an `IndexSection`'s keys.

        Raises:
            EvaluationError: if it names no encoder, or plans over token vectors without any.
            InputError: if a value is out of range.
        """
        over = {key: given[key] for key in _OVER_TOKENS if given.get(key) is not None}
        plan = IndexPlan(
            given.get("sparse"),
            given.get("multivector"),
            given.get("pooled"),
            MultiVectorPlan(**over),
            None if given.get("passages") is None else PassagePlan.parse(given["passages"]),
            given.get("neighbours") or 0,
            check_pooled_codec(given.get("pooled_codec") or "int8"),
        )
        if plan.sparse is plan.multivector is plan.pooled is None:
            raise EvaluationError(
                "the index has no encoder; expected sparse, multivector or pooled; name one"
            )
        if over and plan.multivector is None:
            raise EvaluationError(
                f"the index has {', '.join(over)}, but no multivector encoder; expected both; name "
                "one, or leave them out"
            )
        return plan

    @property
    def choice(self) -> IndexChoice:
        """As an indexing job takes it."""
        return IndexChoice(
            self.sparse,
            self.multivector,
            plan=self.tokens,
            pooled=self.pooled,
            passages=self.passages,
            neighbours=self.neighbours,
            pooled_codec=self.pooled_codec,
        )

    def as_json(self) -> dict[str, Json]:
        """What people read."""
        return {
            "sparse": self.sparse,
            "multivector": self.multivector,
            "pooled": self.pooled,
            "tokens": None if self.multivector is None else self.tokens.to_json(),
            "passages": None if self.passages is None else self.passages.to_json(),
            "neighbours": self.neighbours,
            **_unless_default(self.pooled_codec),
        }


@dataclass(frozen=True, slots=True)
class IndexIdentity:
    """All that an index' bytes depend on but its documents.

    Attributes:
        sparse, multivector, pooled: fingerprints of encoders, None for none.
        tokens: what is built over token vectors; None without them.
        passages: how documents are split.
        neighbours: of a document in the graph.
        pooled_codec: how pooled vectors are stored.
    """

    sparse: str | None
    multivector: str | None
    pooled: str | None
    tokens: Mapping[str, Json] | None
    passages: Mapping[str, Json] | None
    neighbours: int
    pooled_codec: str = "int8"

    @staticmethod
    def of(plan: IndexPlan, registry: Encoders) -> "IndexIdentity":
        """The identity of a plan with the encoders of this installation.

        Raises:
            EncoderError: if there is no such encoder.
        """
        return IndexIdentity(
            None if plan.sparse is None else registry.sparse(plan.sparse).fingerprint,
            None
            if plan.multivector is None
            else registry.multivector(plan.multivector).fingerprint,
            None if plan.pooled is None else registry.dense(plan.pooled).fingerprint,
            None if plan.multivector is None else plan.tokens.to_json(),
            None if plan.passages is None else plan.passages.to_json(),
            plan.neighbours,
            plan.pooled_codec,
        )

    def as_json(self) -> dict[str, Json]:
        """What `from_json` reads."""
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        del named["pooled_codec"]
        return named | _unless_default(self.pooled_codec)

    @staticmethod
    def from_json(written: Mapping[str, Any]) -> "IndexIdentity":
        """What `as_json` wrote; raises TypeError if it is something else."""
        return IndexIdentity(**written)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that name it."""
        return xxhash.xxh3_128(to_json(self.as_json())).hexdigest()[:16]

    def can_lend_to(self, other: "IndexIdentity") -> bool:
        """Whether the other differs in its sparse index or what is built over tokens alone.

        Token and pooled vectors can then be shared, and no transformer need run for them.
        """
        same = ("multivector", "pooled", "pooled_codec", "passages", "neighbours")
        if any(getattr(self, name) != getattr(other, name) for name in same):
            return False
        if self.multivector is self.pooled is None or (self.neighbours and not self.pooled):
            return False
        return _kept(self.tokens) == _kept(other.tokens)


def _unless_default(codec: str) -> dict[str, Json]:
    # Indexes of caches that know of no other codec keep their names.
    return {} if codec == "int8" else {"pooled_codec": codec}


def _kept(tokens: Mapping[str, Json] | None) -> Json:
    """Of what is built over tokens, what must be equal for vectors and centroids to be shared."""
    if tokens is None:
        return None
    shared: dict[str, Json] = {name: tokens[name] for name in ("codec", "centroids", "seed")}
    return {**shared, "recall": tokens["recall"]}
