"""How does a model that reads query and document together order the best documents?"""

from lexmax.fusion import Row, behind
from lexmax.pipeline.fusing import cut
from lexmax.pipeline.queries import EncodedQueries
from lexmax.pipeline.sources import Sources
from lexmax.reranking import Outcome, PairReranker
from lexmax.stages import Pairs
from lexmax.types import Hits


def read_pairs(
    stage: Pairs, sources: Sources, queries: EncodedQueries, hits: Hits
) -> tuple[Hits, list[Outcome]]:
    """The first of each query by the scorer, the others behind, and how that went for each query.

    A query whose outcome is a problem keeps the order that it had.

    Raises:
        EncoderError: if there is no such scorer.
    """
    reranker = PairReranker(sources.encoders.pairs(stage.scorer), cache=sources.scores)
    rows: list[Row] = []
    outcomes: list[Outcome] = []
    for i in range(len(hits)):
        whole = hits.row(i)
        ordinals, _ = cut(whole, stage.depth)
        texts = sources.texts(ordinals)
        outcome = reranker.score(queries.texts[i], texts, deadline=sources.deadline)
        outcomes.append(outcome)
        best = None if outcome.problem else outcome.ranking(ordinals)
        rows.append(whole if best is None else behind(best, whole[0][stage.depth :]))
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0)), outcomes
