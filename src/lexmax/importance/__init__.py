"""What is each document, or source of documents, worth to a corpus that is searched?"""

from lexmax.importance.ascent import Ascent, ascended
from lexmax.importance.lists import RankedLists
from lexmax.importance.pruning import Cut, best_cut
from lexmax.importance.recurrence import gradients, utilities
from lexmax.importance.weights import Weights

__all__ = [
    "Ascent",
    "Cut",
    "RankedLists",
    "Weights",
    "ascended",
    "best_cut",
    "gradients",
    "utilities",
]
