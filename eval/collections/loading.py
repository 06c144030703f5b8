"""How is a dataset found by the path or name that a user gives?"""

from dataclasses import replace
from pathlib import Path

from lexmax.corpus_sources import parts_named
from lexmax.errors import EvaluationError
from lexmax.eval.collections.beir import load_beir
from lexmax.eval.collections.dataset import Dataset
from lexmax.eval.collections.groups import sub_collections
from lexmax.eval.collections.irds import load_irds
from lexmax.eval.collections.msmarco import is_msmarco, load_msmarco
from lexmax.eval.collections.trec import is_trec, load_trec
from lexmax.irds import is_irds


def load_dataset(path: Path | str, *, split: str) -> Dataset:
    """The judged queries of a folder in the layout of BEIR, MS MARCO or TREC, or of `irds:NAME`.

    Queries without a judgement are left out. Judged queries without a text cannot be asked: they
    are left out of every mean, and named in `warnings`.

    Raises:
        EvaluationError: if the folder, its queries or the split is missing, a line is bad, no
            judged query has a text, or the folder holds sub-collections (see `load_group`).
    """
    if is_irds(path):
        return load_irds(str(path))
    path = Path(path)
    if not path.is_dir():
        raise EvaluationError(
            f"{path}: no such folder; expected a dataset in BEIR layout, with queries.jsonl and "
            "qrels/, the files of MS MARCO or TREC, or irds:NAME; check the path"
        )
    if not parts_named(path, "queries"):
        if is_msmarco(path):
            return load_msmarco(path, split)
        if is_trec(path):
            return load_trec(path, split)
        if parts := sub_collections(path):
            raise EvaluationError(
                f"{path}: holds {len(parts)} sub-collections ({', '.join(p.name for p in parts)}) "
                "and no queries of its own; expected one of them; evaluate each against its own "
                "corpus and average the figures"
            )
    return load_beir(path, split)


def load_group(path: Path | str, *, split: str) -> tuple[Dataset, ...]:
    """A dataset for each sub-collection, named FOLDER/PART; one alone where there are none.

    Raises:
        EvaluationError: as `load_dataset`.
    """
    parts = () if is_irds(path) else sub_collections(Path(path))
    if not parts:
        return (load_dataset(path, split=split),)
    loaded = (load_beir(part, split) for part in parts)
    whole = Path(path).resolve().name
    return tuple(replace(dataset, name=f"{whole}/{dataset.name}") for dataset in loaded)
