"""Which queries are asked of a collection, and which documents should answer them?

The names that the rest of lexmax uses; eval/collections/ does the work.
"""

from lexmax.eval.collections.dataset import Dataset
from lexmax.eval.collections.loading import load_dataset, load_group
from lexmax.eval.collections.queries import read_queries

__all__ = ["Dataset", "load_dataset", "load_group", "read_queries"]
