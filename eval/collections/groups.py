"""How are sub-collections, such as the twelve of CQADupStack, put together?"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lexmax.corpus_sources import parts_named
from lexmax.errors import EvaluationError
from lexmax.eval.collections.beir import beir_splits


def sub_collections(path: Path) -> tuple[Path, ...]:
    """The folders in it that are datasets in BEIR layout, by name; none if it is one itself."""
    if not path.is_dir() or parts_named(path, "queries"):
        return ()
    folders = (folder for folder in sorted(path.iterdir()) if folder.is_dir())
    return tuple(f for f in folders if parts_named(f, "queries") and beir_splits(f))


def averaged(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean of each measure over sub-collections, each counting alike, as BEIR has it.

    Args:
        figures: By sub-collection and measure. A sub-collection with many queries counts no
            more than one with few, so this is not the mean over all queries.

    Raises:
        EvaluationError: if there is no sub-collection, or they differ in their measures.
    """
    measures = [tuple(by_measure) for by_measure in figures.values()]
    if not measures or any(set(names) != set(measures[0]) for names in measures):
        raise EvaluationError(
            f"found figures of {', '.join(figures) or 'no sub-collection'} for measures that "
            "differ; expected the same measures for each; evaluate them alike"
        )
    return {
        name: float(np.mean([by_measure[name] for by_measure in figures.values()]))
        for name in measures[0]
    }
