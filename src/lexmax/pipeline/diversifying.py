"""Which of the candidates stand for the others? `lexmax.diversity` over stored vectors."""

import numpy as np
from numpy.typing import NDArray

from lexmax.diversity import similarities
from lexmax.diversity.coverage import coverage
from lexmax.diversity.mmr import from_scores, mmr
from lexmax.errors import PipelineError
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline.fusing import cut
from lexmax.stages import SIGNALS, Diversify, Mmr, Signal
from lexmax.types import Hits


def diversified(stage: Diversify, snapshot: Snapshot, hits: Hits, k: int) -> Hits:
    """The k chosen of each query's first hits, in the order of choice, with their scores.

    Who asks for more than there is to choose from gets the others behind in their order.
    """
    signal = stage.signal or _best(snapshot)
    rows: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    for i in range(len(hits)):
        whole = hits.row(i)
        ordinals, scores = cut(whole, stage.depth)
        chosen = _chosen(stage, _similarities(snapshot, signal, ordinals), ordinals, scores, k)
        places = np.append(chosen, np.arange(stage.depth, max(k, stage.depth)))[:k]
        places = places[places < len(whole[0])]
        rows.append((whole[0][places], whole[1][places]))
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0))


def _best(snapshot: Snapshot) -> Signal:
    """The cheapest signal of which all parts have vectors."""
    segments = [part.segment for part in snapshot.parts]
    if all(segment.pooled is not None for segment in segments):
        return "pooled"
    if all(segment.multivector is not None for segment in segments):
        return "multivector"
    return "sparse"


def _similarities(
    snapshot: Snapshot, signal: Signal, ordinals: NDArray[np.int64]
) -> NDArray[np.float32]:
    if signal == "pooled":
        return similarities.of_vectors(snapshot.pooled_rows(ordinals))
    if signal == "multivector":
        return similarities.of_tokens(snapshot.token_rows(ordinals))
    if signal == "sparse":
        return similarities.of_terms(snapshot.sparse_rows(ordinals))
    raise PipelineError(f"diversify: found the signal {signal!r}; expected {', '.join(SIGNALS)}")


def _chosen(
    stage: Diversify,
    between: NDArray[np.float32],
    ordinals: NDArray[np.int64],
    scores: NDArray[np.float32],
    k: int,
) -> NDArray[np.int64]:
    relevance = from_scores(scores)
    if isinstance(stage, Mmr):
        return mmr(between, relevance, k, trade_off=stage.trade_off, ordinals=ordinals)
    return coverage(between, relevance, k, diversity=stage.diversity, ordinals=ordinals)
