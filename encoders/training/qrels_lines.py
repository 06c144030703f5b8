"""Which documents are judged relevant to each query, a line a query?"""

from pathlib import Path

import orjson
import xxhash

from lexmax.encoders.training.durable import write_file
from lexmax.encoders.training.line_files import identity, lines_of
from lexmax.errors import TrainingError

_ENDINGS = (".tsv", ".txt", ".trec", ".qrels")
_HEADING = "query-id"


def write_qrels_lines(
    folder: Path, split: str, cache: Path
) -> tuple[Path, list[tuple[str, int, str, str]]]:
    """Write a file of {"query": id, "pos": [ids]} from a BEIR folder's qrels.

    Qrels are query, document and grade, or query, 0, document and grade, in columns; documents
    of grade 1 or more are positives.

    Returns:
        The file in `cache`, and (file, line number, reason, line) of each line that is broken.

    Raises:
        TrainingError: if the folder has no such split.
    """
    path = _qrels_file(folder, split)
    positives: dict[str, list[str]] = {}
    broken: list[tuple[str, int, str, str]] = []
    for _, line in lines_of(path, on_read=lambda n: None):
        columns = line.content.decode("utf-8", "backslashreplace").split()
        if line.number == 1 and columns[0] == _HEADING:
            continue
        try:
            query, document, grade = (columns[0], columns[-2], float(columns[-1]))
        except (IndexError, ValueError):
            reason = "expected query, document and grade in columns"
            broken.append((str(path), line.number, reason, " ".join(columns)[:200]))
            continue
        if grade >= 1:
            positives.setdefault(query, []).append(document)
    lines = (
        orjson.dumps({"query": query, "pos": found}, option=orjson.OPT_APPEND_NEWLINE)
        for query, found in positives.items()
    )
    content = b"".join(lines)
    # Named by its content, so that what was found in an earlier run is found again.
    target = cache / f"{identity(path)}-{xxhash.xxh3_64_hexdigest(content)}.jsonl"
    if not target.exists():
        write_file(target, content)
    return target, broken


def _qrels_file(folder: Path, split: str) -> Path:
    for ending in _ENDINGS:
        if (path := folder / "qrels" / (split + ending)).is_file():
            return path
    found = sorted(path.stem for path in (folder / "qrels").glob("*"))
    raise TrainingError(
        f"{folder}: no qrels for split {split!r}; found {', '.join(found) or 'none'}; expected "
        f"qrels/{split}.tsv; name one that is there"
    )
