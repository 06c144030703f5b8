"""What does an index of an experiment keep, and when are two of them the same?"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import xxhash

from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import EvaluationError
from lexmax.index.durable import to_json
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.pooled import check_pooled_codec
from lexmax.passages import PassagePlan
from lexmax.types import Json

_OVER_TOKENS = ("codec", "centroids", "fde", "fde_store", "fde_dim", "recall")


def index_plan(given: Mapping[str, Any]) -> IndexChoice:
    """The choice that an `IndexSection`'s keys make; an encoder that they do not name is none.

    Raises:
        EvaluationError: if it names no encoder, or plans over token vectors without any.
        InputError: if a value is out of range.
    """
    over = {key: given[key] for key in _OVER_TOKENS if given.get(key) is not None}
    plan = IndexChoice(
        given.get("sparse"),
        given.get("multivector"),
        MultiVectorPlan(**over),
        given.get("pooled"),
        None if given.get("passages") is None else PassagePlan.parse(given["passages"]),
        given.get("neighbours") or 0,
        pooled_codec=check_pooled_codec(given.get("pooled_codec") or "int8"),
    )
    if not plan.specs:
        raise EvaluationError(
            "the index has no encoder; expected sparse, multivector or pooled; name one"
        )
    if over and plan.multivector is None:
        raise EvaluationError(
            f"the index has {', '.join(over)}, but no multivector encoder; expected both; name "
            "one, or leave them out"
        )
    return plan


def told(plan: IndexChoice) -> dict[str, Json]:
    """What people read of a plan."""
    return {
        "sparse": plan.sparse,
        "multivector": plan.multivector,
        "pooled": plan.pooled,
        "tokens": None if plan.multivector is None else plan.plan.to_json(),
        "passages": None if plan.passages is None else plan.passages.to_json(),
        "neighbours": plan.neighbours,
        **_unless_default(plan.pooled_codec),
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
    def of(plan: IndexChoice, registry: Encoders) -> "IndexIdentity":
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
            None if plan.multivector is None else plan.plan.to_json(),
            None if plan.passages is None else plan.passages.to_json(),
            plan.neighbours,
            plan.pooled_codec or "int8",
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


def _kept(tokens: Mapping[str, Json] | None) -> Json:
    """Of what is built over tokens, what must be equal for vectors and centroids to be shared."""
    if tokens is None:
        return None
    shared: dict[str, Json] = {name: tokens[name] for name in ("codec", "centroids", "seed")}
    return {**shared, "recall": tokens["recall"]}


def _unless_default(codec: str | None) -> dict[str, Json]:
    # Indexes of caches that know of no other codec keep their names.
    return {} if codec in (None, "int8") else {"pooled_codec": codec}
