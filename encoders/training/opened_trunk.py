"""Which transformer does a training configuration name?"""

import copy
from dataclasses import replace

from lexmax.encoders.checkpoints.hub import locate
from lexmax.encoders.device import chosen_dtype
from lexmax.encoders.training.tasks import Place
from lexmax.encoders.trunk import MINILM, Trunk, open_trunk


def opened_trunk(source: str, place: Place, *, dtype: str | None, own: bool = False) -> Trunk:
    """The transformer of a folder, of a name on the hub, or "minilm".

    Args:
        source: A folder is relative to that of the data.
        place: Where the task finds files.
        dtype: Numbers in which it is to compute, where it is frozen; None for what the device is
            good at.
        own: Whether its weights will be trained, and so must be those of no other encoder.

    Raises:
        EncoderError: if there is no such model, or the device is not made for these numbers.
    """
    here = place.folder / source
    if source == MINILM:
        trunk = open_trunk(MINILM, own=own)
    else:
        trunk = open_trunk(str(here if here.is_dir() else locate(source)), own=own)
    if dtype is None:
        return trunk
    # Another backbone over the same weights: encoders that are in use keep their numbers.
    backbone = copy.copy(trunk.backbone)
    backbone.dtype = chosen_dtype(dtype, backbone.device)
    return replace(trunk, backbone=backbone)
