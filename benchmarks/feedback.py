"""Does pseudo-relevance feedback help, for which signal, with what, and placed where?

python benchmarks/feedback.py DATASET_DIR [--index FOLDER] [--choose dl19] [--report dl20]

Indexes a BEIR folder with bm25, minilm and minilm-pooled (once, into --index), and runs pipelines
that differ in their feedback alone: each signal by itself, and sparse fused with each of the other
two, with feedback before fusion, after it, and both (arXiv 2205.00235). Of each family the best
setting by --measure on one split is chosen, of those without feedback too, and both are measured
on the other split. Prints the table of all settings in Markdown, then the chosen ones with their
difference on the split that chose nothing, its standard error over queries, and the p-value of a
paired t-test. MS MARCO's sparse judgements punish feedback: use deep ones.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe
from scipy import stats

from lexmax.collection import Collection
from lexmax.corpus import read_documents
from lexmax.eval import Dataset, evaluate_pipelines, load_dataset
from lexmax.eval.experiment import Outcome
from lexmax.stages import (
    Average,
    ColbertPrf,
    Feedback,
    MultiVectorRetrieve,
    Pipeline,
    PooledRetrieve,
    Retrieve,
    Rm3,
    Rocchio,
    SparseRetrieve,
    WeightedSum,
)
from lexmax.stages.feedback import Placement

DEPTH = 1000
MEASURES = ("AP(rel=2)", "AP", "nDCG@10", "R(rel=2)@1000")
RETRIEVE: Mapping[str, Retrieve] = {
    "sparse": SparseRetrieve(depth=DEPTH),
    "multivector": MultiVectorRetrieve(depth=DEPTH),
    "pooled": PooledRetrieve(depth=DEPTH),
}
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Of sparse scores beside those of another signal."""
PLACEMENTS: tuple[Placement, ...] = ("before", "after", "both")
VECTOR_FEEDBACK = (
    *(Average(k=k) for k in (1, 2, 3, 5, 10)),
    *(
        Rocchio(k=k, alpha=alpha, beta=round(1 - alpha, 1))
        for k in (2, 3, 5, 10)
        for alpha in (0.4, 0.6, 0.8)
    ),
)
FUSED_FEEDBACK = (
    Average(k=3),
    *(Rocchio(k=5, alpha=a, beta=round(1 - a, 1)) for a in (0.4, 0.6, 0.8)),
)
RM3 = tuple(
    Rm3(k=k, terms=terms, original_weight=weight)
    for k, terms in ((10, 10), (5, 20), (10, 20))
    for weight in (0.5, 0.7)
)
COLBERT_PRF = tuple(
    ColbertPrf(k=k, tokens=n, beta=beta)
    for k in (3, 5)
    for n in (5, 10)
    for beta in (0.05, 0.1, 0.2)
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One pipeline: what it retrieves by, and how queries are changed; no feedback is the base."""

    family: str
    feedback: Feedback | None
    pipeline: Pipeline

    @property
    def label(self) -> str:
        """What distinguishes it in its family."""
        fuse, fused = self.pipeline.fuse, len(self.pipeline.retrieve) > 1
        weights = fuse.weights if fused and isinstance(fuse, WeightedSum) else None
        said = _described(self.feedback, placed=fused)
        return said if weights is None else f"{said}, sparse {weights[0]:g}"


def main() -> None:
    """Index where that is not done, run every setting on both splits, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument(
        "--index", type=Path, help="collection's folder; made where it is not there"
    )
    parser.add_argument("--choose", default="dl19", help="split that chooses")
    parser.add_argument("--report", default="dl20", help="split that is reported")
    parser.add_argument("--measure", default=MEASURES[0], choices=MEASURES)
    parser.add_argument("--json", type=Path, help="file for all figures")
    given = parser.parse_args()
    index = given.index or Path(__file__).parent / "out" / "feedback" / given.dataset.resolve().name
    print(json.dumps(describe()), flush=True)
    splits = {
        name: load_dataset(given.dataset, split=name) for name in (given.choose, given.report)
    }
    settings = [*single_signals(), *fused_signals()]
    with _collection(index, given.dataset) as collection:
        found = {name: _measured(collection, split, settings) for name, split in splits.items()}
    print(table(settings, found))
    print(chosen_table(settings, found[given.choose], found[given.report], given.measure))
    if given.json is not None:
        given.json.write_text(json.dumps(_as_json(settings, found), indent=1) + "\n")


def single_signals() -> list[Setting]:
    """Each signal by itself."""
    own: Mapping[str, Sequence[Feedback]] = {"sparse": RM3, "multivector": COLBERT_PRF}
    return [
        _setting(signal, feedback, (stage,), 0.0)
        for signal, stage in RETRIEVE.items()
        for feedback in (None, *VECTOR_FEEDBACK, *own.get(signal, ()))
    ]


def fused_signals() -> list[Setting]:
    """Sparse beside another signal, whose queries feedback changes."""
    return [
        _setting(f"sparse + {signal}", feedback, (RETRIEVE["sparse"], RETRIEVE[signal]), weight)
        for signal in ("multivector", "pooled")
        for weight in WEIGHTS
        for feedback in (None, *_placed(signal))
    ]


def _placed(signal: str) -> list[Feedback]:
    return [
        feedback.model_copy(update={"placement": placement, "signals": (signal,)})
        for feedback in FUSED_FEEDBACK
        for placement in PLACEMENTS
    ]


def _setting(
    family: str, feedback: Feedback | None, retrieve: tuple[Retrieve, ...], weight: float
) -> Setting:
    fuse = (
        WeightedSum(weights=(weight, round(1 - weight, 2))) if len(retrieve) > 1 else WeightedSum()
    )
    return Setting(family, feedback, Pipeline(retrieve=retrieve, fuse=fuse, feedback=feedback))


def _described(feedback: Feedback | None, *, placed: bool) -> str:
    if feedback is None:
        return "none"
    unsaid = {"method", "max_terms", "clusters", "signals", *(() if placed else ("placement",))}
    given = feedback.model_dump(exclude=unsaid)
    return f"{feedback.method} {' '.join(f'{name} {value}' for name, value in given.items())}"


def _collection(index: Path, dataset: Path) -> Collection:
    if (index / "catalog.sqlite").exists():
        return Collection.open(index)
    collection = Collection.create(
        index, sparse="bm25", multivector="minilm", pooled="minilm-pooled"
    )
    collection.store(list(read_documents([str(dataset)], on_reject=lambda reject: None)))
    collection.flush()
    return collection


def _measured(collection: Collection, split: Dataset, settings: Sequence[Setting]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for i, setting in enumerate(settings):
        pipeline = setting.pipeline.model_copy(update={"name": f"setting-{i}"})
        found = evaluate_pipelines(collection, split, [pipeline], measures=MEASURES, k=DEPTH)
        outcomes.append(found.pipelines[pipeline.name])
        print(f"\r{split.split}: {i + 1} of {len(settings)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return outcomes


def table(settings: Sequence[Setting], found: Mapping[str, Sequence[Outcome]]) -> str:
    """Every setting's measures on every split."""
    heads = [f"{measure} {split}" for split in found for measure in MEASURES]
    lines = [
        f"| signals | feedback | {' | '.join(heads)} | ms |",
        "|---|---|" + "--:|" * (len(heads) + 1),
    ]
    for i, setting in enumerate(settings):
        cells = [f"{outcomes[i].measures[m]:.4f}" for outcomes in found.values() for m in MEASURES]
        ms = next(iter(found.values()))[i].query_ms or 0.0
        lines.append(f"| {setting.family} | {setting.label} | {' | '.join(cells)} | {ms:.1f} |")
    return "\n".join(lines) + "\n"


def chosen_table(
    settings: Sequence[Setting],
    choosing: Sequence[Outcome],
    reported: Sequence[Outcome],
    measure: str,
) -> str:
    """The best of each family by one split, with and without feedback, on the other."""
    lines = [
        f"| signals | chosen without | {measure} | chosen with | {measure} | difference | p |",
        "|---|---|--:|---|--:|--:|--:|",
    ]
    for family in dict.fromkeys(setting.family for setting in settings):
        of_family = [i for i, setting in enumerate(settings) if setting.family == family]
        base, best = (
            max(
                (i for i in of_family if (settings[i].feedback is not None) == wanted),
                key=lambda i: choosing[i].measures[measure],
            )
            for wanted in (False, True)
        )
        before, after = (
            np.array(list(reported[i].by_query[measure].values())) for i in (base, best)
        )
        change = after - before
        error = change.std(ddof=1) / np.sqrt(len(change))
        lines.append(
            f"| {family} | {settings[base].label} | {before.mean():.4f} | {settings[best].label} "
            f"| {after.mean():.4f} | {change.mean():+.4f} ± {error:.4f} "
            f"| {stats.ttest_rel(after, before).pvalue:.3f} |"
        )
    return "\n".join(lines) + "\n"


def _as_json(
    settings: Sequence[Setting], found: Mapping[str, Sequence[Outcome]]
) -> list[Mapping[str, object]]:
    return [
        {
            "signals": setting.family,
            "pipeline": setting.pipeline.model_dump(mode="json", exclude_none=True),
            **{split: dict(outcomes[i].measures) for split, outcomes in found.items()},
        }
        for i, setting in enumerate(settings)
    ]


if __name__ == "__main__":
    main()
