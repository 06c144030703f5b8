"""Which vectors do the documents of a test collection have, as the encoders gave them?

Nothing is rounded: a collection keeps bytes or halves, and what codecs lose must be told from
float32. Encoding takes much longer than any codec, so what was encoded is kept in a folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from lexmax.encoders.contract import DenseEncoder, MultiVectorEncoder
from lexmax.encoders.shared_pass import DocumentPart
from lexmax.errors import CorruptionError, EvaluationError
from lexmax.eval.compression.state_files import OFFSETS, POOLED, TOKENS, StateFiles
from lexmax.eval.files import replace_file
from lexmax.index.failures import storage_errors
from lexmax.index.npy import map_npy
from lexmax.types import Document, TokenBatch, ranges

_ABOUT = "about.json"
_PART_DOCS = 256

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class StudyEncoders:
    """The encoders whose vectors are studied; None for a kind that is left out.

    Attributes:
        multivector: gives a vector a token.
        pooled: gives one vector a text.

    Raises:
        EvaluationError: if both are left out.
    """

    multivector: MultiVectorEncoder | None
    pooled: DenseEncoder | None

    def __post_init__(self) -> None:
        if self.multivector is None and self.pooled is None:
            raise EvaluationError(
                "both encoders are none; expected one whose vectors are to be studied; name one"
            )

    @property
    def fingerprints(self) -> dict[str, str | None]:
        """All that vectors depend on."""
        multivector, pooled = self.multivector, self.pooled
        return {
            "multivector": multivector.fingerprint if multivector else None,
            "pooled": pooled.fingerprint if pooled else None,
        }

    @property
    def specs(self) -> dict[str, str | None]:
        """What a user names them by."""
        multivector, pooled = self.multivector, self.pooled
        return {
            "multivector": multivector.spec if multivector else None,
            "pooled": pooled.spec if pooled else None,
        }


@dataclass(frozen=True, slots=True)
class States:
    """The vectors of n texts; None where there is no encoder of the kind.

    Attributes:
        pooled: float32 (n, dim); a row of zeros for a text without a vector.
        tokens: a row a text, which may be empty.
    """

    pooled: NDArray[np.float32] | None
    tokens: TokenBatch | None


def encoded_queries(texts: Sequence[str], encoders: StudyEncoders) -> States:
    """The vectors of queries."""
    multivector, pooled = encoders.multivector, encoders.pooled
    return States(
        pooled.encode_queries(texts) if pooled else None,
        multivector.encode_queries(texts) if multivector else None,
    )


def encoded_documents(
    documents: Sequence[Document],
    encoders: StudyEncoders,
    *,
    cache: Path,
    progress: Progress = lambda stage, done, total: None,
) -> States:
    """The vectors of documents, mapped from a folder in `cache`; encoded if they are not there.

    The folder's name follows from the texts and the encoders, so that others are never taken for
    these. A job that was stopped goes on when it is run again.

    Raises:
        StorageError: if the folder cannot be written, or is damaged.
    """
    folder = cache / f"states-{_identity(documents, encoders)}"
    if not (folder / _ABOUT).is_file():
        _encode(documents, encoders, folder, progress)
    return _opened(folder, encoders, len(documents))


def _identity(documents: Sequence[Document], encoders: StudyEncoders) -> str:
    digest = xxhash.xxh3_64(orjson.dumps(encoders.fingerprints, option=orjson.OPT_SORT_KEYS))
    for document in documents:
        digest.update(document.full_text.encode())
        # Else two documents and their joined text would be the same.
        digest.update(b"\0")
    return digest.hexdigest()


def _encode(
    documents: Sequence[Document], encoders: StudyEncoders, folder: Path, progress: Progress
) -> None:
    draft = folder.with_name(folder.name + ".draft")
    multivector, pooled = encoders.multivector, encoders.pooled
    files = StateFiles(
        draft,
        token_dim=multivector.dim if multivector else None,
        pooled_dim=pooled.dim if pooled else None,
    )
    already = files.n_docs
    for start, stop in ranges(len(documents) - already, _PART_DOCS):
        part = documents[already + start : already + stop]
        texts = [document.full_text for document in part]
        encoded = DocumentPart(texts, sparse=None, multivector=multivector, pooled=pooled).encode()
        files.append(encoded, len(part))
        progress("encode", files.n_docs, len(documents))
    files.close()
    about = {**encoders.fingerprints, "documents": len(documents)}
    replace_file(draft / _ABOUT, [orjson.dumps(about, option=orjson.OPT_INDENT_2)])
    with storage_errors(folder):
        draft.rename(folder)


def _opened(folder: Path, encoders: StudyEncoders, n_docs: int) -> States:
    pooled = tokens = None
    if encoders.pooled is not None:
        pooled = map_npy(folder / POOLED, (np.float32,), 2)
    if encoders.multivector is not None:
        offsets = map_npy(folder / OFFSETS, (np.int64,), 1)
        tokens = TokenBatch(np.array(offsets), map_npy(folder / TOKENS, (np.float32,), 2))
    for rows in (pooled, tokens):
        if rows is not None and len(rows) != n_docs:
            raise CorruptionError(
                f"{folder}: found vectors of {len(rows)} documents; expected {n_docs}; remove the "
                "folder, and they are encoded again"
            )
    return States(pooled, tokens)
