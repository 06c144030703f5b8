"""Which folder does a name or a path mean?"""

import importlib
import re
from pathlib import Path
from typing import Any

from lexmax.encoders.specs import absolute
from lexmax.errors import EncoderError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")

# No pickles: a checkpoint that has nothing else is refused anyway.
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "artifact.metadata"]


def locate(name_or_path: str) -> Path:
    """The folder at this path, or else the copy of the hub's model of this name.

    A copy that is there already is taken where the hub is out of reach.

    Raises:
        EncoderError: if there is no such folder, and the hub has no such model or is out of reach.
    """
    folder = Path(absolute(name_or_path))
    if folder.is_dir():
        return folder
    if folder.exists():
        raise EncoderError(f"{folder} is a file; expected the folder of a model; give the folder")
    if not _NAME.fullmatch(name_or_path):
        raise EncoderError(f"{folder} does not exist; expected the folder of a model")
    return _from_hub(name_or_path)


def _from_hub(name: str) -> Path:
    hub: Any = importlib.import_module("huggingface_hub")
    try:
        return Path(hub.snapshot_download(name, allow_patterns=_WANTED))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise EncoderError(
            f"{name!r} is no folder here, and no model of that name came from the hub ({reason}); "
            f"where the hub is reachable, run `hf download {name} --local-dir FOLDER`, "
            "bring FOLDER here and give its path instead of the name"
        ) from error
