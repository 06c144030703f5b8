"""Which test collections does a matrix name, and where do they lie?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import xxhash

from lexmax.encoders.training.yaml_lines import Located
from lexmax.errors import EvaluationError, LexmaxError
from lexmax.eval.collections import Dataset, load_dataset, sub_collections
from lexmax.eval.experiments.calibrated import JudgedQueries
from lexmax.eval.experiments.corpus_hash import Corpus
from lexmax.eval.experiments.matrix import CollectionSection, Matrix
from lexmax.index.durable import to_json
from lexmax.irds import is_irds

_SEED = 1


@dataclass(frozen=True, slots=True)
class JudgedCollection:
    """Queries with judgements, and the documents that they are asked of.

    Attributes:
        name: in tables and files.
        dataset: the judged queries that systems are measured by.
        corpus: the documents.
        learnt_on: judged queries that relevance is calibrated on; None for other folds.
        group: of sub-collections that are averaged before they count; None if it stands alone.
    """

    name: str
    dataset: Dataset
    corpus: Corpus
    learnt_on: JudgedQueries | None = None
    group: str | None = None

    @property
    def queries_digest(self) -> str:
        """16 hexadecimal digits of queries and judgements."""
        judged = {q: dict(grades) for q, grades in self.dataset.qrels.items()}
        asked = [dict(self.dataset.queries), judged]
        return xxhash.xxh3_128(to_json(asked)).hexdigest()[:16]


def collections_of(
    matrix: Matrix,
    located: Located,
    *,
    data: Path | None,
    folder: Path,
    corpora: Path | None = None,
) -> list[JudgedCollection]:
    """The collections of a matrix, in its order, sub-collections each on its own.

    Paths are looked for below `data`, then below `folder`, then as they are. `corpora` is a folder
    that remembers corpora, so that one which has not changed is not read again.

    Raises:
        EvaluationError: naming the line, if one is not there, cannot be read or stands twice.
    """
    found: list[JudgedCollection] = []
    for i, given in enumerate(matrix.collections):
        section = CollectionSection(path=given) if isinstance(given, str) else given
        try:
            found += _read(section, data, folder, corpora)
        except LexmaxError as error:
            raise EvaluationError(f"{located.place(('collections', i))}: {error}") from error
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise EvaluationError(
            f"{located.place(('collections',))}: two collections are called {twice}; expected "
            "names that differ; add `name` to one of them"
        )
    return found


def _read(
    section: CollectionSection, data: Path | None, folder: Path, corpora: Path | None
) -> Iterator[JudgedCollection]:
    path = section.path if is_irds(section.path) else _found(section.path, data, folder)
    parts = () if isinstance(path, str) else sub_collections(path)
    if parts:
        group = section.name or Path(section.path).name
        for part in parts:
            yield _loaded(section, part, f"{group}-{part.name}", group, corpora)
    else:
        name = section.name or (path.removeprefix("irds:") if isinstance(path, str) else path.name)
        yield _loaded(section, path, name.replace("/", "-"), None, corpora)


def _found(path: str, data: Path | None, folder: Path) -> Path:
    places = [base / path for base in (data, folder, Path()) if base is not None]
    for place in places:
        if place.is_dir():
            return place.resolve()
    raise EvaluationError(
        f"there is no folder {path}; looked for {', '.join(map(str, places))}; expected a test "
        "collection; name the folder that holds it with --data"
    )


def _loaded(
    section: CollectionSection, path: Path | str, name: str, group: str | None, corpora: Path | None
) -> JudgedCollection:
    dataset = load_dataset(path, split=section.split)
    if not dataset.corpus:
        raise EvaluationError(
            f"{path}: holds no documents; expected a corpus beside the queries; add it"
        )
    learnt_on = None
    if section.calibrate_on is not None:
        other = load_dataset(path, split=section.calibrate_on)
        shared = other.queries.keys() & dataset.queries.keys()
        learnt_on = _chosen(other, [q for q in other.queries if q not in shared])
    if section.queries is not None and section.queries < len(dataset.queries):
        order = sorted(
            dataset.queries,
            key=lambda q: xxhash.xxh3_64_intdigest(q.encode(), seed=_SEED),
        )
        chosen = set(order[: section.queries])
        kept = _chosen(dataset, [q for q in dataset.queries if q in chosen])
        drawn = f"{len(chosen):,} of {len(dataset.queries):,} judged queries were drawn"
        warnings = (*dataset.warnings, drawn)
        dataset = replace(dataset, queries=kept.queries, qrels=kept.qrels, warnings=warnings)
    corpus = Corpus.of(dataset.corpus, cache=corpora)
    return JudgedCollection(name, dataset, corpus, learnt_on, group)


def _chosen(dataset: Dataset, query_ids: list[str]) -> JudgedQueries:
    return JudgedQueries(
        {q: dataset.queries[q] for q in query_ids}, {q: dataset.qrels[q] for q in query_ids}
    )
