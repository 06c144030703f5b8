"""Which weight has each term, by a table on disk?

`load_idf(path, **options)` gives the encoder that `idf:PATH` names. PATH is a folder with a
`tokenizer.json` and one of `idf.json` ({piece: weight}), `model.safetensors` (one tensor, as the
SparseStaticEmbedding of sentence-transformers keeps it) and `idf.npy` (float32), or one of such
files with the tokenizer beside it. Neither torch nor transformers is imported.
"""

from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

import numpy as np
import safetensors
import xxhash
from numpy.typing import NDArray

from lexmax.encoders.checkpoints.files import check_tensors, hash_of, read_json
from lexmax.encoders.checkpoints.sparse_modules import tokenizer_limit
from lexmax.encoders.inference_free import Duplicates, InferenceFree, TermTable
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.specs import written
from lexmax.errors import EncoderError

_NAMES = ("idf.json", "model.safetensors", "idf.safetensors", "idf.npy")
_MAX_TOKENS = 512
_LARGEST = float(np.finfo(np.float32).max)


class TableOptions(TypedDict, total=False):
    """Options of `load_idf`; None is as good as none.

    Attributes:
        duplicates: "set" (default) or "sum": whether a repeated piece counts once or each time.
        max_tokens: Pieces of a text that are read, by default as many as the
            tokenizer says, or 512.
    """

    duplicates: str | None
    max_tokens: int | None


def load_idf(path: Path, **options: Unpack[TableOptions]) -> InferenceFree:
    """The sparse encoder of a table.

    Raises:
        EncoderError: if a file is missing or damaged, the table is not one of the tokenizer
            beside it, or an option is out of its range.
    """
    table = read_table(path, **options)
    values = {"duplicates": table.duplicates, "max_tokens": table.max_tokens}
    return InferenceFree(
        written("idf", path, values),
        f"idf?duplicates={table.duplicates}&max_tokens={table.max_tokens}"
        f"&table={xxhash.xxh3_128_hexdigest(table.weights.tobytes())}"
        f"&tokenizer={hash_of([_tokenizer_of(path)])}"
        f"&vocabulary={table.pieces.vocabulary_hash}&version=1",
        table,
    )


def read_table(path: Path, *, prompt: str = "", **options: Unpack[TableOptions]) -> TermTable:
    """The table of a folder or a file.

    Raises:
        EncoderError: as `load_idf`.
    """
    file = path if path.is_file() else _file_in(path)
    pieces = Pieces(_tokenizer_of(path))
    weights = _weights(file, pieces)
    given = options.get("max_tokens")
    limit = tokenizer_limit(file.parent) if given is None else given
    try:
        return TermTable(
            pieces,
            weights,
            duplicates=cast("Duplicates", options.get("duplicates") or "set"),
            max_tokens=_MAX_TOKENS if limit is None else limit,
            prompt=prompt,
        )
    except EncoderError as error:
        raise EncoderError(f"{file}: {error}") from error


def _tokenizer_of(path: Path) -> Path:
    return (path.parent if path.is_file() else path) / "tokenizer.json"


def _file_in(folder: Path) -> Path:
    for name in _NAMES:
        if (folder / name).is_file():
            return folder / name
    raise EncoderError(
        f"{folder} holds no table of weights; expected one of {', '.join(_NAMES)}; "
        "copy or download it again"
    )


def _weights(file: Path, pieces: Pieces) -> NDArray[np.float32]:
    if file.suffix == ".json":
        return _of_json(file, pieces)
    return _of_npy(file) if file.suffix == ".npy" else _of_safetensors(file)


def _of_json(file: Path, pieces: Pieces) -> NDArray[np.float32]:
    ids = {name: piece_id for piece_id, name in pieces.names.items()}
    table = read_json(file)
    if unknown := [name for name in table if name not in ids]:
        raise EncoderError(
            f"{file}: {len(unknown):,} of its {len(table):,} terms, such as {unknown[0]!r}, are no "
            "pieces of the tokenizer.json beside it; expected pieces only; take the tokenizer that "
            "the table was made with"
        )
    if strange := [name for name, weight in table.items() if type(weight) not in (int, float)]:
        raise EncoderError(f"{file}: the weight of {strange[0]!r} is no number; expected numbers")
    weights = np.zeros(max(ids.values()) + 1, dtype=np.float32)
    for name, weight in table.items():
        weights[ids[name]] = weight if abs(weight) <= _LARGEST else np.inf
    return weights


def _of_npy(file: Path) -> NDArray[np.float32]:
    try:
        found: NDArray[Any] = np.load(file, allow_pickle=False)
        return found.astype(np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise EncoderError(
            f"{file} cannot be read ({error}); expected an array of float32; copy it again"
        ) from error


def _of_safetensors(file: Path) -> NDArray[np.float32]:
    check_tensors(file)
    opened: Any = safetensors.safe_open(file, framework="np")
    with opened as tensors:
        names: list[str] = list(tensors.keys())
        if len(names) == 1:
            found: NDArray[Any] = tensors.get_tensor(names[0])
            return found.astype(np.float32)
    raise EncoderError(
        f"{file} holds {len(names)} tensors; expected one, the weights of the vocabulary"
    )
