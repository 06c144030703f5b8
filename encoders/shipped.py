"""Which encoders come with lexmax, trained here?

Their weights stand in `weights/` beside this module, a folder each; how they were trained, and how
good they are, stands in docs/models/.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexmax.encoders.contract import MultiVectorEncoder, SparseEncoder
from lexmax.encoders.specs import Values, written
from lexmax.errors import EncoderError

if TYPE_CHECKING:
    from lexmax.encoders.token_encoder import TokenEncoder

_WEIGHTS = Path(__file__).parent / "weights"
_COLBERT_DIMS = (128, 64)


def load_lexmax_sparse(options: Mapping[str, Any]) -> SparseEncoder:
    """Learned sparse documents, queries without a transformer: `lexmax-sparse`.

    Args:
        options: max_tokens, top_k and ratio, as of `sparse_loading.load_sparse_folder`.

    Raises:
        EncoderError: if the installation is damaged, or an option is out of its range.
    """
    from lexmax.encoders.sparse_loading import load_sparse_folder

    found = load_sparse_folder(_folder("lexmax-sparse"), **options)
    return replace(found, spec=_spec("lexmax-sparse", options))


def load_lexmax_colbert(options: Mapping[str, Any]) -> MultiVectorEncoder:
    """Token vectors of 128 or 64 coordinates: `lexmax-colbert`.

    Args:
        options: dim, and max_tokens of a document.

    Raises:
        EncoderError: if there is no such size, the installation is damaged, or `max_tokens` is
            out of its range.
    """
    from lexmax.encoders.token_folder import load_token_folder

    dim = options["dim"]
    if dim not in _COLBERT_DIMS:
        raise EncoderError(
            f"lexmax-colbert: dim is {dim}; expected one of {', '.join(map(str, _COLBERT_DIMS))}"
        )
    found = load_token_folder(
        _folder(f"lexmax-colbert-{dim}"), document_length=options["max_tokens"]
    )
    return _named(found, _spec("lexmax-colbert", options))


def _named(encoder: "TokenEncoder", spec: str) -> "TokenEncoder":
    from lexmax.encoders.token_encoder import TokenEncoder, hash_of_weights

    return TokenEncoder(
        encoder.parts, spec=spec, fingerprint=hash_of_weights(encoder.parts.projection)
    )


def _folder(name: str) -> Path:
    folder = _WEIGHTS / name
    if not (folder / "encoder.json").is_file():
        raise EncoderError(
            f"{name}: {folder} is not there; expected the weights that are installed with lexmax; "
            "run `pip install --force-reinstall lexmax`"
        )
    return folder


def _spec(name: str, options: Mapping[str, Any]) -> str:
    values: Values = {key: value for key, value in options.items() if value is not None}
    return written(name, values=values)
