"""Which queries measure how much searches find? Those that a user gives for a collection."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from lexmax.collection import Collection
from lexmax.errors import CorpusError, EncoderError
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.recall import write_queries
from lexmax.lines import Line, read_lines

_MOST = 256


def read_sample_queries(path: Path) -> list[str]:
    """Texts of a file, a line each, or those of `text` in .jsonl; empty lines are left out.

    Raises:
        CorpusError: if the file cannot be read or has none.
    """
    try:
        with path.open("rb") as file:
            texts = [
                _text(path, line) for line in read_lines(file, str(path)) if line.content.strip()
            ]
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}; expected a file of queries") from error
    if not texts:
        raise CorpusError(f"{path}: found no query; expected a text a line")
    return texts


def _text(path: Path, line: Line) -> str:
    if ".jsonl" not in path.suffixes:
        return line.content.decode(errors="replace").strip()
    try:
        return str(orjson.loads(line.content)["text"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{path}, line {line.number}: found {line.content[:60]!r}; expected a JSON object "
            "with text"
        ) from error


def keep_sample_queries(collection: Collection, texts: Sequence[str]) -> None:
    """Measure recall with these queries from now on; at most 256 of them, evenly spread.

    Needs the right to write.

    Raises:
        EncoderError: if the collection has no token vectors.
    """
    if (encoder := collection.encoders.multivector) is None:
        raise EncoderError(
            f"{collection.path}: has no multi-vector index; leave --sample-queries out"
        )
    stride = -(-len(texts) // _MOST)
    folder = Layout(collection.path).sample
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
    write_queries(folder, encoder.encode_queries(texts[::stride]))
