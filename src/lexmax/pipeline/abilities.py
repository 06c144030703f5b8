"""Which pipelines can a collection run, and which does it run unless told otherwise?"""

from lexmax.encoders import MultiVectorEncoder
from lexmax.pipeline.collection_encoders import CollectionEncoders
from lexmax.stages import PRESETS, MultiVectorRetrieve, Pipeline, Retrieve, SparseRetrieve

# What the fingerprint of an encoder says that was trained with the objective of XTR.
_XTR = "objective=xtr"


def runnable(encoders: CollectionEncoders) -> list[str]:
    """Names of the presets that a collection with these encoders can run."""
    return [name for name, pipeline in PRESETS.items() if obstacle(pipeline, encoders) is None]


def default_name(encoders: CollectionEncoders) -> str:
    """The preset to use where the caller names none: the best that the collection has."""
    found = [
        name
        for name in ("hybrid-pooled", "hybrid", "multivector", "sparse", "pooled")
        if obstacle(PRESETS[name], encoders) is None
    ]
    return found[0]


def obstacle(pipeline: Pipeline, encoders: CollectionEncoders) -> str | None:
    """Why a collection with these encoders cannot run the pipeline; None if it can."""
    for signal in sorted(pipeline.signals):
        if signal not in encoders.specs:
            return f"needs a {signal} index, which this collection has not"
    found = (_obstacle_of(stage, encoders) for stage in pipeline.retrieve)
    return next((reason for reason in found if reason is not None), None)


def _obstacle_of(stage: Retrieve, encoders: CollectionEncoders) -> str | None:
    found = encoders.specs[stage.signal].partition("?")[0]
    if stage.encoder not in (None, found):
        return f"is for the encoder {stage.encoder}, but this collection's is {found}"
    if isinstance(stage, SparseRetrieve) and stage.backend not in (None, *encoders.backends):
        return f'needs `pip install "lexmax[{stage.backend}]"`, which is not installed'
    imputes = isinstance(stage, MultiVectorRetrieve) and stage.parsed.imputes
    if imputes and not _trained_to_impute(encoders.multivector):
        return "imputes scores (xtr), which this collection's encoder was not trained for"
    return None


def _trained_to_impute(encoder: MultiVectorEncoder | None) -> bool:
    return encoder is not None and _XTR in encoder.fingerprint
