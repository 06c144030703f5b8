"""How good is it, by the measures that the field agrees on?"""

from lexmax.eval.datasets import Dataset, load_dataset
from lexmax.eval.experiment import evaluate_pipelines
from lexmax.eval.measures import DEFAULT_MEASURES
from lexmax.eval.outcomes import Evaluation, to_json
from lexmax.eval.report import print_report
from lexmax.eval.run_files import evaluate_run

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
