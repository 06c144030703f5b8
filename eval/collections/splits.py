"""Which files hold the judgements of a split?"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lexmax.corpus_sources import PACKINGS
from lexmax.errors import EvaluationError
from lexmax.eval.qrels import read_qrels

# In the order of preference, where a split stands in a folder twice.
_ENDINGS = (".tsv", ".jsonl", ".txt", ".trec", ".qrels", ".parquet")
_SHARD = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}")

Splits = Mapping[str, tuple[Path, ...]]


def plain_name(path: Path) -> str:
    """The name without the ending of a packing."""
    return path.stem if path.suffix in PACKINGS else path.name


def splits_in(folders: Iterable[Path]) -> dict[str, tuple[Path, ...]]:
    """Qrels files by split; earlier folders go before later ones, tsv before other formats.

    A split may be in several files `SPLIT-00000-of-00002.parquet`.
    """
    splits: dict[str, tuple[Path, ...]] = {}
    for folder in folders:
        for ending in _ENDINGS:
            found: dict[str, tuple[Path, ...]] = {}
            for split, file in _with_ending(sorted(folder.iterdir()), ending):
                found[split] = (*found.get(split, ()), file)
            splits = {**found, **splits}
    return splits


def _with_ending(files: Iterable[Path], ending: str) -> Iterator[tuple[str, Path]]:
    packed = set[str]()
    for file in files:
        name = plain_name(file)
        if not name.endswith(ending) or not file.is_file() or name in packed:
            continue
        packed.add(name)
        split = name.removesuffix(ending)
        shard = _SHARD.fullmatch(split)
        yield (shard["split"] if shard else split), file


def chosen_split(path: Path, splits: Splits, split: str) -> tuple[Path, ...]:
    """The files of one split.

    Raises:
        EvaluationError: if there is none of that name; it names those that there are.
    """
    if split not in splits:
        known = ", ".join(sorted(splits)) or "none"
        raise EvaluationError(
            f"{path}: no qrels for split {split!r}; found {known}; expected qrels/{split}.tsv; "
            "name one that is there, or add the file"
        )
    return splits[split]


def read_judgements(paths: Sequence[Path]) -> dict[str, dict[str, int]]:
    """Qrels of all files together.

    Raises:
        EvaluationError: as `read_qrels`.
    """
    qrels: dict[str, dict[str, int]] = {}
    for path in paths:
        for query_id, judged in read_qrels(path).items():
            qrels.setdefault(query_id, {}).update(judged)
    return qrels
