"""What does ir_datasets say of a dataset before anything of it is fetched?"""

from pathlib import Path
from typing import Any

from lexmax.errors import CorpusError, EvaluationError
from lexmax.eval.collections.collected import Collected, Split
from lexmax.irds import PREFIX, holds, opened

_NEEDED = {"docs": "a corpus", "queries": "queries", "qrels": "qrels"}


def described(name: str) -> Collected:
    """`irds:NAME`, with the counts that the library brings along; it has no size before it is here.

    Raises:
        EvaluationError: if ir_datasets is not installed, or knows no such name.
    """
    try:
        dataset = opened(name)
    except CorpusError as error:
        raise EvaluationError(str(error)) from error
    lacks = tuple(said for part, said in _NEEDED.items() if not holds(dataset, part))
    plain = name.removeprefix(PREFIX)
    n_docs, n_queries, n_judged = (_count(dataset, part) for part in _NEEDED)
    splits: tuple[Split, ...] = ()
    if n_queries is not None and n_judged is not None:
        splits = (Split(plain.rpartition("/")[2], n_queries, n_judged),)
    return Collected(plain, Path(name), "ir_datasets", None, n_docs, splits, "", lacks)


def _count(dataset: Any, part: str) -> int | None:
    told: Any = dataset.metadata().get(part) or {}
    count = told.get("count")
    return None if count is None else int(count)
