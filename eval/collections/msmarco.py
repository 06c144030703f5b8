"""What does a folder with the files of MS MARCO hold, passages or documents?

Names are those of the official downloads: `collection.tsv`, `queries.SPLIT.tsv` and
`qrels.SPLIT.tsv`; `msmarco-docs.tsv`, `msmarco-docSPLIT-queries.tsv` and
`msmarco-docSPLIT-qrels.tsv`; `msmarco-test2019-queries.tsv` and `2019qrels-pass.txt` or
`2019qrels-docs.txt`, and so for 2020. All may be .gz or .zst.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lexmax.corpus_sources import is_msmarco_corpus, msmarco_corpus
from lexmax.errors import EvaluationError
from lexmax.eval.collections.dataset import Dataset, Source, judged_queries
from lexmax.eval.collections.queries import read_query_table
from lexmax.eval.collections.splits import chosen_split, plain_name
from lexmax.eval.files import bad_line, decoded, delimiters, numbered_lines
from lexmax.eval.qrels import read_qrels

# (queries, qrels): what `split` matches must be the same in both.
_PAIRS = (
    (r"queries\.(?P<split>.+)\.tsv", r"qrels\.(?P<split>.+)\.tsv"),
    (r"msmarco-doc(?P<split>.+)-queries\.tsv", r"msmarco-doc(?P<split>.+)-qrels\.tsv"),
    (r"msmarco-test(?P<split>20\d\d)-queries\.tsv", r"(?P<split>20\d\d)qrels-(?:pass|docs)\.txt"),
)


@dataclass(frozen=True, slots=True)
class Triple:
    """A query with a relevant and another document: three ids, or three texts, as the file has."""

    query: str
    positive: str
    negative: str


def is_msmarco(path: Path) -> bool:
    """Whether a folder holds queries or a corpus under one of the official names."""
    names = {plain_name(file) for file in path.iterdir()}
    queries = [pair[0] for pair in _PAIRS]
    return any(map(is_msmarco_corpus, names)) or any(
        re.fullmatch(pattern, name) for pattern in queries for name in names
    )


def load_msmarco(path: Path, split: str) -> Dataset:
    """The judged queries of one split, such as "dev.small" or, for TREC DL, "2019".

    Raises:
        EvaluationError: if the split is missing, a line is bad, or no judged query has a text.
    """
    both = msmarco_splits(path)
    queries, qrels = chosen_split(path, both, split)
    corpus = tuple(map(str, msmarco_corpus(path)))
    source = Source(path.resolve().name, path, split, qrels.name, corpus)
    return judged_queries(source, read_query_table(queries), read_qrels(qrels))


def msmarco_splits(path: Path) -> dict[str, tuple[Path, Path]]:
    """(queries, qrels) by split, where a folder has both."""
    splits: dict[str, tuple[Path, Path]] = {}
    for pair in _PAIRS:
        queries, qrels = (_matching(path, pattern) for pattern in pair)
        for split in queries.keys() & qrels.keys():
            splits.setdefault(split, (queries[split], qrels[split]))
    return splits


def _matching(path: Path, pattern: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        if match := re.fullmatch(pattern, plain_name(file)):
            found.setdefault(match["split"], file)
    return found


def read_triples(path: Path | str) -> Iterator[Triple]:
    """The triples of `triples.train.small.tsv`, `qidpidtriples.train.full.2.tsv` and their like.

    Raises:
        EvaluationError: while reading, if the file cannot be read or a line has not three fields.
    """
    path = Path(path)
    n_lines = 0
    for number, line in numbered_lines(path):
        fields = decoded(path, number, line).split("\t")
        if len(fields) != 3 or not all(map(str.strip, fields)):
            expected = "`query positive negative` with a tab between each"
            raise bad_line(path, number, line, expected + delimiters(line))
        n_lines += 1
        yield Triple(*map(str.strip, fields))
    if not n_lines:
        raise EvaluationError(
            f"{path}: holds no triple; expected lines `query positive negative` with a tab "
            "between each; check that it is the right file"
        )
