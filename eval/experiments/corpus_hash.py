"""Which documents are those of a test collection, told without reading them a second time?

`corpora/FILES.json` holds what reading a corpus gave, under a hash of its files as the file system
has them: path, size, times, inode and device. It is only kept of files that no write can have
changed unseen since.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import xxhash

from lexmax.corpus import Reject, read_documents
from lexmax.corpus_sources import found_sources
from lexmax.errors import EvaluationError
from lexmax.index.durable import to_json, write_atomically

# File systems note times in steps of up to two seconds: a later write within one leaves them equal.
_SETTLED_NS = 4_000_000_000

_Files: TypeAlias = list[tuple[str, int, int, int, int, int]]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents of a test collection.

    Attributes:
        sources: as `read_documents` takes them.
        digest: 16 hexadecimal digits of ids, titles and texts in their order.
        n_docs: documents, those that cannot be stored left out.
        n_rejected: entries that cannot be stored.
    """

    sources: tuple[str, ...]
    digest: str
    n_docs: int
    n_rejected: int

    @staticmethod
    def of(sources: Sequence[str], *, cache: Path | None = None) -> "Corpus":
        """Reads all documents once; with a `cache`, not even that where their files are known.

        What ir_datasets gives is read each time, for it need not be files.

        Raises:
            CorpusError, EvaluationError: if a source cannot be read, or holds no document.
        """
        before = None if cache is None else _files(sources)
        if cache is None or before is None:
            return _read(sources)
        path = cache / f"{_key(before)}.json"
        if (known := _known(path, sources)) is not None:
            return known
        corpus = _read(sources)
        if _files(sources) == before and _are_settled(before):
            _keep(path, corpus)
        return corpus


def _read(sources: Sequence[str]) -> Corpus:
    digest, n_docs = xxhash.xxh3_128(), 0
    rejects: list[Reject] = []
    for document in read_documents(sources, on_reject=rejects.append):
        digest.update(orjson.dumps([document.doc_id, document.title, document.text]))
        n_docs += 1
    if not n_docs:
        raise EvaluationError(
            f"{', '.join(sources) or 'the collection'}: holds no document; expected a corpus "
            "to index; check the path"
        )
    return Corpus(tuple(sources), digest.hexdigest()[:16], n_docs, len(rejects))


def _files(sources: Sequence[str]) -> _Files | None:
    """The files as the file system has them; None if something is none."""
    found: _Files = []
    for source in found_sources(sources):
        if source.path is None or not source.path.is_file():
            return None
        said = source.path.stat()
        times = said.st_mtime_ns, said.st_ctime_ns
        found.append((str(source.path.resolve()), said.st_size, *times, said.st_ino, said.st_dev))
    return found


def _key(files: _Files) -> str:
    # Another version of lexmax may read the same bytes in another way.
    return xxhash.xxh3_128(to_json([files, _version()])).hexdigest()


def _are_settled(files: _Files) -> bool:
    newest = max(max(mtime, ctime) for _, _, mtime, ctime, _, _ in files)
    return newest < time.time_ns() - _SETTLED_NS


def _known(path: Path, sources: Sequence[str]) -> Corpus | None:
    try:
        said: Any = orjson.loads(path.read_bytes())
        digest, n_docs, n_rejected = said["digest"], said["n_docs"], said["n_rejected"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if not (
        isinstance(digest, str) and len(digest) == 16 and type(n_docs) is type(n_rejected) is int
    ):
        return None
    return Corpus(tuple(sources), digest, n_docs, n_rejected)


def _keep(path: Path, corpus: Corpus) -> None:
    with suppress(OSError):  # it is read again then
        path.parent.mkdir(parents=True, exist_ok=True)
        said = {"digest": corpus.digest, "n_docs": corpus.n_docs, "n_rejected": corpus.n_rejected}
        write_atomically(path, to_json(said))


def _version() -> str:
    try:
        return version("lexmax")
    except PackageNotFoundError:
        return ""
