"""Where do documents, queries and judgements of a test collection come from?

A folder in the layout of BEIR (beir.py), MS MARCO (msmarco.py) or TREC (trec.py), a name of
ir_datasets (irds.py), or a generator (limit.py). All become a `Dataset`.
"""

from lexmax.eval.collections.dataset import Dataset
from lexmax.eval.collections.documents import unknown_documents
from lexmax.eval.collections.groups import averaged, sub_collections
from lexmax.eval.collections.loading import load_dataset, load_group

__all__ = [
    "Dataset",
    "averaged",
    "load_dataset",
    "load_group",
    "sub_collections",
    "unknown_documents",
]
