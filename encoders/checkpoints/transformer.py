"""What is the transformer in a folder, and its tokenizer?

Loaded with the transformers library from the folder alone: nothing is asked of the network, no
code of the folder runs, and nothing is printed.
"""

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from lexmax.encoders.checkpoints.files import check_weights, read_json
from lexmax.encoders.checkpoints.plausibility import require_plausible, require_size
from lexmax.errors import EncoderError

# What the library adds of itself to a model without a head, and last hidden states do not need.
_UNUSED = "pooler."

_quiet = Lock()


# Writes queries for documents (docT5query), and so is meant to have both.
_WITH_BOTH_SIDES = "AutoModelForSeq2SeqLM"


def load_model(folder: Path, *, head: str = "AutoModel") -> Any:
    """The model, float32, for inference.

    Args:
        folder: Holds config.json and safetensors.
        head: The library's class that is asked for it: "AutoModel" gives last hidden states,
            "AutoModelForSequenceClassification" and "AutoModelForCausalLM" give logits.

    Raises:
        EncoderError: if a file is missing or damaged, weights are pickles, NaN or not those that
            the config asks for, or the library does not know the model.
    """
    require_no_adapter(folder)
    said = read_json(folder / "config.json")
    weights = check_weights(folder)
    require_plausible(folder, said, weights)
    transformers: Any = importlib.import_module("transformers")
    kind = getattr(transformers, head)
    with _as_one_error(folder), _silence():
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        if head != _WITH_BOTH_SIDES:
            _require_one_side(folder, config)
        require_size(folder, kind.from_config, config, weights)
        model, found = kind.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # They are refused below, by name.
            local_files_only=True,
            output_loading_info=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    _require_all(folder, found, unused=_UNUSED if head == "AutoModel" else None)
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = False
    return model.eval()


def load_tokenizer(folder: Path) -> Any:
    """The library's tokenizer, with its Rust tokenizer as `backend_tokenizer`.

    Raises:
        EncoderError: if a file is missing or damaged, or only slow Python code could read it.
    """
    read_json(folder / "config.json")
    if (folder / "tokenizer.json").is_file():
        read_json(folder / "tokenizer.json")
    transformers: Any = importlib.import_module("transformers")
    with _as_one_error(folder), _silence():
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise EncoderError(
            f"{folder} has a tokenizer of class {type(tokenizer).__name__}, which is Python code "
            "only; expected tokenizer.json; save it again with a recent version of transformers"
        )
    return tokenizer


def require_no_adapter(folder: Path) -> None:
    """The folder holds a whole model.

    Raises:
        EncoderError: if what it holds changes another model's weights.
    """
    if (folder / "adapter_config.json").is_file():
        raise EncoderError(
            f"{folder} holds an adapter (adapter_config.json); expected a whole model; merge the "
            "two with peft's merge_and_unload, and save_pretrained"
        )


def _require_one_side(folder: Path, config: Any) -> None:
    if getattr(config, "is_encoder_decoder", False):
        raise EncoderError(
            f"{folder} holds an encoder with a decoder ({config.model_type}); expected one of "
            "them alone; save the encoder by itself"
        )


def _require_all(folder: Path, found: Any, *, unused: str | None) -> None:
    missing = [
        name for name in _names(found, "missing_keys") if unused is None or unused not in name
    ]
    strange = _names(found, "mismatched_keys")
    if missing or strange:
        raise EncoderError(
            f"{folder}: the weights lack {', '.join((missing or strange)[:3])} in the shape that "
            f"config.json asks for ({len(missing) + len(strange)} such tensors); "
            "expected weights and config.json of one model; copy or download the model again"
        )


def _names(found: Any, kind: str) -> list[str]:
    return sorted(name if isinstance(name, str) else str(name[0]) for name in found.get(kind, ()))


@contextmanager
def _as_one_error(folder: Path) -> Generator[None, None, None]:
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".")
        raise EncoderError(
            f"{folder} cannot be loaded ({reason}); expected a model that transformers reads "
            "without code of its own; copy or download it again"
        ) from error


@contextmanager
def _silence() -> Generator[None, None, None]:
    """No progress bars and reports of the library; its settings and the random state stay."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    random: Any = importlib.import_module("torch.random")
    with _quiet, random.fork_rng(devices=[]):  # Missing weights are drawn before they are refused.
        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
