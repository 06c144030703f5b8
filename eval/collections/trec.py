"""What does a folder with topics and qrels of TREC hold?

`topics.SPLIT.txt` and `qrels.SPLIT.txt` (or .tsv, .xml, .trec; packed or not). Topics are lines
`number text` with a tab between, or marked up: `<top>` with `<num>` and `<title>`, or XML with
`<topic number="1">` and `<query>`.
"""

import html
import re
from pathlib import Path

from lexmax.errors import EvaluationError
from lexmax.eval.collections.dataset import Dataset, Source, judged_queries
from lexmax.eval.collections.queries import read_query_table
from lexmax.eval.collections.splits import chosen_split, plain_name
from lexmax.eval.files import decoded, numbered_lines
from lexmax.eval.qrels import read_qrels

_ENDING = r"(?:\.(?:txt|tsv|xml|trec|qrels))?"
_TOPIC = re.compile(r"<(top|topic)\b([^>]*)>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)
_NUMBER_ATTRIBUTE = re.compile(r"\b(?:number|id)\s*=\s*[\"']([^\"']+)[\"']")
_LABEL = re.compile(r"^(?:number|topic|description|narrative)\s*:\s*", re.IGNORECASE)
# What the parts of a topic are called: in the ad-hoc tracks, and since.
_NAMES = {
    "title": ("title", "query"),
    "description": ("desc", "description", "question"),
    "narrative": ("narr", "narrative"),
}


def is_trec(path: Path) -> bool:
    """Whether a folder holds topics under such a name."""
    return bool(_matching(path, "topics"))


def load_trec(path: Path, split: str) -> Dataset:
    """The judged topics of one split, asked by their titles.

    Raises:
        EvaluationError: if the split is missing, a topic is bad, or no judged one has a text.
    """
    topics, qrels = chosen_split(path, trec_splits(path), split)
    source = Source(path.resolve().name, path, split, qrels.name, ())
    return judged_queries(source, read_topics(topics), read_qrels(qrels))


def trec_splits(path: Path) -> dict[str, tuple[Path, Path]]:
    """(topics, qrels) by split, where a folder has both."""
    topics, qrels = _matching(path, "topics"), _matching(path, "qrels")
    return {split: (topics[split], qrels[split]) for split in topics if split in qrels}


def _matching(path: Path, kind: str) -> dict[str, Path]:
    pattern = re.compile(rf"{kind}\.(?P<split>.+?){_ENDING}")
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        match = pattern.fullmatch(plain_name(file))
        if match and file.is_file():
            found.setdefault(match["split"], file)
    return found


def read_topics(path: Path | str, *, field: str = "title") -> dict[str, str]:
    """Text by topic number, in the order of the file.

    Args:
        path: Lines `number text` with a tab between, or marked-up topics.
        field: Which part of a marked-up topic: title, description or narrative.

    Raises:
        EvaluationError: if the file cannot be read, holds no topic or one twice, or a topic has
            no number or no such part.
    """
    path = Path(path)
    if field not in _NAMES:
        raise EvaluationError(
            f"a topic has no part {field!r}; expected one of {', '.join(_NAMES)}; name one"
        )
    text = "\n".join(decoded(path, number, line) for number, line in numbered_lines(path))
    if not _TOPIC.search(text):
        return read_query_table(path)
    topics: dict[str, str] = {}
    for position, match in enumerate(_TOPIC.finditer(text), start=1):
        number = _number(match[2], match[3])
        part = _part(match[3], _NAMES[field])
        if not number or not part or number in topics:
            lacking = "number" if not number else field if not part else "number of its own"
            raise EvaluationError(
                f"{path}: topic {position} ({number or 'without a number'}) has no {lacking}; "
                "expected each topic once, with a number and a text; mend the file, or ask for "
                "another part"
            )
        topics[number] = part
    return topics


def _number(attributes: str, content: str) -> str:
    given = _NUMBER_ATTRIBUTE.search(attributes)
    return given[1].strip() if given else _part(content, ("num", "number"))


def _part(content: str, names: tuple[str, ...]) -> str:
    """What follows `<name>`, up to the next mark; TREC does not close its parts."""
    marks = "|".join(names)
    found = re.search(rf"<(?:{marks})\b[^>]*>([^<]*)", content, re.IGNORECASE)
    text = html.unescape(found[1]) if found else ""
    return " ".join(_LABEL.sub("", text.strip()).split())
