"""Write the training data of the shipped encoders: `python prepare.py FOLDER OUTPUT`.

FOLDER holds arxiv_title_abstract, msdocs_sections and scitldr, each .jsonl.gz. OUTPUT gets a file
of {query, pos} for each of their topics, so that a batch may be of one topic and its documents
hard to tell apart, and corpus.jsonl ({_id, text}) with the documents of all, in an order that a
fixed seed gives: at most so many pairs of a source, no two documents that begin alike, no heading
without a section.
"""

import ast
import gzip
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAIRS = {"arxiv_title_abstract": 11_000, "msdocs_sections": 12_000, "scitldr": 4_500}
_QUERY = {"arxiv_title_abstract": "title", "msdocs_sections": "query", "scitldr": "query"}
_DOCUMENT = {"arxiv_title_abstract": "text", "msdocs_sections": "pos", "scitldr": "pos"}
_LEAST_WORDS = 20
_LONGEST_QUERY = 200
_SAME_BEGINNING = 80
_LEAST_PAIRS = 250
"""Of a topic with a file of its own."""


def main(folder: Path, output: Path) -> None:
    """Read the three files, and write those of the topics."""
    output.mkdir(parents=True, exist_ok=True)
    with (output / "corpus.jsonl").open("w") as corpus:
        for name in PAIRS:
            pairs = _chosen(folder, name)
            for i, (_, document, _) in enumerate(pairs):
                corpus.write(json.dumps({"_id": f"{name}-{i}", "text": document}) + "\n")
            for topic, found in _by_topic(pairs, otherwise=name).items():
                _write(output / f"{topic}.jsonl", found)
                sys.stdout.write(f"{len(found):,} pairs of {topic}\n")


def _write(path: Path, pairs: list[tuple[str, str, str]]) -> None:
    with path.open("w") as file:
        for query, document, _ in pairs:
            file.write(json.dumps({"query": query, "pos": document}) + "\n")


def _by_topic(
    pairs: list[tuple[str, str, str]], *, otherwise: str
) -> dict[str, list[tuple[str, str, str]]]:
    """Pairs by topic; those of small topics together, under the name of their source."""
    counts = Counter(topic for _, _, topic in pairs)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for pair in pairs:
        topic = pair[2] if counts[pair[2]] >= _LEAST_PAIRS else otherwise
        found.setdefault(topic, []).append(pair)
    return dict(sorted(found.items()))


def _chosen(folder: Path, name: str) -> list[tuple[str, str, str]]:
    found = list(_clean(folder / f"{name}.jsonl.gz", _QUERY[name], _DOCUMENT[name]))
    return random.Random(0).sample(found, min(PAIRS[name], len(found)))


def _topic(row: dict[str, Any]) -> str:
    """The first category of an article, or the product that a page documents."""
    if "cats" in row:
        cats = row["cats"]  # A list, or one that is written as a text.
        return str((ast.literal_eval(cats) if isinstance(cats, str) else cats)[0])
    return str(row.get("src", "scitldr"))


def _clean(path: Path, query_field: str, document_field: str) -> Iterator[tuple[str, str, str]]:
    seen: set[str] = set()
    with gzip.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            query, document = row[query_field], row[document_field]
            beginning = document[:_SAME_BEGINNING]
            says_little = len(document.split()) < _LEAST_WORDS or len(query.split()) < 2
            if says_little or len(query) >= _LONGEST_QUERY or beginning in seen:
                continue
            seen.add(beginning)
            yield query, document, _topic(row)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
