"""Which queries are asked of a collection, and which documents should answer them?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from lexmax.errors import EvaluationError
from lexmax.eval.files import bad_line, decoded, numbered_lines
from lexmax.eval.qrels import Qrels, read_qrels

_QUERY_FILES = ("queries.jsonl", "queries.jsonl.gz", "queries.jsonl.zst")
# In the order of preference, where a split stands in a folder twice.
_QRELS_ENDINGS = (".tsv", ".jsonl", ".txt", ".trec", ".qrels")
_PACKINGS = (".gz", ".zst")
_NAMED_IN_WARNING = 5


@dataclass(frozen=True, slots=True)
class Dataset:
    """The judged queries of one split: `queries` and `qrels` have the same query_ids.

    Attributes:
        name: of its folder.
        path: the folder.
        queries: text by query_id, in the order of the queries file.
        qrels: relevance by doc_id by query_id, in the same order.
        split: the part of the dataset that was judged, such as "test".
        warnings: what was left out, in sentences.
    """

    name: str
    path: Path
    queries: Mapping[str, str]
    qrels: Qrels
    split: str
    warnings: tuple[str, ...] = ()


def load_dataset(path: Path | str, *, split: str) -> Dataset:
    """The judged queries of a folder in the layout of BEIR (Thakur et al. 2021).

    The folder holds `queries.jsonl` and `qrels/SPLIT.tsv`; qrels in TREC format or JSON lines,
    further folders named `qrels_...`, and .gz or .zst files are read too. Queries without a
    judgement are left out. Judged queries without a text cannot be asked: they are left out of
    every mean, and named in `warnings`.

    Raises:
        EvaluationError: if the folder, its queries or the split is missing, a line is bad, or no
            judged query has a text.
    """
    path = Path(path)
    if not path.is_dir():
        raise EvaluationError(
            f"{path}: no such folder; expected a dataset in BEIR layout, with queries.jsonl and "
            "qrels/; check the path"
        )
    qrels_path = _qrels_path(path, split)
    qrels = read_qrels(qrels_path)
    texts = read_queries(_queries_path(path))
    queries = {query_id: text for query_id, text in texts.items() if query_id in qrels and text}
    if not queries:
        raise EvaluationError(
            f"{path}: none of the {len(qrels):,} queries judged in {qrels_path.name} has a text "
            f"among the {len(texts):,} queries; expected the same query_ids in both; check that "
            "they belong together"
        )
    warnings = _without_text(qrels_path, [q for q in qrels if q not in queries], len(qrels))
    judged = {query_id: qrels[query_id] for query_id in queries}
    return Dataset(path.resolve().name, path, queries, judged, split, warnings)


def _without_text(qrels_path: Path, query_ids: list[str], n_judged: int) -> tuple[str, ...]:
    if not query_ids:
        return ()
    named = ", ".join(query_ids[:_NAMED_IN_WARNING])
    more = ", ..." if len(query_ids) > _NAMED_IN_WARNING else ""
    return (
        f"{len(query_ids):,} of {n_judged:,} queries judged in {qrels_path.name} have no text and "
        f"are left out: {named}{more}",
    )


def _queries_path(path: Path) -> Path:
    found = next((path / name for name in _QUERY_FILES if (path / name).is_file()), None)
    if found is None:
        raise EvaluationError(
            f"{path}: holds no queries.jsonl, .jsonl.gz or .jsonl.zst; expected a dataset in BEIR "
            "layout; check the path"
        )
    return found


def read_queries(path: Path) -> dict[str, str]:
    """Text by query_id, without white space around it."""
    queries: dict[str, str] = {}
    for number, line in numbered_lines(path):
        query_id, text = _query(path, number, line)
        if query_id in queries:
            raise EvaluationError(
                f"{path}:{number}: query {query_id!r} stands above already; expected each query "
                "once; remove one"
            )
        queries[query_id] = text.strip()
    if not queries:
        raise EvaluationError(
            f'{path}: holds no query; expected a line {{"_id": ..., "text": ...}} for each; '
            "check that it is the right file"
        )
    return queries


def _query(path: Path, number: int, line: bytes) -> tuple[str, str]:
    try:
        record: Any = orjson.loads(decoded(path, number, line))
        query_id, text = record["_id"], record["text"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        expected = 'one JSON object with "_id" and "text"'
        raise bad_line(path, number, line, expected) from error
    # Some published copies hold numbers for ids; qrels name them by the same digits.
    is_id = isinstance(query_id, str | int) and not isinstance(query_id, bool)
    if not is_id or query_id == "" or not isinstance(text, str):
        raise bad_line(path, number, line, '"_id" a name, not empty, and "text" a string')
    return str(query_id), text


def _qrels_path(path: Path, split: str) -> Path:
    splits = _splits(path)
    if split not in splits:
        known = ", ".join(sorted(splits)) or "none"
        raise EvaluationError(
            f"{path}: no qrels for split {split!r}; found {known}; expected qrels/{split}.tsv; "
            "name one that is there, or add the file"
        )
    return splits[split]


def _splits(path: Path) -> dict[str, Path]:
    """Qrels file by split; a folder `qrels` goes before `qrels_...`, tsv before other formats."""
    folders = sorted(folder for folder in path.glob("qrels*") if folder.is_dir())
    splits: dict[str, Path] = {}
    for folder in folders:
        for ending in _QRELS_ENDINGS:
            for split, file in _with_ending(sorted(folder.iterdir()), ending):
                splits.setdefault(split, file)
    return splits


def _with_ending(files: Iterable[Path], ending: str) -> Iterable[tuple[str, Path]]:
    for file in files:
        plain = file.stem if file.suffix in _PACKINGS else file.name
        if plain.endswith(ending) and file.is_file():
            yield plain.removesuffix(ending), file
