"""What is given of each query, and is that enough for the stages of a pipeline?"""

from collections.abc import Sequence

from lexmax.encoders.given import GivenReader
from lexmax.encoders.inputs import Inputs
from lexmax.errors import QueryError, ShapeError
from lexmax.pipeline.collection_encoders import CollectionEncoders
from lexmax.stages import Pairs, Pipeline, TextFeedback
from lexmax.vectors import NOTHING, GivenRow, Query


def inputs_of(
    queries: Sequence[str | Query], pipeline: Pipeline, encoders: CollectionEncoders
) -> Inputs:
    """The queries' texts, and the vectors that came with them.

    Raises:
        QueryError: if vectors do not fit the collection, or a stage needs what is not given.
    """
    texts = [query if isinstance(query, str) else query.text for query in queries]
    reader = encoders.given
    if not reader.required and all(isinstance(query, str) for query in queries):
        return Inputs(texts)
    return Inputs(texts, [_given(query, pipeline, reader) for query in queries])


def _given(query: str | Query, pipeline: Pipeline, reader: GivenReader) -> GivenRow:
    if isinstance(query, str):
        return NOTHING  # Encoders of given vectors say what they lack, or read it in the text.
    try:
        row = reader.row(query.vectors)
    except ShapeError as error:
        raise QueryError(f"the query's vectors cannot be used: {error}") from error
    if query.text.strip():
        return row
    found = {"sparse": row.terms, "multivector": row.tokens, "pooled": row.pooled}
    lacking = sorted(signal for signal in pipeline.signals if found[signal] is None)
    if lacking or _reads_text(pipeline):
        expected = f"vectors for {', '.join(lacking)}, or a text" if lacking else "a text"
        raise QueryError(
            f"the query has no text, and the pipeline {pipeline.name!r} needs more than its "
            f"vectors; expected {expected}"
        )
    return row


def _reads_text(pipeline: Pipeline) -> bool:
    by_pairs = any(isinstance(stage, Pairs) for stage in pipeline.rerank)
    return by_pairs or isinstance(pipeline.feedback, TextFeedback)
