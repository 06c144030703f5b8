"""How do systems do on collections, all combinations of them, at which cost?

A YAML matrix (matrix.py) names collections, indexes and systems. Indexes that are missing are
built, queries are encoded once, and each cell (cell.py) is kept, so that an experiment goes on
where it stopped. results.json is what reports are made of.
"""

from lexmax.eval.experiments.experiment import Experiment
from lexmax.eval.experiments.grid import System
from lexmax.eval.experiments.matrix import Matrix
from lexmax.eval.experiments.matrix_reading import read_matrix
from lexmax.eval.experiments.results import Results, read_results
from lexmax.eval.experiments.running import run_experiment

__all__ = [
    "Experiment",
    "Matrix",
    "Results",
    "System",
    "read_matrix",
    "read_results",
    "run_experiment",
]
