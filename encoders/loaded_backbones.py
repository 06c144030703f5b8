"""Which backbones has this process loaded?

Encoders that stand on the same transformer use one instance, so that its weights are in memory
once. It is forgotten when the last of them is.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from lexmax.encoders.backbone import Backbone
from lexmax.encoders.checkpoints.files import fingerprint, read_json
from lexmax.encoders.checkpoints.transformer import load_model
from lexmax.encoders.device import AUTO, chosen_device, chosen_dtype
from lexmax.errors import EncoderError

_TOKENIZER = "tokenizer.json"

_Known: TypeAlias = tuple[str, str, str]

_loaded: WeakValueDictionary[_Known, Backbone] = WeakValueDictionary()
_lock = Lock()


def loaded_once(
    fingerprint: str,
    load: Callable[[], Backbone],
    *,
    device: str,
    dtype: str | None = None,
) -> Backbone:
    """The backbone of this fingerprint, device and dtype: one that is in use, or else a new one.

    Args:
        fingerprint: Hash of weights and tokenizer.
        load: Makes the backbone, on that device, for that dtype.
        device: As `chosen_device` takes it.
        dtype: As `chosen_dtype` takes it.

    Raises:
        EncoderError: if the device or dtype is not to be had here, or loading fails.
    """
    where = chosen_device(device)
    known_as = (fingerprint, str(where), chosen_dtype(dtype, where))
    with _lock:
        found = _loaded.get(known_as)
        if found is None:
            found = _loaded[known_as] = load()
        found.n_users += 1
        return found


def take_out(backbone: Backbone) -> None:
    """Make sure that nobody else uses a backbone whose weights are about to change.

    Who asks for the same one from now on gets another instance.

    Raises:
        EncoderError: if it has been given to more than one.
    """
    with _lock:
        if backbone.n_users > 1:
            raise EncoderError(
                f"a transformer that {backbone.n_users} encoders of this process use is to be "
                "trained; expected one of its own; train with `backbone.with_own_weights()`"
            )
        for known_as in [known for known, found in _loaded.items() if found is backbone]:
            del _loaded[known_as]


def of_folder(folder: Path, *, device: str = AUTO, dtype: str | None = None) -> Backbone:
    """The transformer in a folder of the transformers library, loaded once in a process.

    Args:
        folder: Holds config.json, safetensors and tokenizer.json.
        device: As `chosen_device` takes it.
        dtype: As `chosen_dtype` takes it.

    Raises:
        EncoderError: if a file is missing or damaged, weights are pickles or not those that the
            config asks for, or the device or dtype is not to be had here.
    """
    hashed = fingerprint(folder)

    def load() -> Backbone:
        model = load_model(folder)
        return Backbone(
            model,
            dim=int(model.config.hidden_size),
            pad_id=int(model.config.pad_token_id or 0),
            fingerprint=hashed,
            special_ids=special_ids(folder / _TOKENIZER),
            device=str(chosen_device(device)),
            dtype=dtype,
        )

    return loaded_once(hashed, load, device=device, dtype=dtype)


def special_ids(tokenizer: Path) -> list[int]:
    """Ids of the tokens that a `tokenizer.json` calls special: [CLS], [PAD], [UNK] and the like.

    Raises:
        EncoderError: if the file is missing or damaged.
    """
    added: list[dict[str, Any]] = read_json(tokenizer).get("added_tokens") or []
    return [int(token["id"]) for token in added if token.get("special")]
