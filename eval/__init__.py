"""How good is it, by the measures that the field agrees on?"""

from lexmax.eval.datasets import Dataset, load_dataset
from lexmax.eval.experiment import Evaluation, evaluate_pipelines, evaluate_run, to_json
from lexmax.eval.measures import DEFAULT_MEASURES
from lexmax.eval.report import print_report

__all__ = [
    "DEFAULT_MEASURES",
    "Dataset",
    "Evaluation",
    "evaluate_pipelines",
    "evaluate_run",
    "load_dataset",
    "print_report",
    "to_json",
]
