"""Which parameters of a learned sparse model are trained, and which are state?"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from lexmax.encoders.sparse_parts import SparseParts
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError


class SparseModule(torch.nn.Module):
    """Transformers and sides of a model.

    Its state holds every trained tensor once: not a decoder that is the input embeddings again,
    and nothing that is frozen, because that comes from where the model was built.
    """

    def __init__(self, parts: SparseParts, *, layers: int | None) -> None:
        """Freezes what is not to be trained.

        Args:
            parts: The model.
            layers: How many of the transformers' last layers are trained; None for all of them
                and the embeddings, 0 for none.

        Raises:
            EncoderError: if a transformer has fewer layers.
        """
        super().__init__()
        self.layers = layers
        for trunk in {id(one): one for one in (parts.documents, parts.queries)}.values():
            freeze(trunk, layers=layers)
        self.document_backbone: torch.nn.Module = parts.documents.backbone.model
        self.query_backbone: torch.nn.Module = parts.queries.backbone.model
        self.document = parts.document
        self.query = parts.query
        self._trunks = _Trunks((parts.documents, parts.queries))
        hooks: Any = self  # These two have no types.
        hooks.register_state_dict_post_hook(_without_frozen_and_doubles)
        hooks.register_load_state_dict_pre_hook(_with_frozen_and_doubles)

    def train(self, mode: bool = True) -> "SparseModule":
        """As in torch; a frozen transformer stays as it is in use, without dropout."""
        super().train(mode)
        if self.layers == 0:
            self.document_backbone.eval()
            self.query_backbone.eval()
        return self

    def follow_device(self) -> torch.device:
        """The device of the weights, of which the backbones are told as well."""
        device = next(self.document.parameters()).device
        for trunk in self._trunks.both:
            trunk.backbone.device = device
        return device


class _Trunks:
    """Holds what torch is not to take for a module's own."""

    def __init__(self, both: Sequence[Trunk]) -> None:
        self.both = both


def freeze(trunk: Trunk, *, layers: int | None) -> None:
    """Leave gradients to the last layers alone: see `SparseModule`.

    Raises:
        EncoderError: if the transformer has fewer layers.
    """
    model = trunk.backbone.model
    model.requires_grad_(layers is None)
    for name, parameter in model.named_parameters():
        if "pooler" in name:  # No state goes through it.
            parameter.requires_grad_(False)
    if layers:
        found = _layers_of(model)
        if layers > len(found):
            raise EncoderError(
                f"{layers} layers are to be trained and the transformer has {len(found)}; "
                "expected at most so many; leave the number out to train everything"
            )
        for layer in found[-layers:]:
            layer.requires_grad_(True)


def _layers_of(model: Any) -> Sequence[torch.nn.Module]:
    for path in ("encoder.layer", "transformer.layer", "layers"):
        found: Any = model
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is not None:
            return list(found)
    raise EncoderError(
        f"the layers of {type(model).__name__} are not known here; train all of it or nothing of it"
    )


def _not_state(module: torch.nn.Module) -> Iterator[tuple[str, str, torch.nn.Parameter]]:
    """Name, name that comes first, and value of what is frozen or has come before."""
    first: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        known = first.setdefault(id(parameter), name)
        if known != name or not parameter.requires_grad:
            yield name, known, parameter


def _without_frozen_and_doubles(
    module: torch.nn.Module, state: dict[str, Any], prefix: str, metadata: Any
) -> None:
    for name, _, _ in _not_state(module):
        state.pop(prefix + name, None)


def _with_frozen_and_doubles(
    module: torch.nn.Module, state: dict[str, Any], prefix: str, *others: Any
) -> None:
    for name, known, parameter in _not_state(module):
        state[prefix + name] = state.get(prefix + known, parameter.detach())
