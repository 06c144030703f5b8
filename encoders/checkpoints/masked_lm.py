"""What is the masked language model in a folder?

Read with the transformers library (`AutoModelForMaskedLM`): BERT, DistilBERT, RoBERTa, XLM-R,
MPNet, ModernBERT.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lexmax.encoders.backbone import Backbone
from lexmax.encoders.checkpoints.files import fingerprint
from lexmax.encoders.checkpoints.transformer import load_model
from lexmax.encoders.heads.mlm import MlmHead, Pool
from lexmax.encoders.heads.weighting import Weighting
from lexmax.encoders.pieces import Pieces
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class MaskedLm:
    """A transformer without its head, and the head.

    Attributes:
        backbone: Gives states.
        head: Gives weights of all terms; shares its decoder with the backbone's embeddings.
    """

    backbone: Backbone
    head: MlmHead


def read_masked_lm(folder: Path, pieces: Pieces, *, pool: str = "max", log1p: int = 1) -> MaskedLm:
    """The model of a folder, for inference in float32.

    Args:
        folder: With config.json and safetensors.
        pieces: Its tokenizer.
        pool: "max" or "sum" over the tokens of a text.
        log1p: How often the logarithm is taken, 1 or 2.

    Raises:
        EncoderError: if a file is missing or damaged, the head is missing or of no known kind, or
            the tokenizer is another model's.
    """
    model = load_model(folder, head="AutoModelForMaskedLM")
    weighting = Weighting("relu", "log1p", log1p_twice=log1p == 2)
    head = MlmHead.from_masked_lm(model, weighting=weighting, pool=cast("Pool", pool))
    if max(pieces.names) >= head.n_terms:
        raise EncoderError(
            f"{folder}: tokenizer.json has {len(pieces.names):,} pieces, the model weighs "
            f"{head.n_terms:,} terms; expected the tokenizer of this model"
        )
    backbone = Backbone(
        model.base_model,
        dim=int(model.config.hidden_size),
        pad_id=_pad_id(model.config),
        fingerprint=fingerprint(folder),
        special_ids=[*pieces.before.tolist(), *pieces.after.tolist()],
    )
    return MaskedLm(backbone, head)


def _pad_id(config: Any) -> int:
    return 0 if config.pad_token_id is None else int(config.pad_token_id)
