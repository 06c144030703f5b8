"""Which stages has a pipeline? Here they are values; `lexmax.pipeline` runs them."""

from lexmax.stages.diversify import Coverage, Diversify, Graph, Hops, Mmr, PageRank
from lexmax.stages.documents import BestPassage, Documents, TopPassages
from lexmax.stages.feedback import Average, ColbertPrf, Feedback, Rm3, Rocchio, TextFeedback
from lexmax.stages.filtering import RelevanceFilter
from lexmax.stages.fuse import (
    FUSED_DEPTH,
    Borda,
    CombMnz,
    CombSum,
    Fuse,
    ReciprocalRank,
    WeightedSum,
)
from lexmax.stages.pipeline import Pipeline
from lexmax.stages.presets import PRESETS, preset
from lexmax.stages.reading import from_mapping, given_pipeline, named, read_pipeline
from lexmax.stages.rerank import MaxSim, OtherSignal, Pairs, Rerank
from lexmax.stages.retrieve import MultiVectorRetrieve, PooledRetrieve, Retrieve, SparseRetrieve
from lexmax.stages.values import SIGNALS, Conditions, Signal

__all__ = [
    "FUSED_DEPTH",
    "PRESETS",
    "SIGNALS",
    "Average",
    "BestPassage",
    "Borda",
    "ColbertPrf",
    "CombMnz",
    "CombSum",
    "Conditions",
    "Coverage",
    "Diversify",
    "Documents",
    "Feedback",
    "Fuse",
    "Graph",
    "Hops",
    "MaxSim",
    "Mmr",
    "MultiVectorRetrieve",
    "OtherSignal",
    "PageRank",
    "Pairs",
    "Pipeline",
    "PooledRetrieve",
    "ReciprocalRank",
    "RelevanceFilter",
    "Rerank",
    "Retrieve",
    "Rm3",
    "Rocchio",
    "Signal",
    "SparseRetrieve",
    "TextFeedback",
    "TopPassages",
    "WeightedSum",
    "from_mapping",
    "given_pipeline",
    "named",
    "preset",
    "read_pipeline",
]
