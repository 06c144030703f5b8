"""How is a query answered? The stages of a pipeline, run over one state of a collection."""

from lexmax.pipeline.abilities import default_name, runnable
from lexmax.pipeline.answer import Answer, Record, timings_ms
from lexmax.pipeline.collection_encoders import CollectionEncoders, SparseBackend, encoder_specs
from lexmax.pipeline.queries import EncodedQueries
from lexmax.pipeline.rescoring import rerank_texts
from lexmax.pipeline.run import answered, encoded_queries, run
from lexmax.pipeline.sources import Sources

__all__ = [
    "Answer",
    "CollectionEncoders",
    "EncodedQueries",
    "Record",
    "Sources",
    "SparseBackend",
    "answered",
    "default_name",
    "encoded_queries",
    "encoder_specs",
    "rerank_texts",
    "run",
    "runnable",
    "timings_ms",
]
