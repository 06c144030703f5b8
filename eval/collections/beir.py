"""What does a folder in the layout of BEIR (Thakur et al. 2021) hold?

`corpus`, `queries` (.jsonl, .jsonl.gz, .jsonl.zst or .parquet, the last also in parts in a folder
of that name), and `qrels/SPLIT.tsv`; qrels in TREC format, JSON lines or Parquet, further folders
named `qrels_...`, and the folders `default` and `data` of copies on the Hugging Face hub are read
too.
"""

from pathlib import Path

from lexmax.corpus_sources import parts_named
from lexmax.errors import EvaluationError
from lexmax.eval.collections.dataset import Dataset, Source, judged_queries
from lexmax.eval.collections.queries import read_queries
from lexmax.eval.collections.splits import Splits, chosen_split, read_judgements, splits_in

_HUB_FOLDERS = ("default", "data")


def load_beir(path: Path, split: str) -> Dataset:
    """The judged queries of one split.

    Raises:
        EvaluationError: if queries or the split are missing, a line is bad, or no judged query
            has a text.
    """
    files = chosen_split(path, beir_splits(path), split)
    qrels = read_judgements(files)
    texts: dict[str, str] = {}
    for part in _required(path, parts_named(path, "queries")):
        texts |= read_queries(part)
    corpus = tuple(map(str, parts_named(path, "corpus")))
    source = Source(path.resolve().name, path, split, files[0].name, corpus)
    return judged_queries(source, texts, qrels)


def beir_splits(path: Path) -> Splits:
    """Qrels files by split; a folder `qrels` goes before `qrels_...`."""
    folders = sorted(folder for folder in path.glob("qrels*") if folder.is_dir())
    hub = [path / name for name in _HUB_FOLDERS if (path / name).is_dir()]
    return splits_in([*folders, *hub])


def _required(path: Path, parts: list[Path]) -> list[Path]:
    if not parts:
        raise EvaluationError(
            f"{path}: holds no queries.jsonl, .jsonl.gz, .jsonl.zst or .parquet; expected a "
            "dataset in BEIR layout; check the path"
        )
    return parts
