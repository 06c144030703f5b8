"""What is to be explained? One search, as its stages saw it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.explaining.explanation import Place
from lexmax.fusion import Row
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline import Answer, EncodedQueries, Sources
from lexmax.searching import Traced
from lexmax.stages import Pipeline, Signal
from lexmax.stages.rerank import signal_of
from lexmax.types import Hits


@dataclass(frozen=True, slots=True)
class OneSearch:
    """A search of one query; every `Hits` of it has one row."""

    traced: Traced

    @property
    def answer(self) -> Answer:
        """What the stages found."""
        return self.traced.answer

    @property
    def pipeline(self) -> Pipeline:
        """The stages."""
        return self.traced.pipeline

    @property
    def sources(self) -> Sources:
        """What the stages read."""
        return self.traced.sources

    @property
    def snapshot(self) -> Snapshot:
        """The documents; those that a filter leaves out can be read all the same."""
        return self.traced.sources.snapshot

    @property
    def query(self) -> str:
        """Its text."""
        return self.answer.queries.texts[0]

    @property
    def before(self) -> EncodedQueries:
        """The query before feedback."""
        return self.answer.queries

    def query_for(self, signal: Signal) -> EncodedQueries:
        """The query that this signal searched with last."""
        changed = self.answer.trace.changed
        return self.before if changed is None or not self.is_fed_back(signal) else changed

    def stage_of(self, signal: Signal) -> str:
        """The stage that searched by this signal last, or else one that scores by it."""
        for number, name in self.names_of(self.answer.trace.rankings).items():
            if self.pipeline.retrieve[number].signal == signal:
                return name
        scoring = (stage.by for stage in self.pipeline.rerank if signal_of(stage) == signal)
        return next(scoring, signal)

    def is_fed_back(self, signal: Signal) -> bool:
        """Whether feedback may have changed the query for this signal."""
        return signal in self.answer.trace.fed_back

    def fed_back(self, signal: Signal) -> NDArray[np.int64]:
        """Documents that may have changed the query for this signal, best first."""
        feedback, hits = self.pipeline.feedback, self.answer.trace.fed_back.get(signal)
        if feedback is None or hits is None:
            return np.zeros(0, np.int64)
        return hits.row(0)[0][: feedback.k]

    def name_of(self, hits: Hits) -> str:
        """What the stage that gave this very ranking is called."""
        return next((name for name, made in self.answer.stages.items() if made is hits), "hits")

    def names_of(self, rankings: Mapping[int, Hits]) -> dict[int, str]:
        """What retrieve stages are called, by number, given what they found."""
        return {i: self.name_of(hits) for i, hits in rankings.items()}

    def after_retrieval(self) -> list[tuple[str, Row]]:
        """What retrieval came to, and what each later stage made of it, in order."""
        rows = [(name, hits.row(0)) for name, hits in self.answer.stages.items()]
        return rows[self._last_of_retrieval() :]

    def _last_of_retrieval(self) -> int:
        trace = self.answer.trace
        fused = next((name for name, of in trace.fused.items() if of is trace.rankings), None)
        name = fused or self.name_of(next(iter(trace.rankings.values())))
        return list(self.answer.stages).index(name)

    def places(self, ordinal: int) -> tuple[Place, ...]:
        """Where the stages that have this document put it."""
        found: list[Place] = []
        for name, hits in self.answer.stages.items():
            row = hits.row(0)
            if rank := rank_in(row, ordinal):
                found.append(Place(name, rank, float(row[1][rank - 1])))
        return tuple(found)

    def best_row(self, rows: NDArray[np.int64]) -> int:
        """Of a document's passages the one that came farthest; it has one row if it is not split.

        That is the one which the last stage that has any of them put first; where none has any,
        the one that the first signal which tells them apart scores best.
        """
        for hits in reversed(list(self.answer.stages.values())):
            found = hits.row(0)[0]
            if len(places := np.flatnonzero(np.isin(found, rows))):
                return int(found[places[0]])
        for stage in self.pipeline.retrieve if len(rows) > 1 else ():
            scores = self._scores(stage.signal, rows)
            if np.ptp(scores) > 0:
                return int(rows[scores.argmax()])
        return int(rows[0])

    def _scores(self, signal: Signal, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the signal gives them; all alike where it knows nothing of the query."""
        queries, snapshot = self.query_for(signal), self.snapshot
        if signal == "sparse" and queries.sparse is not None:
            return snapshot.score_sparse(queries.sparse.row(0), rows)
        if signal == "multivector" and queries.tokens is not None and len(queries.tokens.row(0)):
            return snapshot.maxsim(queries.tokens.row(0), rows)
        if signal == "pooled" and queries.pooled is not None:
            return snapshot.score_pooled(queries.pooled[0], rows)
        return np.zeros(len(rows), np.float32)

    def may_be_found(self, ordinal: int) -> bool:
        """Whether the document is none that the search leaves out from the first."""
        for part in self.snapshot.parts:
            if part.base <= ordinal < part.base + len(part.segment):
                return part.alive is None or bool(part.alive[ordinal - part.base])
        return False


def rank_in(row: Row, ordinal: int) -> int:
    """The document's rank in a ranking, from 1; 0 if it is not there."""
    places: NDArray[np.int64] = np.flatnonzero(row[0] == ordinal)
    return int(places[0]) + 1 if len(places) else 0
