"""Which combinations of documents can a retriever return? A generator of LIMIT-like datasets.

LIMIT (Weller et al. 2025) asks for every pair out of few documents, so that no vector of few
dimensions can rank all of them: documents say what somebody likes ("Ada Kafi likes dogs, maps and
rivers."), queries ask for one thing ("Who likes maps?"), and each of the n documents likes what
its queries ask for, and things at random besides. Distractors like only things not asked for.

The twin asks for the same things in another word ("Who likes charts?"), which no document uses.
It has fewer queries, because words with a synonym are fewer.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax.errors import EvaluationError
from lexmax.eval.collections.limit_words import (
    MOST_NAMES,
    MOST_THINGS,
    names,
    synonyms,
    things,
)
from lexmax.eval.files import replace_file
from lexmax.eval.qrels import Qrels
from lexmax.types import Document

# How many times as many things there are as a document likes.
_CHOICE = 20
_NAME = "LIMIT, generated"


@dataclass(frozen=True, slots=True)
class LimitPlan:
    """What to generate; the same plan gives the same bytes.

    Attributes:
        n_docs: documents that are ever relevant.
        k: relevant documents of each query.
        n_queries: at most the number of combinations; each gets a combination of its own.
        n_distractors: documents that are relevant to nothing.
        n_liked: least things that a document likes.
        twin: whether the things asked for have a synonym; `generate_limit` then gives two datasets
            that differ in the queries alone.
        seed: of names, of things and of the order.

    Raises:
        EvaluationError: if there are not so many combinations, things or names.
    """

    n_docs: int = 46
    k: int = 2
    n_queries: int = 1000
    n_distractors: int = 0
    n_liked: int = 45
    twin: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n_docs or self.n_distractors < 0 or self.n_liked < 1:
            raise EvaluationError(
                f"k is {self.k}, documents {self.n_docs}, distractors {self.n_distractors} and "
                f"things liked {self.n_liked}; expected k from 1 to the number of documents, and "
                "no number below 0; change them"
            )
        most = math.comb(self.n_docs, self.k)
        if not 1 <= self.n_queries <= most:
            raise EvaluationError(
                f"{self.n_queries:,} queries are asked for; expected 1 to {most:,}, the "
                f"combinations of {self.k} out of {self.n_docs:,} documents; ask for fewer"
            )
        n_people = self.n_docs + self.n_distractors
        n_plain = MOST_THINGS - self.n_others
        most_asked = len(synonyms()) if self.twin else n_plain
        if n_people > MOST_NAMES or self.n_queries > most_asked or n_plain < 0:
            raise EvaluationError(
                f"{n_people:,} documents, {self.n_queries:,} queries and {self.n_liked:,} things "
                f"liked are asked for; expected at most {MOST_NAMES:,} documents and "
                f"{max(most_asked, 0):,} queries{' of a twin' * self.twin}, for want of words; "
                "ask for fewer"
            )

    @property
    def n_others(self) -> int:
        """Things that nobody asks for: many times what a document likes, so that they differ."""
        return _CHOICE * self.n_liked


@dataclass(frozen=True, slots=True)
class Limit:
    """A generated dataset.

    Attributes:
        plan: what it was generated from.
        documents: relevant ones first.
        queries: text by query_id, in the words of the documents.
        synonyms: text by query_id, in other words; the same as `queries` without a twin.
        qrels: relevance by doc_id by query_id.
    """

    plan: LimitPlan
    documents: tuple[Document, ...]
    queries: Mapping[str, str]
    synonyms: Mapping[str, str]
    qrels: Qrels


def generate_limit(plan: LimitPlan) -> Limit:
    """The dataset of a plan."""
    rng = np.random.default_rng(plan.seed)
    people = names(plan.n_docs + plan.n_distractors, rng)
    liked = things(plan.n_queries, plan.n_others, twin=plan.twin, rng=rng)
    chosen = _combinations(plan, rng)
    asked_of: list[list[int]] = [[] for _ in people]
    for query, relevant in enumerate(chosen):
        for person in relevant:
            asked_of[person].append(query)
    spare = np.arange(plan.n_queries, len(liked))
    documents = tuple(
        _document(name, [liked[i].name for i in _all_liked(asked, spare, plan, rng)])
        for name, asked in zip(people, asked_of, strict=True)
    )
    asked_for = {f"query_{i}": thing for i, thing in enumerate(liked[: plan.n_queries])}
    return Limit(
        plan,
        documents,
        {query_id: f"Who likes {thing.name}?" for query_id, thing in asked_for.items()},
        {query_id: f"Who likes {thing.synonym}?" for query_id, thing in asked_for.items()},
        {
            query_id: {documents[i].doc_id: 1 for i in chosen[number]}
            for number, query_id in enumerate(asked_for)
        },
    )


def _combinations(plan: LimitPlan, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Different combinations: drawn at random where there are many more than needed."""
    most = math.comb(plan.n_docs, plan.k)
    if most <= 4 * plan.n_queries:
        every = list(islice(combinations(range(plan.n_docs), plan.k), most))
        return [every[i] for i in np.sort(rng.permutation(most)[: plan.n_queries])]
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < plan.n_queries:
        one = rng.choice(plan.n_docs, plan.k, replace=False)
        drawn[tuple(sorted(one.tolist()))] = None
    return list(drawn)


def _all_liked(
    asked: Sequence[int],
    spare: NDArray[np.int64],
    plan: LimitPlan,
    rng: np.random.Generator,
) -> list[int]:
    """The things that its queries ask for, and others up to the least number, shuffled."""
    n_more = max(0, plan.n_liked - len(asked))
    more = rng.choice(spare, n_more, replace=False).tolist()
    return [int(i) for i in rng.permutation([*asked, *more])]


def _document(name: str, liked: Sequence[str]) -> Document:
    listed = f"{', '.join(liked[:-1])} and {liked[-1]}" if len(liked) > 1 else liked[0]
    return Document(name, f"{name} likes {listed}.")


def write_limit(folder: Path | str, limit: Limit) -> None:
    """Writes corpus.jsonl, queries.jsonl, qrels/test.tsv and metadata.json, as BEIR has them.

    With a twin, that in a folder `FOLDER-synonyms` beside it.

    Raises:
        EvaluationError: if the folder cannot be written, or holds other files.
        DiskFullError: if there is no room.
    """
    folder = Path(folder)
    twin = folder.with_name(f"{folder.name}-synonyms")
    for one in (folder, twin) if limit.plan.twin else (folder,):
        _require_free(one)
    _write(folder, limit, limit.queries)
    if limit.plan.twin:
        _write(twin, limit, limit.synonyms)


def _require_free(folder: Path) -> None:
    """Refuse a folder that holds anything but what was generated before."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        about: Any = orjson.loads((folder / "metadata.json").read_bytes())
        is_ours = about["name"] == _NAME
    except (OSError, ValueError, TypeError, LookupError):
        is_ours = False
    if not is_ours:
        raise EvaluationError(
            f"{folder}: holds files that `lexmax limit` has not written; expected a folder that is "
            "new or empty; name another"
        )


def _write(folder: Path, limit: Limit, queries: Mapping[str, str]) -> None:
    replace_file(folder / "corpus.jsonl", _corpus_lines(limit))
    rows = ({"_id": query_id, "text": text} for query_id, text in queries.items())
    replace_file(folder / "queries.jsonl", (orjson.dumps(row) + b"\n" for row in rows))
    judged = (
        f"{query_id}\t{doc_id}\t{relevance}\n".encode()
        for query_id, grades in limit.qrels.items()
        for doc_id, relevance in grades.items()
    )
    replace_file(folder / "qrels" / "test.tsv", [b"query-id\tcorpus-id\tscore\n", *judged])
    about = {"name": _NAME, "licence": "CC0-1.0", "plan": asdict(limit.plan)}
    replace_file(folder / "metadata.json", [orjson.dumps(about, option=orjson.OPT_INDENT_2)])


def _corpus_lines(limit: Limit) -> Iterator[bytes]:
    for document in limit.documents:
        row = {"_id": document.doc_id, "title": document.title, "text": document.text}
        yield orjson.dumps(row) + b"\n"
