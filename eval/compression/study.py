"""What is lost, and what is saved, by each way of storing the vectors of a test collection?"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lexmax.errors import EvaluationError
from lexmax.eval.compression import ladders
from lexmax.eval.compression.codecs.scalar import Plain
from lexmax.eval.compression.encoding_ladder import BASELINE as WHOLE_ENCODING
from lexmax.eval.compression.encoding_ladder import encoded, encoding_ladder
from lexmax.eval.compression.material import Material
from lexmax.eval.compression.measuring import Judge, Measured, row_of, searched
from lexmax.eval.compression.outcomes import QUALITY, CompressionStudy, Ladder, Row
from lexmax.eval.compression.scan import NUMPY, SingleVectors, TokenVectors, Way
from lexmax.eval.compression.single_scans import decoded
from lexmax.eval.compression.token_scans import decoded_tokens
from lexmax.eval.significance import Procedure
from lexmax.eval.significance.marking import compared
from lexmax.types import Hits

KINDS = ("pooled", "tokens", "encodings")
MAXSIM = "MaxSim, fp32 tokens"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What is studied.

    Attributes:
        kinds: of `KINDS`; those without vectors are left out.
        seed: of codecs, and the first of the encodings.
        n_seeds: of encodings, whose figures are averaged by query.
        procedure: how nDCG@10 is compared with that of float32.

    Raises:
        EvaluationError: if a kind is unknown, or a number out of range.
    """

    kinds: tuple[str, ...] = KINDS
    seed: int = 42
    n_seeds: int = 3
    procedure: Procedure = field(default_factory=Procedure)

    def __post_init__(self) -> None:
        if not self.kinds or any(kind not in KINDS for kind in self.kinds):
            raise EvaluationError(
                f"found kinds {', '.join(self.kinds) or 'none'}; expected some of "
                f"{', '.join(KINDS)}; change them"
            )
        if self.n_seeds < 1 or self.seed < 0:
            raise EvaluationError(
                f"found {self.n_seeds} seeds from {self.seed} on; expected 1 or more, from 0 on; "
                "change them"
            )


def study(
    material: Material, plan: StudyPlan, *, progress: Progress = lambda stage, done, total: None
) -> CompressionStudy:
    """All ladders of the plan for which there are vectors.

    `progress` is told kinds, and how many ways of each were measured.
    """
    run = _Run(material, plan, progress)
    found: list[Ladder] = []
    if "pooled" in plan.kinds and material.pooled is not None:
        found.append(run.pooled(material.pooled))
    if material.tokens is not None and {"tokens", "encodings"} & set(plan.kinds):
        exact = _exact_tokens(material.tokens, plan.seed)
        if "tokens" in plan.kinds:
            found.append(run.tokens(material.tokens, exact))
        if "encodings" in plan.kinds:
            found.append(run.encodings(material.tokens, exact))
    return CompressionStudy(material.name, material.about, tuple(found), material.warnings)


def _exact_tokens(vectors: TokenVectors, seed: int) -> Hits:
    return searched(decoded_tokens(vectors, seed, Plain()), vectors.queries)


class _Run:
    """Climbs ladders over one material."""

    def __init__(self, material: Material, plan: StudyPlan, progress: Progress) -> None:
        self._material, self._plan, self._progress = material, plan, progress

    def pooled(self, vectors: SingleVectors) -> Ladder:
        dim = vectors.documents.shape[1]
        exact = searched(decoded(vectors, self._plan.seed, Plain()), vectors.queries)
        judge = self._judge(vectors.queries, exact, self._material.query_ids)
        ways, n_vectors = ladders.pooled_ladder(dim), len(vectors.documents)
        rows = self._climbed("pooled", ways, vectors, judge, n_vectors)
        about = f"one vector of {dim} coordinates a document"
        return self._ladder("pooled", about, ladders.BASELINE, rows)

    def tokens(self, vectors: TokenVectors, exact: Hits) -> Ladder:
        dim = vectors.documents.dim
        judge = self._token_judge(vectors.queries, exact)
        ways, n_vectors = ladders.token_ladder(dim), len(vectors.documents.vectors)
        rows = self._climbed("tokens", ways, vectors, judge, n_vectors)
        a_document = n_vectors / len(self._material.doc_ids)
        about = f"{a_document:.0f} vectors of {dim} coordinates a document"
        return self._ladder("tokens", about, ladders.BASELINE, rows)

    def encodings(self, vectors: TokenVectors, exact: Hits) -> Ladder:
        seeds = [self._plan.seed + i for i in range(self._plan.n_seeds)]
        parts = list(encoding_ladder(vectors.documents.dim))
        total = sum(len(part.ways) for part in parts)
        rows = [self._maxsim(vectors, exact)]
        for part in parts:
            runs: list[list[Measured]] = [[] for _ in part.ways]
            for seed in seeds:
                single = encoded(vectors, replace(part.parameters, seed=seed))
                judge = self._token_judge(single.queries, exact)
                for of_way, way in zip(runs, part.ways, strict=True):
                    of_way.append(judge.measure(way, single, seed))
            rows += [self._row(way, of_way) for way, of_way in zip(part.ways, runs, strict=True)]
            self._progress("encodings", len(rows) - 1, total)
        about = (
            f"fixed-dimensional encodings of vectors of {vectors.documents.dim} coordinates, "
            f"figures are means of {len(seeds)} seeds"
        )
        return self._ladder("encodings", about, WHOLE_ENCODING, rows)

    def _maxsim(self, vectors: TokenVectors, exact: Hits) -> Row:
        """What encodings estimate, as a row of its own; it is not timed."""
        figures = self._token_judge(vectors.queries, exact).figures(exact)
        n_bytes = vectors.documents.vectors.nbytes
        scale = n_bytes / len(self._material.doc_ids)
        nan = float("nan")
        return Row(MAXSIM, "MaxSim", "", NUMPY, scale, scale, 0, nan, nan, figures)

    def _climbed(
        self, kind: str, ways: Sequence[Way[Any, Any]], vectors: Any, judge: Judge[Any], n: int
    ) -> list[Row]:
        """A row for each way of storing `n` vectors."""
        rows: list[Row] = []
        for way in ways:
            rows.append(self._row(way, [judge.measure(way, vectors, self._plan.seed)], n))
            self._progress(kind, len(rows), len(ways))
        return rows

    def _row(
        self, way: Way[Any, Any], runs: Sequence[Measured], n_vectors: int | None = None
    ) -> Row:
        n_docs = len(self._material.doc_ids)
        return row_of(way, runs, n_docs=n_docs, n_vectors=n_vectors or n_docs)

    def _token_judge(self, queries: Any, exact: Hits) -> Judge[Any]:
        return self._judge(queries, exact, self._material.token_query_ids)

    def _judge(self, queries: Any, exact: Hits, query_ids: Sequence[str]) -> Judge[Any]:
        doc_ids, qrels = self._material.doc_ids, self._material.qrels
        return Judge(queries, exact, query_ids=query_ids, doc_ids=doc_ids, qrels=qrels)

    def _ladder(self, kind: str, about: str, baseline: str, rows: Iterable[Row]) -> Ladder:
        made = tuple(rows)
        figures = {row.name: row.figures for row in made}
        found = compared(
            figures, (QUALITY,), self._plan.procedure, baseline=baseline, intervals=True
        )
        n_queries = len(made[0].figures[QUALITY])
        return Ladder(kind, about, baseline, made, found.get(QUALITY), n_queries)
