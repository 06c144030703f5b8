"""Which constants does a sparse encoder take from a collection? Those of an even sample of it.

bm25 takes the mean length of documents. They are measured when the first segment is built and
again when the collection has doubled, not for every segment: a sample takes longer to read than a
small segment to build, and neighbours in time are weighed alike.
"""

from typing import Any, cast

from lexmax.encoders import Encoders, SparseEncoder
from lexmax.index.catalog import Catalog
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.passages import PassagePlan, Rows

_SETTING = "constants"
_SAMPLE_DOCS = 20_000
_GROWTH = 2


def known(catalog: Catalog, encoder: SparseEncoder, registry: Encoders) -> SparseEncoder | None:
    """The encoder with the constants that were last measured; None where none were."""
    if encoder.fitted([]) is encoder:
        return encoder
    found = _last(catalog, encoder)
    return None if found is None else registry.sparse(found["spec"])


def measured(
    catalog: Catalog, encoder: SparseEncoder | None, registry: Encoders
) -> SparseEncoder | None:
    """The encoder with constants of the living documents, measured anew if they have doubled."""
    if encoder is None or encoder.fitted([]) is encoder:
        return encoder
    n_docs, found = catalog.n_living(), _last(catalog, encoder)
    if found is not None and n_docs < _GROWTH * found["n_docs"]:
        return registry.sparse(found["spec"])
    serials = catalog.living_serials(0)
    stride = max(1, -(-len(serials) // _SAMPLE_DOCS))
    sample = catalog.documents(serials[::stride])
    plan = PassagePlan.from_json(catalog.setting(PASSAGES))
    fitted = encoder.fitted(Rows.of(sample, plan).texts)
    catalog.remember(_SETTING, {"of": encoder.spec, "spec": fitted.spec, "n_docs": n_docs})
    return fitted


def _last(catalog: Catalog, encoder: SparseEncoder) -> Any | None:
    """What was measured for this very encoder, and over how many documents."""
    found = cast("Any", catalog.setting(_SETTING))
    return found if found is not None and found["of"] == encoder.spec else None
