"""Where do documents lie that are asked for by a path or a name?

The one answer for every command that takes a corpus or a test collection.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from lexmax.errors import CorpusError
from lexmax.irds import is_irds
from lexmax.parquet import is_parquet

STDIN = "-"

PACKINGS = (".gz", ".zst")
"""Endings of files that a packer has made of others."""

NAMES = (
    ".jsonl, .ndjson, .json or .tsv, plain or with .gz or .zst, .parquet, a folder that holds a "
    "corpus as BEIR or MS MARCO have it, irds:NAME, or - for standard input"
)
"""What may be named, for messages."""

CORPUS_HELP = (
    "Documents: .jsonl with _id, title, text; .tsv with id, text, or id, url, title, text; either "
    "with .gz or .zst; .parquet; a folder as BEIR or MS MARCO have it; irds:NAME, a name of "
    "ir_datasets; or - for stdin. docs/evaluation.md, Collections."
)
DATASET_HELP = (
    "A test collection: a folder with queries and qrels as BEIR, MS MARCO or TREC have it, or "
    "irds:NAME, a name of ir_datasets. docs/evaluation.md, Collections."
)
"""What commands say of their arguments."""

_JSON_ENDINGS, _TABLE_ENDINGS = (".jsonl", ".ndjson", ".json"), (".tsv",)
_BEIR_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
_MSMARCO_NAMES = ("collection.tsv", "msmarco-docs.tsv", "docs.tsv")

# pathlib makes one slash of two.
_URL = re.compile(r"(?:https?|s3|gs|hf|ftp):/", re.IGNORECASE)

Kind = Literal["json", "columns", "parquet", "irds", "stdin"]


@dataclass(frozen=True, slots=True)
class Source:
    """One file, or one name, that documents are read from.

    Attributes:
        name: for messages; the path, or irds:NAME.
        kind: what is inside; of standard input its first line tells.
        path: the file; None for what is none.
    """

    name: str
    kind: Kind
    path: Path | None = None


def found_sources(sources: Sequence[str | Path]) -> list[Source]:
    """What each path or name stands for, in order; a folder may stand for several files.

    Raises:
        CorpusError: if one is missing, holds no documents, or is of an unknown kind.
    """
    return [found for source in sources for found in _found(source)]


def _found(source: str | Path) -> list[Source]:
    if str(source) == STDIN:
        return [Source("stdin", "stdin")]
    if is_irds(source):
        return [Source(str(source), "irds")]
    if _URL.match(str(source)):
        raise CorpusError(
            f"{source}: is an address, and nothing is fetched; expected {NAMES}; fetch it, and "
            "name the file"
        )
    path = Path(source)
    if path.is_dir():
        return [Source(str(file), _kind(file) or "json", file) for file in _in_folder(path)]
    if not path.exists():
        raise CorpusError(f"{path}: no such file; expected {NAMES}; check the path")
    kind = _kind(path)
    if kind is None:
        raise CorpusError(
            f"{path}: the name does not say what is inside; expected it to end in "
            f"{', '.join(_JSON_ENDINGS + _TABLE_ENDINGS)}, these with {' or '.join(PACKINGS)}, or "
            ".parquet; rename it, or give it on standard input"
        )
    return [Source(str(path), kind, path)]


def _kind(path: Path) -> Literal["json", "columns", "parquet"] | None:
    if is_parquet(path):
        return "parquet"
    plain = path.with_suffix("") if path.suffix.lower() in PACKINGS else path
    ending = plain.suffix.lower()
    return "json" if ending in _JSON_ENDINGS else "columns" if ending in _TABLE_ENDINGS else None


def _in_folder(folder: Path) -> list[Path]:
    if files := parts_named(folder, "corpus") or msmarco_corpus(folder):
        return files
    if parts := [one.name for one in sorted(folder.iterdir()) if parts_named(one, "corpus")]:
        raise CorpusError(
            f"{folder}: holds {len(parts)} sub-collections ({', '.join(parts[:12])}) and no corpus "
            f"of its own; expected one corpus; give one of them, such as {folder / parts[0]}, and "
            "make a collection of each"
        )
    raise CorpusError(
        f"{folder}: a folder without a corpus; expected corpus.jsonl (or .gz, .zst, .parquet), "
        f"Parquet files in {folder.name}/corpus, or {' or '.join(_MSMARCO_NAMES)} (or .gz, .zst); "
        "give the files themselves if their names are others"
    )


def parts_named(folder: Path, name: str) -> list[Path]:
    """The file of that name as BEIR has it, or the Parquet files of a folder of that name."""
    for ending in _BEIR_ENDINGS:
        if (file := folder / f"{name}{ending}").is_file():
            return [file]
    inside = folder / name
    return sorted(inside.glob("*.parquet")) if inside.is_dir() else []


def msmarco_corpus(folder: Path) -> list[Path]:
    """The file of documents under one of the official names of MS MARCO; none if there is none."""
    for name in _MSMARCO_NAMES:
        for packing in ("", *PACKINGS):
            if (file := folder / (name + packing)).is_file():
                return [file]
    return []


def is_msmarco_corpus(name: str) -> bool:
    """Whether a file without its packing is called so."""
    return name in _MSMARCO_NAMES


def seen_from(folder: Path, source: str | Path) -> str | Path:
    """A path as it is seen from `folder`; names of ir_datasets and "-" are the same everywhere."""
    return source if is_irds(source) or str(source) == STDIN else folder / source


def name_of(sources: Sequence[str], fields: Mapping[str, str], keep: Path | None) -> str | None:
    """By which an interrupted job finds its place again; None where standard input is read.

    Files count by path, size and time: a changed file is another corpus. Stdin has no name.

    What ir_datasets calls by one name does not change. Fields belong to it because other entries
    may be set aside for them, and so do weights, for which other documents are passed over.
    """
    found: list[tuple[str, int, int]] = []
    for source in found_sources(sources):
        if source.kind == "stdin":
            return None
        found.append((source.name, 0, 0) if source.path is None else _named(source.path))
    if keep is not None:
        found.append(_named(keep))
    return orjson.dumps([found, fields] if fields else found, option=orjson.OPT_SORT_KEYS).decode()


def _named(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns
