"""How does text become numbers?"""

from lexmax.encoders.bm25 import Bm25
from lexmax.encoders.contract import (
    DenseEncoder,
    MultiVectorEncoder,
    NamesTerms,
    PairScorer,
    SparseEncoder,
)
from lexmax.encoders.impacts import Impacts
from lexmax.encoders.loading import Encoders, load

__all__ = [
    "Bm25",
    "DenseEncoder",
    "Encoders",
    "Impacts",
    "MultiVectorEncoder",
    "NamesTerms",
    "PairScorer",
    "SparseEncoder",
    "load",
]
