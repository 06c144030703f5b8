"""What does a new collection keep? Settings in its catalog, fixed when it is made."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from lexmax.encoders import Encoders
from lexmax.errors import InputError
from lexmax.index.catalog import Catalog
from lexmax.index.declared import SETTING as FIELDS
from lexmax.index.failures import storage_errors
from lexmax.index.fields import check_fields, read_fields
from lexmax.index.layout import Layout
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.neighbours import SETTING as NEIGHBOURS
from lexmax.index.neighbours import check_neighbours
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.index.pooled import SETTING as POOLED_CODEC
from lexmax.index.pooled import check_pooled_codec, kept_codec
from lexmax.passages import PassagePlan
from lexmax.stages import SIGNALS, Signal
from lexmax.types import Json


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """What a collection is made of; None leaves an index out.

    An option of a new collection is an attribute here: it is stored by `settings`, read by `kept`
    and compared by `require_same`. Beside that, each face names it once: `Collection.create`,
    `lexmax index`, the service's `CollectionSpec` and an experiment's `IndexSection`.

    Attributes:
        sparse: Spec of the encoder that gives term weights.
        multivector: Spec of the one that gives token vectors.
        plan: What is built over token vectors, and how they are stored.
        pooled: Spec of the one that gives one vector a document.
        passages: How documents are split; None leaves them whole.
        neighbours: Nearest neighbours of each document in a graph; 0 for no graph.
        fields: Entries of the metadata that filters can name, with their types.
        pooled_codec: How pooled vectors are stored, int8 or fp16; None for what a collection has,
            which is int8 where nobody asked.
    """

    sparse: str | None = "bm25"
    multivector: str | None = "minilm"
    plan: MultiVectorPlan = field(default_factory=MultiVectorPlan)
    pooled: str | None = None
    passages: PassagePlan | None = None
    neighbours: int = 0
    fields: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    pooled_codec: str | None = None

    @staticmethod
    def kept(catalog: Catalog) -> "IndexChoice":
        """What a collection keeps, by its catalog."""
        specs = cast("Mapping[str, str]", catalog.setting("encoders") or {})
        return IndexChoice(
            specs.get("sparse"),
            specs.get("multivector"),
            MultiVectorPlan.from_json(catalog.setting("multivector")),
            specs.get("pooled"),
            PassagePlan.from_json(catalog.setting(PASSAGES)),
            int(cast("int | None", catalog.setting(NEIGHBOURS)) or 0),
            read_fields(catalog.setting(FIELDS)),
            kept_codec(catalog.setting(POOLED_CODEC)),
        )

    @property
    def specs(self) -> dict[Signal, str]:
        """Of the encoders by signal."""
        named: dict[Signal, str | None] = {
            "sparse": self.sparse,
            "multivector": self.multivector,
            "pooled": self.pooled,
        }
        return {signal: spec for signal, spec in named.items() if spec is not None}

    def settings(self, registry: Encoders) -> dict[str, Json]:
        """As a catalog keeps it.

        Raises:
            EncoderError: if there is no such encoder.
            InputError: if there is no encoder at all, or a number or a type is none.
        """
        settings: dict[str, Json] = {"encoders": dict[str, Json](self._whole_specs(registry))}
        if self.multivector is not None:
            settings["multivector"] = self.plan.to_json()
        if self.fields:
            settings[FIELDS] = check_fields(self.fields)
        if self.neighbours:
            settings[NEIGHBOURS] = check_neighbours(self.neighbours)
        if self.passages is not None:
            settings[PASSAGES] = self.passages.to_json()
        if check_pooled_codec(self.pooled_codec or "int8") != "int8":
            # Left out where nobody asked: catalogs of older releases do not have it either.
            settings[POOLED_CODEC] = self._required_pooled()
        return settings

    def _required_pooled(self) -> str | None:
        if self.pooled is None:
            raise InputError(
                f"pooled vectors are to be stored as {self.pooled_codec}, and there is no pooled "
                "encoder; expected both; name one, or leave the codec out"
            )
        return self.pooled_codec

    def _whole_specs(self, registry: Encoders) -> dict[str, str]:
        """With all parameters, by signal."""
        specs: dict[str, str] = {}
        if self.sparse is not None:
            specs["sparse"] = registry.sparse(self.sparse).spec
        if self.multivector is not None:
            specs["multivector"] = registry.multivector(self.multivector).spec
        if self.pooled is not None:
            specs["pooled"] = registry.dense(self.pooled).spec
        if not specs:
            raise InputError(
                "found no encoder; expected one or more, sparse, multivector or pooled"
            )
        return specs

    def require_same(self, kept: "IndexChoice", path: Path, registry: Encoders) -> None:
        """Refuse to bring documents into a collection that keeps something else.

        Options that were not asked for are as they are; fields are declared later.

        Raises:
            InputError: if an encoder or what is built differs.
        """
        asked, found = self._whole_specs(registry), kept.specs
        for signal in SIGNALS:
            if asked.get(signal) != found.get(signal):
                raise _other(
                    path,
                    f"its {signal} encoder is {found.get(signal)}, but {asked.get(signal)} was",
                )
        if self.passages not in (None, kept.passages):
            raise _other(
                path, f"its documents are split by {kept.passages}, but {self.passages} was"
            )
        if self.neighbours not in (0, kept.neighbours):
            raise InputError(
                f"{path}: its graph has {kept.neighbours} neighbours of each document, but "
                f"{self.neighbours} were asked for; leave the option out, or run "
                f"`lexmax merge {path} --neighbours {self.neighbours}` first"
            )
        if self.pooled_codec not in (None, kept.pooled_codec):
            was, asked_for = kept.pooled_codec, self.pooled_codec
            raise _other(path, f"it stores pooled vectors as {was}, but {asked_for} was")
        if self.multivector is not None and self.plan != kept.plan:
            wanted, has = self.plan.to_json(), kept.plan.to_json()
            raise _other(path, f"over token vectors it builds {has}, but {wanted} was")


def _other(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: {what} asked for; leave the option out, or index into another folder"
    )


def create_catalog(layout: Layout, choice: IndexChoice, registry: Encoders) -> Catalog:
    """An empty catalog in a new folder; there whole or not at all.

    Raises:
        CollectionExistsError: if the folder holds anything.
        EncoderError: if there is no such encoder.
        InputError: if there is no encoder at all, or a number or a type is none.
    """
    settings = choice.settings(registry)
    with storage_errors(layout.folder):
        layout.make()
    try:
        return Catalog.create(layout.catalog, settings)
    except BaseException:
        shutil.rmtree(layout.folder, ignore_errors=True)
        raise
