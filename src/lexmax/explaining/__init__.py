"""Why is a document where it is, or not there?"""

from lexmax.explaining.explainer import explain
from lexmax.explaining.explanation import DocumentExplanation, Explanation
from lexmax.explaining.plain import as_json

__all__ = ["DocumentExplanation", "Explanation", "as_json", "explain"]
