"""Where did a search lose a document, and why?"""

from math import isclose

from lexmax.explaining.explanation import DocumentExplanation, Loss
from lexmax.explaining.filter_outcomes import WHOLE
from lexmax.explaining.one_search import OneSearch, rank_in
from lexmax.searching import Wanted
from lexmax.stages import MultiVectorRetrieve, Retrieve, SparseRetrieve
from lexmax.types import Hits

# Explained scores add up in another order than those of the engines.
_ROUNDING = 1e-5


def lost(search: OneSearch, wanted: Wanted, ordinal: int, found: DocumentExplanation) -> Loss:
    """Where a search lost a document that is not among its hits; `found` is all else about it."""
    unmet = [one.condition for one in found.conditions if one.where in WHOLE and not one.met]
    if unmet:
        return Loss("filter", f"it does not meet {'; '.join(unmet)}")
    if search.may_be_found(ordinal):
        return _lost_by_a_stage(search, ordinal, found, wanted.offset)
    return Loss("doc_ids", "the search allows other documents only")


def _lost_by_a_stage(
    search: OneSearch, ordinal: int, found: DocumentExplanation, offset: int
) -> Loss:
    judged = found.relevance
    if judged is not None and not judged.kept:
        below = f"its relevance {judged.relevance:.3f} is below {judged.threshold:.3f}"
        return Loss("relevance", below)
    chain = search.after_retrieval()
    having = [i for i, (_, row) in enumerate(chain) if rank_in(row, ordinal)]
    if not having:
        return Loss("retrieve", _not_retrieved(search, ordinal, found))
    name, row = chain[having[-1]]
    rank, later = rank_in(row, ordinal), chain[having[-1] + 1 :]
    if later:
        stage, left = later[0]
        return Loss(stage, f"rank {rank} by {name}; {_left(search, stage, len(left[0]))}")
    first, last = offset + 1, offset + len(search.answer.hits.row(0)[0])
    asked = f"ranks {first} to {last} are returned" if last >= first else "none is returned"
    return Loss("limit", f"rank {rank} by {name}; {asked}")


def _left(search: OneSearch, stage: str, n: int) -> str:
    """What a stage left of what it was given."""
    diversify = search.pipeline.diversify
    if diversify is not None and stage == diversify.method:
        return f"{stage} chose {n} others"
    return f"{stage} reads the first {n}"


def _not_retrieved(search: OneSearch, ordinal: int, found: DocumentExplanation) -> str:
    rankings = search.answer.trace.rankings
    names = search.names_of(rankings)
    reasons = (
        f"{names[i]}: {_missed(search.pipeline.retrieve[i], hits, ordinal, found)}"
        for i, hits in rankings.items()
    )
    return "; ".join(reasons)


def _missed(stage: Retrieve, hits: Hits, ordinal: int, found: DocumentExplanation) -> str:
    """Why a ranking has not the document."""
    score = _score(stage, found)
    if score is None:
        nothing = "term" if stage.signal == "sparse" else "vector"
        return f"query and document have no {nothing} in common"
    ordinals, scores = hits.row(0)
    if len(ordinals) and isclose(score, scores[-1], abs_tol=_ROUNDING):
        if ordinal > ordinals[-1]:
            last = f"that of the last of {len(ordinals)} found"
            return (
                f"its score {score:.4f} is {last}, and of equal ones the first stored comes first"
            )
    elif len(ordinals) and score < scores[-1]:
        last = f"{scores[-1]:.4f}, that of the last of {len(ordinals)} found"
        return f"its score {score:.4f} is below {last}"
    if stage.filter is not None:
        return f"its score {score:.4f} would do, but it does not meet this stage's filter"
    return f"its score {score:.4f} would do, but the engine {_engine(stage)} did not propose it"


def _score(stage: Retrieve, found: DocumentExplanation) -> float | None:
    if isinstance(stage, SparseRetrieve):
        score = 0.0 if found.sparse is None else found.sparse.score
        return score if score > 0 else None
    if isinstance(stage, MultiVectorRetrieve):
        return None if found.multivector is None else found.multivector.score
    return found.pooled


def _engine(stage: Retrieve) -> str:
    if isinstance(stage, SparseRetrieve):
        return stage.backend or stage.engine
    return stage.engine if isinstance(stage, MultiVectorRetrieve) else "exact"
