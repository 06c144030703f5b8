"""Exact: scipy's matrix of documents times the query."""

from typing import Any

import numpy as np
from measuring import built, report, timed
from profiles import VOCABULARY
from scipy.sparse import csr_matrix
from task import read_task

# A query reads the whole matrix: few of them tell enough.
_QUERIES = 20


def main() -> None:
    """Nothing to build: the arrays are the matrix."""
    task = read_task()
    _, figures = built(task, "scipy", lambda folder: None)
    if task.build_only:
        return
    documents = task.documents()
    parts = (np.array(documents.weights), documents.term_ids.astype(np.int32))
    shape = (len(documents), VOCABULARY)
    matrix = csr_matrix((*parts, np.array(documents.indptr)), shape=shape)
    figures["bytes"] = int(documents.indptr[-1]) * 8 + documents.indptr.nbytes
    rows = task.query_rows()[:_QUERIES]
    for k in task.ks:

        def search(i: int, k: int = k) -> Any:
            query = np.zeros(VOCABULARY, np.float32)
            query[rows[i][0]] = rows[i][1]
            scores = matrix @ query
            best = np.argpartition(-scores, k - 1)[:k]
            return best[np.argsort(-scores[best])]

        timing = timed(search, len(rows), warm=2)
        report(
            task,
            system="scipy",
            mode="exact",
            k=k,
            timing=timing,
            ordinals=timing.returned,
            build=figures,
            settings=f"csr_matrix @ query, {_QUERIES} queries",
        )


if __name__ == "__main__":
    main()
