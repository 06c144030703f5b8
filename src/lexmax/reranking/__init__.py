"""How are candidates scored again by a model that reads query and document together?"""

from lexmax.reranking.deadline import Deadline
from lexmax.reranking.outcome import Outcome
from lexmax.reranking.pair_reranker import PairReranker
from lexmax.reranking.score_cache import ScoreCache

__all__ = ["Deadline", "Outcome", "PairReranker", "ScoreCache"]
