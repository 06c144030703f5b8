"""Which tensors of a module change in training, and so belong to its checkpoints?"""

from collections.abc import Iterator
from typing import Any

from torch import nn


def keep_trained_only(module: nn.Module) -> None:
    """Make `module.state_dict()` hold what is trained, each tensor once, and buffers.

    What is frozen comes from where the module was built. Loading such a state into a module of
    the same making leaves frozen tensors alone. Call it once, after the last parameter was frozen.
    """
    module.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
    module.register_load_state_dict_pre_hook(_fill_in)  # type: ignore[no-untyped-call]


def _untrained(module: nn.Module) -> Iterator[tuple[str, str, nn.Parameter]]:
    """Name, the name that comes first, and value of what is frozen or has come before."""
    first: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        known = first.setdefault(id(parameter), name)
        if known != name or not parameter.requires_grad:
            yield name, known, parameter


def _leave_out(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for name, _, _ in _untrained(module):
        state.pop(prefix + name, None)


def _fill_in(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    for name, known, parameter in _untrained(module):
        state[prefix + name] = state.get(prefix + known, parameter.detach())
