"""Whose weights does training change?"""

import copy
from dataclasses import replace

from lexmax.encoders.trunk import Trunk


def own_trunk(trunk: Trunk) -> Trunk:
    """The same transformer with weights of its own.

    One that is installed, or was loaded by another encoder of the process, may be in use there, be
    it as the teacher of what is trained: its weights must stay. The copy is no installed one any
    more, and so is written wherever it is saved.
    """
    backbone = copy.copy(trunk.backbone)
    backbone.model = copy.deepcopy(trunk.backbone.model)
    return replace(trunk, backbone=backbone, shipped=None)
