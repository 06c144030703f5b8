"""Which collections are in a folder, what do they lack, and which are not there at all?"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lexmax.corpus_sources import msmarco_corpus, parts_named
from lexmax.errors import EvaluationError, LexmaxError
from lexmax.eval.collections.beir import beir_splits
from lexmax.eval.collections.collected import Collected, Split
from lexmax.eval.collections.groups import sub_collections
from lexmax.eval.collections.known import KNOWN, Known
from lexmax.eval.collections.licences import licence_of
from lexmax.eval.collections.msmarco import is_msmarco, msmarco_splits
from lexmax.eval.collections.splits import read_judgements
from lexmax.eval.collections.survey_irds import described
from lexmax.eval.collections.trec import is_trec, trec_splits
from lexmax.eval.files import line_blocks
from lexmax.irds import is_irds
from lexmax.parquet import is_parquet, n_rows

_DEEPEST = 2
# Of a corpus that takes longer than seconds to read, the documents are not counted unasked.
_COUNTED_BYTES = 256 << 20


def survey(folder: Path | str, *, count_all: bool = False) -> list[Collected]:
    """The collections in a folder and the folders below it, by path; the folder may be one.

    Args:
        folder: Where to look, or irds:NAME, of which nothing is fetched.
        count_all: Count documents of a corpus above 256 MiB too.

    Raises:
        EvaluationError: if there is no such folder, or no such name.
    """
    if is_irds(folder):
        return [described(str(folder))]
    folder = Path(folder)
    if not folder.is_dir():
        raise EvaluationError(
            f"{folder}: no such folder; expected one that holds collections, or "
            "irds:NAME; check the path"
        )
    return [
        _collected(path, layout, _name(folder, path), count_all=count_all)
        for path, layout in _found(folder, _DEEPEST)
    ]


def missing(found: Iterable[Collected]) -> list[Known]:
    """The collections of the field that are not among those found, by the names of folders."""
    names = {part for one in found for part in (one.path.resolve().name, *one.name.split("/"))}
    return [known for known in KNOWN if known.name not in names]


def _name(folder: Path, path: Path) -> str:
    inside = path.relative_to(folder)
    return str(inside) if inside.parts else path.resolve().name


def _found(folder: Path, depth: int) -> Iterator[tuple[Path, str]]:
    layout = _layout(folder)
    if layout is not None:
        yield folder, layout
    elif depth:
        for below in sorted(one for one in folder.iterdir() if _is_open_folder(one)):
            yield from _found(below, depth - 1)


def _is_open_folder(path: Path) -> bool:
    try:
        return path.is_dir() and not path.name.startswith(".") and any(True for _ in path.iterdir())
    except OSError:
        return False


def _layout(folder: Path) -> str | None:
    if sub_collections(folder):
        return None
    if parts_named(folder, "queries") or (parts_named(folder, "corpus") and beir_splits(folder)):
        return "BEIR"
    if is_msmarco(folder):
        return "MS MARCO"
    return "TREC" if is_trec(folder) else None


def _collected(path: Path, layout: str, name: str, *, count_all: bool) -> Collected:
    lacks: list[str] = []
    corpus = _corpus(path, layout)
    if not corpus:
        lacks.append("a corpus")
    if layout == "BEIR" and not parts_named(path, "queries"):
        lacks.append("queries")
    by_split = _qrels_files(path, layout)
    if not by_split:
        lacks.append("qrels")
    splits = tuple(_counted_splits(by_split, lacks))
    n_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    n_docs = _n_docs(corpus, lacks, count_all=count_all) if corpus else None
    return Collected(name, path, layout, n_bytes, n_docs, splits, licence_of(path), tuple(lacks))


def _corpus(path: Path, layout: str) -> list[Path]:
    if layout == "BEIR":
        return parts_named(path, "corpus")
    return msmarco_corpus(path) if layout == "MS MARCO" else []


def _qrels_files(path: Path, layout: str) -> Mapping[str, tuple[Path, ...]]:
    if layout == "BEIR":
        return beir_splits(path)
    pairs = msmarco_splits(path) if layout == "MS MARCO" else trec_splits(path)
    return {split: (qrels,) for split, (_, qrels) in pairs.items()}


def _counted_splits(by_split: Mapping[str, tuple[Path, ...]], lacks: list[str]) -> Iterator[Split]:
    for name in sorted(by_split):
        try:
            qrels = read_judgements(by_split[name])
        except EvaluationError as error:
            lacks.append(f"good qrels for {name} ({error})")
        else:
            yield Split(name, len(qrels), sum(map(len, qrels.values())))


def _n_docs(files: list[Path], lacks: list[str], *, count_all: bool) -> int | None:
    if not count_all and sum(file.stat().st_size for file in files) > _COUNTED_BYTES:
        return None
    try:
        return sum(n_rows(file) if is_parquet(file) else _n_lines(file) for file in files)
    except LexmaxError as error:
        lacks.append(f"a good corpus ({error})")
        return None


def _n_lines(file: Path) -> int:
    return sum(block.count(b"\n") for block in line_blocks(file))
