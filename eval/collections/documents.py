"""Which judged documents does a test collection not hold?"""

from collections.abc import Container

from lexmax.errors import EvaluationError
from lexmax.eval.collections.dataset import named
from lexmax.eval.qrels import Qrels


def unknown_documents(qrels: Qrels, known: Container[str]) -> tuple[str, ...]:
    """A warning that counts and names judged documents that are not `known`; else nothing.

    A relevant document that is not there can never be found, and lowers every figure.

    Raises:
        EvaluationError: if no judged document is known: the qrels are of another corpus.
    """
    unknown: dict[str, int] = {}
    n_judged = n_relevant = 0
    for judged in qrels.values():
        for doc_id, relevance in judged.items():
            n_judged += 1
            if doc_id not in known:
                unknown[doc_id] = max(relevance, unknown.get(doc_id, relevance))
                n_relevant += relevance > 0
    if not unknown:
        return ()
    if not any(doc_id in known for judged in qrels.values() for doc_id in judged):
        raise EvaluationError(
            f"none of the {len(unknown):,} judged documents ({named(list(unknown))}) is in the "
            "collection; expected qrels that judge its documents; check that they belong together"
        )
    return (
        f"{len(unknown):,} judged documents are not in the collection ({named(list(unknown))}); "
        f"{n_relevant:,} of {n_judged:,} judgements are of relevant ones that cannot be found",
    )
