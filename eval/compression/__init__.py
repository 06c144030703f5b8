"""What is lost, and what is saved, when vectors are stored in fewer bytes?

Every way of storing that a collection has is measured beside codecs that are only studied
(codecs/), against the exact answer over float32 vectors.
"""

from lexmax.eval.compression.material import Choice, Material, gather
from lexmax.eval.compression.outcomes import CompressionStudy
from lexmax.eval.compression.states import StudyEncoders
from lexmax.eval.compression.study import KINDS, StudyPlan, study

__all__ = [
    "KINDS",
    "Choice",
    "CompressionStudy",
    "Material",
    "StudyEncoders",
    "StudyPlan",
    "gather",
    "study",
]
