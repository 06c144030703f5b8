"""Which documents are relevant enough to be returned? Pure functions over scores and queries."""

from lexmax.relevance.adapter import Adapter
from lexmax.relevance.adapter_files import load_calibration, modified_ns, save_calibration
from lexmax.relevance.calibrations import Calibration
from lexmax.relevance.query_features import QueryFeatures, query_features
from lexmax.relevance.thresholds import Target
from lexmax.relevance.versions import IndexVersion

__all__ = [
    "Adapter",
    "Calibration",
    "IndexVersion",
    "QueryFeatures",
    "Target",
    "load_calibration",
    "modified_ns",
    "query_features",
    "save_calibration",
]
