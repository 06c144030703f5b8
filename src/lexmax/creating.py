"""What does a new collection keep? Settings in its catalog, fixed when it is made."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from lexmax.encoders import Encoders
from lexmax.errors import InputError
from lexmax.index.catalog import Catalog
from lexmax.index.declared import SETTING as FIELDS
from lexmax.index.failures import storage_errors
from lexmax.index.fields import check_fields
from lexmax.index.layout import Layout
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.neighbours import SETTING as NEIGHBOURS
from lexmax.index.neighbours import check_neighbours
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.index.pooled import SETTING as POOLED_CODEC
from lexmax.index.pooled import check_pooled_codec
from lexmax.passages import PassagePlan
from lexmax.types import Json


@dataclass(frozen=True, slots=True)
class CollectionPlan:
    """What a collection is made of; None leaves an index out.

    Attributes:
        sparse: Spec of the encoder that gives term weights.
        multivector: Spec of the one that gives token vectors.
        pooled: Spec of the one that gives one vector a document.
        tokens: What is built over token vectors, and how they are stored.
        fields: Entries of the metadata that filters can name, with their types.
        neighbours: Nearest neighbours of each document in a graph; 0 for no graph.
        passages: How documents are split; None leaves them whole.
        pooled_codec: How pooled vectors are stored: int8 or fp16.
    """

    sparse: str | None = "bm25"
    multivector: str | None = "minilm"
    pooled: str | None = None
    tokens: MultiVectorPlan | None = None
    fields: Mapping[str, str] | None = None
    neighbours: int = 0
    passages: PassagePlan | None = None
    pooled_codec: str = "int8"

    def settings(self, registry: Encoders) -> dict[str, Json]:
        """As a catalog keeps it.

        Raises:
            EncoderError: if there is no such encoder.
            InputError: if there is no encoder at all, or a number or a type is none.
        """
        settings: dict[str, Json] = {"encoders": self._specs(registry)}
        if self.multivector is not None:
            settings["multivector"] = (self.tokens or MultiVectorPlan()).to_json()
        if self.fields:
            settings[FIELDS] = check_fields(self.fields)
        if self.neighbours:
            settings[NEIGHBOURS] = check_neighbours(self.neighbours)
        if self.passages is not None:
            settings[PASSAGES] = self.passages.to_json()
        if check_pooled_codec(self.pooled_codec) != "int8":
            # Left out where nobody asked: catalogs of older releases do not have it either.
            settings[POOLED_CODEC] = self._required_pooled()
        return settings

    def _required_pooled(self) -> str:
        if self.pooled is None:
            raise InputError(
                f"pooled vectors are to be stored as {self.pooled_codec}, and there is no pooled "
                "encoder; expected both; name one, or leave the codec out"
            )
        return self.pooled_codec

    def _specs(self, registry: Encoders) -> dict[str, Json]:
        specs: dict[str, Json] = {}
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


def create_catalog(layout: Layout, plan: CollectionPlan, registry: Encoders) -> Catalog:
    """An empty catalog in a new folder; there whole or not at all.

    Raises:
        CollectionExistsError: if the folder holds anything.
        EncoderError: if there is no such encoder.
        InputError: if there is no encoder at all, or a number or a type is none.
    """
    settings = plan.settings(registry)
    with storage_errors(layout.folder):
        layout.make()
    try:
        return Catalog.create(layout.catalog, settings)
    except BaseException:
        shutil.rmtree(layout.folder, ignore_errors=True)
        raise
