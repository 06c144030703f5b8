"""For which queries does one system do better than another, and what do their texts say?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lexmax.corpus import read_documents
from lexmax.errors import LexmaxError
from lexmax.eval.collections import load_dataset
from lexmax.eval.experiments.cell import read_cell
from lexmax.eval.experiments.results import Results
from lexmax.eval.runs import Run, read_run
from lexmax.eval.runs.ids import decoded_ids
from lexmax.types import Document, Json

_SNIPPET = 240
_JUDGED_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """A relevant document, and at which rank each of the two systems has it; None for nowhere."""

    doc_id: str
    grade: int
    text: str
    ranks: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One query: figures of the two systems, its relevant documents, and what each puts first."""

    query_id: str
    text: str
    figures: tuple[float, float]
    judged: tuple[Judged, ...] = ()
    first: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Differences:
    """Of one collection: `system` beside `baseline`, the greatest gains first, then losses."""

    collection: str
    measure: str
    system: str
    baseline: str
    gains: tuple[Difference, ...] = ()
    losses: tuple[Difference, ...] = ()
    n_better: int = 0
    n_worse: int = 0
    n_equal: int = 0
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Json]:
        """All of it, as plain values."""
        return {
            "collection": self.collection,
            "measure": self.measure,
            "system": self.system,
            "baseline": self.baseline,
            "better": self.n_better,
            "worse": self.n_worse,
            "equal": self.n_equal,
            "gains": [_plain(one) for one in self.gains],
            "losses": [_plain(one) for one in self.losses],
        }


def differences_of(
    results: Results, folder: Path, collection: str, *, baseline: str | None = None, shown: int = 5
) -> Differences | None:
    """The best system of a collection beside a baseline, by the first measure; None for no pair.

    `baseline` is the first system of the matrix that has run there, unless it is named. Texts are
    left out, with a note, where the collection cannot be read any more.
    """
    cells = results.cells(collection)
    measure = results.measures[0]
    beside = baseline if baseline in cells else next(iter(cells), None)
    rivals = {
        name: cell["measures"][measure]
        for name, cell in cells.items()
        if name != beside and cell["measures"][measure] is not None
    }
    if beside is None or not rivals:
        return None
    sign = -1.0 if measure in results.content["lower_is_better"] else 1.0
    system = max(rivals, key=lambda name: sign * rivals[name])
    of_system, of_baseline = (
        {} if cell is None else cell.measured(measure)
        for cell in (read_cell(folder, collection, name) for name in (system, beside))
    )
    changes = {
        query_id: sign * (value - of_baseline[query_id])
        for query_id, value in of_system.items()
        if query_id in of_baseline
    }
    order = sorted(changes, key=lambda query_id: -changes[query_id])
    gains = [query_id for query_id in order[:shown] if changes[query_id] > 0]
    losses = [query_id for query_id in reversed(order[-shown:]) if changes[query_id] < 0]
    texts = _Texts.read(results, folder, collection, (system, beside), [*gains, *losses])

    def told(query_ids: Sequence[str]) -> tuple[Difference, ...]:
        return tuple(texts.told(q, (of_system[q], of_baseline[q])) for q in query_ids)

    return Differences(
        collection,
        measure,
        system,
        beside,
        told(gains),
        told(losses),
        sum(change > 0 for change in changes.values()),
        sum(change < 0 for change in changes.values()),
        sum(change == 0 for change in changes.values()),
        texts.notes,
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    documents: Mapping[str, Document]
    runs: tuple[Run | None, Run | None]
    notes: tuple[str, ...] = ()

    @staticmethod
    def read(
        results: Results,
        folder: Path,
        collection: str,
        systems: tuple[str, str],
        query_ids: Sequence[str],
    ) -> "_Texts":
        about = results.collections[collection]
        runs = (
            _run(results, folder, collection, systems[0]),
            _run(results, folder, collection, systems[1]),
        )
        try:
            place = about["path"]
            dataset = load_dataset(place, split=about["split"])
            wanted = {
                doc_id
                for query_id in query_ids
                for doc_id in [*dataset.qrels.get(query_id, {}), *_tops(runs, query_id)]
            }
            documents = {
                document.doc_id: document
                for document in read_documents(about["corpus_files"], on_reject=lambda reject: None)
                if document.doc_id in wanted
            }
        except LexmaxError as error:
            return _Texts({}, {}, {}, runs, (f"without texts: {error}",))
        return _Texts(dataset.queries, dataset.qrels, documents, runs)

    def told(self, query_id: str, figures: tuple[float, float]) -> Difference:
        grades = self.qrels.get(query_id, {})
        relevant = sorted((d for d, grade in grades.items() if grade > 0), key=lambda d: -grades[d])
        judged = tuple(
            Judged(doc_id, grades[doc_id], self._snippet(doc_id), self._ranks(query_id, doc_id))
            for doc_id in relevant[:_JUDGED_SHOWN]
        )
        tops = tuple(self._top(run, query_id) for run in self.runs)
        return Difference(
            query_id, self.queries.get(query_id, ""), figures, judged, (tops[0], tops[1])
        )

    def _ranks(self, query_id: str, doc_id: str) -> tuple[int | None, int | None]:
        found = [_rank(run, query_id, doc_id) for run in self.runs]
        return found[0], found[1]

    def _top(self, run: Run | None, query_id: str) -> str:
        ids = _tops([run], query_id)
        return self._snippet(ids[0]) if ids else ""

    def _snippet(self, doc_id: str) -> str:
        document = self.documents.get(doc_id)
        text = "" if document is None else " ".join(document.full_text.split())
        cut = text if len(text) <= _SNIPPET else text[: _SNIPPET - 1] + "…"
        return f"{doc_id}: {cut}" if cut else doc_id


def _run(results: Results, folder: Path, collection: str, system: str) -> Run | None:
    cell = results.cells(collection)[system]
    if cell["run"] is None:
        return None
    try:
        run = read_run(folder / cell["run"])
        return decoded_ids(run) if cell["ids"] == "percent-encoded" else run
    except LexmaxError:
        return None


def _tops(runs: Sequence[Run | None], query_id: str) -> list[str]:
    return [doc_id for run in runs if run for doc_id in run.doc_ids.get(query_id, ())[:1]]


def _rank(run: Run | None, query_id: str, doc_id: str) -> int | None:
    ids = [] if run is None else list(run.doc_ids.get(query_id, []))
    return ids.index(doc_id) + 1 if doc_id in ids else None


def _plain(one: Difference) -> dict[str, Json]:
    return {
        "query_id": one.query_id,
        "text": one.text,
        "figures": one.figures,
        "first": one.first,
        "judged": [
            {"doc_id": j.doc_id, "grade": j.grade, "text": j.text, "ranks": j.ranks}
            for j in one.judged
        ],
    }
