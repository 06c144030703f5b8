"""Which documents are hard to tell from the right ones? Looked for in an index of one's own.

For every example the ranking of its query is cut to a window of ranks, documents that are known
or suspected to be relevant leave it, and some of the rest become negatives. Teachers may score
what is left. Each step appends to a file and notes how far it came, so a job goes on where it was
interrupted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from lexmax.building import Watcher
from lexmax.collection import Collection
from lexmax.corpus import read_documents
from lexmax.corpus_sources import seen_from
from lexmax.encoders import Encoders
from lexmax.encoders.training.batches import too_near
from lexmax.encoders.training.config import (
    MiningSection,
    SourceSection,
    TrainingConfig,
)
from lexmax.encoders.training.curriculum import min_max
from lexmax.encoders.training.durable import to_json, write_file
from lexmax.encoders.training.example import Candidate, Example, from_json
from lexmax.encoders.training.example import to_json as to_line
from lexmax.encoders.training.examples import Examples
from lexmax.encoders.training.order import key_of, shuffled
from lexmax.grown_file import GrownFile
from lexmax.text_index import (
    CollectionTexts,
    Found,
    TextIndex,
    text_id,
    text_index,
    write_corpus,
)

_CHUNK = 64
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MiningReport:
    """What mining did.

    Attributes:
        files: One for each source, in their order.
        n_examples: Written, over all files.
        n_without: Examples left out: no negative was left, or the positive was ranked too low.
    """

    files: tuple[Path, ...]
    n_examples: int
    n_without: int


def mined(
    config: TrainingConfig, examples: Examples, *, output: Path, watcher: Watcher
) -> Examples:
    """The examples to train with: those given, or with hard negatives if `negatives.mine` asks.

    Raises:
        EncoderError: if an encoder cannot be loaded.
        KeyboardInterrupt: if the watcher stopped it; run it again to go on.
    """
    rules = config.negatives.mine
    if rules is None:
        return examples
    report = mine(
        examples,
        rules,
        folder=output / "mining",
        data_folder=Path(config.data.folder),
        seed=config.seed,
        watcher=watcher,
    )
    sources = tuple(
        SourceSection(path=str(file.resolve()), format="jsonl", weight=source.weight)
        for file, source in zip(report.files, config.data.train, strict=True)
    )
    section = config.data.model_copy(
        update={"train": sources, "dev": config.data.dev.model_copy(update={"share": 0.0})}
    )
    return Examples(section, output=output / "mining")


def mine(
    examples: Examples,
    rules: MiningSection,
    *,
    folder: Path,
    data_folder: Path,
    seed: int,
    watcher: Watcher,
    encoders: Encoders | None = None,
) -> MiningReport:
    """Write the examples to train with anew, with hard negatives and scores, a file a source.

    Args:
        examples: Queries and positives; their own negatives are documents like all others.
        rules: Where and how to look.
        folder: Keeps the files, and the indexes that were made.
        data_folder: Paths in the rules are relative to it.
        seed: Of what is drawn.
        watcher: Is told how far it has come; may stop it.
        encoders: Where specs are looked up.

    Raises:
        EncoderError: if an encoder cannot be loaded.
        DiskFullError: if there is no room; what was written is kept.
        KeyboardInterrupt: if the watcher stopped it; run it again to go on.
    """
    place = folder / _name(examples, rules, seed)
    place.mkdir(parents=True, exist_ok=True)
    stage = _Stage(place, watcher, encoders or Encoders())
    ranked = [place / f"ranked-{i}.jsonl" for i in range(len(examples.sources))]
    _rank_all(examples, rules, ranked, stage, data_folder, seed)
    files = ranked
    if rules.teachers:
        files = [place / f"taught-{i}.jsonl" for i in range(len(ranked))]
        _teach_all(rules, ranked, files, stage)
    counts = [_count(file) for file in files]
    return MiningReport(tuple(files), sum(counts), sum(examples.sizes) - sum(counts))


@dataclass(frozen=True, slots=True)
class _Stage:
    folder: Path
    watcher: Watcher
    encoders: Encoders

    def index(self, spec: str, corpus: Path) -> AbstractContextManager[TextIndex]:
        return text_index(
            spec, corpus, self.folder / "indexes", watcher=self.watcher, encoders=self.encoders
        )

    def grow(
        self,
        path: Path,
        entries: Iterable[T],
        total: int,
        write: Callable[[list[T]], list[bytes]],
        name: str,
    ) -> None:
        """Append what `write` makes of the entries, from where an earlier run stopped."""
        if path.exists():
            return
        with GrownFile(path) as file:
            done = file.done
            left = islice(entries, done, None)
            while chunk := list(islice(left, _CHUNK)):
                self.watcher.advance(name, done, total)
                if self.watcher.stopped():
                    raise KeyboardInterrupt
                done += len(chunk)
                file.append(write(chunk), done=done)
            file.finish()
        self.watcher.advance(name, done, total)


def _rank_all(
    examples: Examples,
    rules: MiningSection,
    files: Sequence[Path],
    stage: _Stage,
    data_folder: Path,
    seed: int,
) -> None:
    if all(file.exists() for file in files):
        return
    known = _known_positives(examples)
    with ExitStack() as stack:
        if rules.collection is not None:
            path = data_folder / rules.collection
            opened = Collection.open(path, encoders=stage.encoders, merge_in_background=False)
            index: TextIndex = CollectionTexts(stack.enter_context(opened))
        else:
            corpus = stage.folder / "corpus.jsonl"
            if not corpus.exists():
                write_corpus(corpus, _all_texts(examples, rules, data_folder))
            index = stack.enter_context(stage.index(rules.encoder, corpus))
        miner = _Miner(index, rules, known, seed)
        for source, file in zip(examples.sources, files, strict=True):
            given = (source.example(int(offset)) for offset in source.train)
            stage.grow(file, given, len(source.train), miner.lines, "mine")


def _all_texts(examples: Examples, rules: MiningSection, data_folder: Path) -> Iterator[str]:
    for source in examples.sources:
        for offset in (*source.train, *source.dev):
            yield from source.documents_of(int(offset))
    files = [seen_from(data_folder, path) for path in rules.corpus]
    for document in read_documents(files, on_reject=lambda reject: None) if files else ():
        yield document.full_text


def _known_positives(examples: Examples) -> dict[str, set[str]]:
    """Hashes of the positives by hash of the query, over all sources."""
    known: dict[str, set[str]] = {}
    for source in examples.sources:
        for offset in source.train:
            example = source.example(int(offset))
            found = known.setdefault(text_id(example.query), set())
            found.update(text_id(one.text) for one in example.positives)
    return known


@dataclass(frozen=True, slots=True)
class _Miner:
    index: TextIndex
    rules: MiningSection
    known: dict[str, set[str]]
    seed: int

    def lines(self, chunk: list[Example]) -> list[bytes]:
        """A line for every example and positive that keeps a negative."""
        rankings = self.index.search([one.query for one in chunk], self.rules.ranks[1])
        missing = [
            [one.text for one in example.positives if one.text not in dict(ranking)]
            for example, ranking in zip(chunk, rankings, strict=True)
        ]
        scores = self.index.scores([one.query for one in chunk], missing)
        lines: list[bytes] = []
        for example, ranking, texts, values in zip(chunk, rankings, missing, scores, strict=True):
            unranked = {
                text: Candidate(text, float(x)) for text, x in zip(texts, values, strict=True)
            }
            lines += [to_line(one) for one in self._mined(example, ranking, unranked)]
        return lines

    def _mined(
        self, example: Example, ranking: Found, unranked: dict[str, Candidate]
    ) -> Iterator[Example]:
        ranked = [Candidate(text, score, rank) for rank, (text, score) in enumerate(ranking, 1)]
        by_text = {one.text: one for one in ranked} | unranked
        relevant = self.known.get(text_id(example.query), set())
        low, high = self.rules.ranks
        window = [
            one for one in ranked[low - 1 : high] if one.text and text_id(one.text) not in relevant
        ]
        for positive in (by_text[one.text] for one in example.positives):
            within = self.rules.positive_within
            if within is not None and not 1 <= positive.rank <= within:
                continue
            kept = self._drawn(example.query, [one for one in window if self._below(one, positive)])
            if kept:
                yield Example(example.query, (positive,), tuple(kept))

    def _below(self, one: Candidate, positive: Candidate) -> bool:
        share = self.rules.keep_below
        # Teachers know better than a first ranking which documents are relevant.
        if share is None or self.rules.teachers:
            return True
        return not too_near(one.score, positive.score, share)

    def _drawn(self, query: str, window: Sequence[Candidate]) -> list[Candidate]:
        """At most `keep` of them, by rank."""
        if len(window) <= self.rules.keep:
            return list(window)
        key = key_of(self.seed, xxhash.xxh3_64_intdigest(query.encode()))
        places = sorted(shuffled(i, len(window), key=key) for i in range(self.rules.keep))
        return [window[place] for place in places]


def _teach_all(
    rules: MiningSection, ranked: Sequence[Path], files: Sequence[Path], stage: _Stage
) -> None:
    if all(file.exists() for file in files):
        return
    corpus = stage.folder / "candidates.jsonl"
    if not corpus.exists():
        write_corpus(corpus, (one.text for path in ranked for e in _read(path) for one in _all(e)))
    for number, (path, file) in enumerate(zip(ranked, files, strict=True)):
        scored = [
            stage.folder / f"scores-{number}-{teacher}.jsonl"
            for teacher in range(len(rules.teachers))
        ]
        for spec, target in zip(rules.teachers, scored, strict=True):
            if not target.exists():
                with stage.index(spec, corpus) as index:
                    write = partial(_scores, index)
                    stage.grow(target, _read(path), _count(path), write, "teach")
        write_file(file, b"".join(_taught_lines(path, scored, rules.keep_below)))


def _taught_lines(
    ranked: Path, scored: Sequence[Path], keep_below: float | None
) -> Iterator[bytes]:
    columns = [_rows(path) for path in scored]
    for example, *rows in zip(_read(ranked), *columns, strict=True):
        taught = _taught(example, rows, keep_below)
        if taught.negatives:
            yield to_line(taught)


def _rows(path: Path) -> Iterator[NDArray[np.float64]]:
    with path.open("rb") as file:
        for line in file:
            yield np.array(orjson.loads(line), dtype=np.float64)


def _scores(index: TextIndex, chunk: list[Example]) -> list[bytes]:
    texts = [[one.text for one in _all(example)] for example in chunk]
    rows = index.scores([example.query for example in chunk], texts)
    return [orjson.dumps(row.tolist(), option=orjson.OPT_APPEND_NEWLINE) for row in rows]


def _taught(
    example: Example, scores: Sequence[NDArray[np.float64]], keep_below: float | None
) -> Example:
    """The example with its teachers' scores, without negatives too near to the positive.

    Of one teacher the scores themselves; of several the mean of their min-max scaled scores.
    """
    if len(scores) == 1:
        joined = scores[0]
    else:
        joined = np.mean([min_max(row, row[np.isfinite(row)]) for row in scores], axis=0)
    positive, *negatives = (
        replace(one, score=float(score)) for one, score in zip(_all(example), joined, strict=True)
    )
    kept = [
        one
        for one in negatives
        if keep_below is None or not too_near(one.score, positive.score, keep_below)
    ]
    return Example(example.query, (positive,), tuple(kept))


def _all(example: Example) -> tuple[Candidate, ...]:
    return (*example.positives, *example.negatives)


def _read(path: Path) -> Iterator[Example]:
    with path.open("rb") as file:
        for line in file:
            yield from_json(line, {})


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _name(examples: Examples, rules: MiningSection, seed: int) -> str:
    """Another name for other rules or other examples."""
    of_sources = [source.identity for source in examples.sources]
    content = to_json([rules.model_dump(mode="json"), of_sources, seed])
    return xxhash.xxh3_64_hexdigest(content)
