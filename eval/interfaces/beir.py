"""How does BEIR search with lexmax?"""

from collections.abc import Mapping
from typing import Any

from lexmax.eval.interfaces.asked import Asked, Scores, Searched, answers, fill
from lexmax.types import Document


class LexmaxRetrieval:
    """A retriever for BEIR's `EvaluateRetrieval`.

    retriever = EvaluateRetrieval(LexmaxRetrieval(lexmax.Collection.create("scifact-index")))
    results = retriever.retrieve(corpus, queries)
    """

    def __init__(self, searched: Searched, *, pipeline: Asked = None) -> None:
        """`searched` is a collection, or a `ServedCollection`; what it lacks is added to it."""
        self._searched, self._pipeline = searched, pipeline

    def search(
        self,
        corpus: Mapping[str, Mapping[str, str]],
        queries: Mapping[str, str],
        top_k: int,
        score_function: str | None = None,
        **others: Any,
    ) -> Scores:
        """The best documents of each query, once all of the corpus is in the collection.

        `score_function` and `others` are for encoders whose vectors BEIR compares itself; what
        compares here is the pipeline.

        Raises:
            EvaluationError: if the collection holds documents that the corpus does not.
        """
        fill(self._searched, (_document(doc_id, row) for doc_id, row in corpus.items()))
        return answers(self._searched, queries, top_k, pipeline=self._pipeline)


def _document(doc_id: str, row: Mapping[str, str]) -> Document:
    return Document(doc_id, row.get("text") or "", row.get("title") or "")
