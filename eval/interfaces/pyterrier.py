"""How does PyTerrier retrieve and rerank with lexmax? Without Java: that is Terrier's own."""

from typing import Any

from lexmax.eval.interfaces.asked import (
    Asked,
    Scores,
    Searched,
    answers,
    document_texts,
    reranked,
)
from lexmax.integrations.frameworks import framework

_pandas = framework("pandas", extra="pyterrier")
_pyterrier = framework("pyterrier", extra="pyterrier")
_Transformer: Any = _pyterrier.Transformer


class LexmaxRetriever(_Transformer):  # type: ignore[misc]
    """Queries to ranked documents; ranked documents to the same in this pipeline's order.

    colbert = LexmaxRetriever(collection, pipeline="multivector")
    bm25 = LexmaxRetriever(collection, pipeline="bm25")
    bm25 % 100 >> colbert

    Takes qid and query, and docno where it reranks; gives qid, query, docno, score, rank from 0
    and, if asked for, text.
    """

    def __init__(
        self,
        searched: Searched,
        *,
        pipeline: Asked = None,
        num_results: int = 1000,
        text: bool = False,
    ) -> None:
        """`searched` is a collection, or a `ServedCollection`, which cannot rerank."""
        self._searched, self._pipeline = searched, pipeline
        self._num_results, self._text = num_results, text

    def transform(self, inp: Any) -> Any:
        """The best documents of each query, or the given ones in order, as a frame."""
        with _pyterrier.validate.any(inp, context=self) as asked:
            asked.query_frame(extra_columns=["query"], mode="retrieve")
            asked.result_frame(extra_columns=["query"], mode="rerank")
        texts = dict(zip(inp["qid"], inp["query"], strict=True))
        if asked.mode == "retrieve":
            scores = answers(self._searched, texts, self._num_results, pipeline=self._pipeline)
            queries = inp.drop_duplicates("qid")
            return self._with_text(queries.merge(self._frame(scores), on="qid"))
        given = inp.groupby("qid", sort=False)["docno"].agg(list).to_dict()
        scores = reranked(self._searched, texts, given, pipeline=self._pipeline)
        kept = inp.drop(columns=["score", "rank"], errors="ignore")
        ranked = self._frame(scores).merge(kept, on=["qid", "docno"])
        first = [name for name in ("qid", "query", "docno", "score", "rank") if name in ranked]
        return self._with_text(ranked[[*first, *(name for name in ranked if name not in first)]])

    def fuse_rank_cutoff(self, k: int) -> "LexmaxRetriever":
        """The same with no more than k documents a query: what PyTerrier makes of `% k`."""
        if k >= self._num_results:
            return self
        return LexmaxRetriever(
            self._searched, pipeline=self._pipeline, num_results=k, text=self._text
        )

    def __repr__(self) -> str:
        return (
            f"LexmaxRetriever({self._searched!r}, pipeline={self._pipeline!r}, "
            f"num_results={self._num_results}, text={self._text})"
        )

    def _frame(self, scores: Scores) -> Any:
        rows = [
            (query_id, doc_id, score, rank)
            for query_id, by_doc in scores.items()
            for rank, (doc_id, score) in enumerate(by_doc.items())
            if rank < self._num_results
        ]
        frame = _pandas.DataFrame(rows, columns=["qid", "docno", "score", "rank"])
        # A frame without rows has no types of its own.
        return frame.astype({"qid": str, "docno": str, "score": "float64", "rank": "int64"})

    def _with_text(self, ranked: Any) -> Any:
        if not self._text:
            return ranked
        texts = document_texts(self._searched, ranked["docno"].tolist())
        return ranked.assign(text=texts)
