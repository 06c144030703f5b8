"""How does an explanation become JSON?"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import cast

from lexmax.types import Json


def as_json(value: object) -> Json:
    """A value of this package, and all that is inside it; numbers that JSON lacks become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: as_json(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {str(name): as_json(entry) for name, entry in entries.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in cast("Sequence[object]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return cast("Json", value)
