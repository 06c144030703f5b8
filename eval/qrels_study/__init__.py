"""How few judgements would have told the same systems apart?

Otero, Parapar and Ferro 2023: full qrels are cut down as if judging had stopped early, by depth
or by a method that chooses whom to judge next, and what is significant is compared.
"""

from lexmax.eval.qrels_study.adjudication import METHODS
from lexmax.eval.qrels_study.agreement import Agreement
from lexmax.eval.qrels_study.study import QrelsStudy, StudyPlan, study_qrels

__all__ = ["METHODS", "Agreement", "QrelsStudy", "StudyPlan", "study_qrels"]
