"""May a collection that comes from outside be served with the encoders that it names?

A snapshot says which encoders its collection has, and an encoder's spec may name a folder or a
model on a hub. What no request may name to `PUT /v1/collections/{name}`, no snapshot may either,
unless the operator has given the service that model.
"""

import re
from collections.abc import Iterable

from lexmax.encoders.recipes import DENSE, MULTIVECTOR, SPARSE
from lexmax.encoders.specs import Spec
from lexmax.errors import EncoderError
from lexmax.service.schemas import SPEC_RULE
from lexmax.service.settings import Settings

_RULE = re.compile(SPEC_RULE)


def check_specs(specs: Iterable[str], settings: Settings) -> None:
    """Refuse encoders that a request could not have named.

    Raises:
        EncoderError: if there is one.
    """
    for spec in specs:
        if spec in settings.models or spec in settings.warm or _is_own(spec):
            continue
        raise EncoderError(
            "the snapshot's collection has an encoder that reads files which are not lexmax's; "
            "expected one of lexmax, or one that the service was started with; add it to "
            "LEXMAX_MODELS, or restore the snapshot with `lexmax restore`"
        )


def _is_own(spec: str) -> bool:
    if not _RULE.fullmatch(spec):
        return False
    name = Spec.parse(spec).name
    recipes = [recipes[name] for recipes in (SPARSE, MULTIVECTOR, DENSE) if name in recipes]
    return all(not recipe.has_path for recipe in recipes)
