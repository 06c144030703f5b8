"""Where does a calibration lie, and is it whole? `relevance/NAME/` in the collection's folder.

`adapter-CHECKSUM.safetensors` holds the arrays; `calibration.json`, written last, names it and all
else, so that a power cut leaves the calibration before or the new one.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lexmax.errors import CalibrationError, CorruptionError, IndexFormatError, ShapeError
from lexmax.index.durable import drop_drafts, sync_folder, to_json, write_atomically
from lexmax.index.failures import storage_errors
from lexmax.relevance.adapter import Adapter, Network, Scaling
from lexmax.relevance.calibrations import Calibration, check_name
from lexmax.relevance.thresholds import Target
from lexmax.relevance.versions import IndexVersion

FOLDER = "relevance"
FILE_NAME = "calibration.json"
MAGIC = "lexmax calibration"
FORMAT_VERSION = 1

Read = TypeVar("Read")
_AGAIN = "run `lexmax calibrate` again"


def calibration_names(collection: Path) -> list[str]:
    """Names of the calibrations in a collection's folder, sorted."""
    return sorted(path.parent.name for path in (collection / FOLDER).glob(f"*/{FILE_NAME}"))


def save_calibration(collection: Path, calibration: Calibration) -> Path:
    """Write it in the place of one of the same name; its folder is returned.

    Raises:
        DiskFullError: if there is no room; what was there before stays.
    """
    folder = collection / FOLDER / calibration.name
    content = save(_arrays(calibration.adapter))
    tensors = f"adapter-{xxhash.xxh3_128(content).hexdigest()}.safetensors"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for made in (folder, folder.parent, collection):
            sync_folder(made)
        write_atomically(folder / tensors, content)
        body = _body(calibration, tensors)
        write_atomically(folder / FILE_NAME, to_json(body | {"xxh3": _checksum(body)}))
        for path in folder.glob("adapter-*.safetensors"):
            if path.name != tensors:
                path.unlink()
        drop_drafts(folder)
    return folder


def modified_ns(collection: Path, name: str) -> int:
    """When the calibration of that name was last written, in nanoseconds; 0 if there is none."""
    path = collection / FOLDER / check_name(name) / FILE_NAME
    return path.stat().st_mtime_ns if path.is_file() else 0


def load_calibration(collection: Path, name: str) -> Calibration:
    """The calibration of that name.

    Raises:
        CalibrationError: if there is none.
        CorruptionError: if its files are not what was written.
        IndexFormatError: if another format version wrote it.
    """
    path = collection / FOLDER / check_name(name) / FILE_NAME
    if not path.is_file():
        known = ", ".join(calibration_names(collection)) or "none"
        raise CalibrationError(
            f"no calibration {name!r}; found {known}; make it with `lexmax calibrate COLLECTION "
            f"DATASET --name {name}`, or over HTTP by the collection's route calibrate"
        )
    with storage_errors(path):
        body = _checked_body(path, path.read_bytes())
        arrays = _read_arrays(path.parent / str(body["adapter"]["arrays"]))
    return _read(path, lambda: _calibration(body, arrays))


def _body(calibration: Calibration, tensors: str) -> dict[str, Any]:
    adapter = calibration.adapter
    return {
        "magic": MAGIC,
        "format_version": FORMAT_VERSION,
        "name": calibration.name,
        "adapter": {
            "form": adapter.form,
            "inputs": adapter.inputs,
            "scaling": asdict(adapter.scaling),
            "depth": adapter.depth,
            "arrays": tensors,
        },
        "threshold": calibration.threshold,
        "target": asdict(calibration.target),
        "version": asdict(calibration.version),
        "depth": calibration.depth,
        "n_queries": calibration.n_queries,
        "measured": dict(calibration.measured),
    }


def _arrays(adapter: Adapter) -> dict[str, NDArray[np.float64]]:
    arrays = {"shared": adapter.shared}
    if adapter.network is not None:
        arrays |= {name: getattr(adapter.network, name) for name in _NETWORK}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


_NETWORK = tuple(Network.__dataclass_fields__)


def _checksum(body: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128(to_json(body)).hexdigest()


def _checked_body(path: Path, content: bytes) -> dict[str, Any]:
    body: Any = _read(path, lambda: orjson.loads(content))
    if not isinstance(body, dict) or cast("dict[str, Any]", body).get("magic") != MAGIC:
        raise CorruptionError(f"{path}: found no '{MAGIC}' mark; {_AGAIN}")
    found = cast("dict[str, Any]", body)
    if found.get("format_version") != FORMAT_VERSION:
        raise IndexFormatError(
            f"{path}: found format version {found.get('format_version')}, this build reads "
            f"{FORMAT_VERSION}; {_AGAIN}"
        )
    if found.pop("xxh3", None) != _checksum(found):
        raise CorruptionError(f"{path}: its bytes differ from what was written; {_AGAIN}")
    return found


def _read_arrays(path: Path) -> dict[str, NDArray[np.float64]]:
    if not path.is_file():
        raise CorruptionError(f"{path}: missing; {_AGAIN}")
    content = path.read_bytes()
    if path.name != f"adapter-{xxhash.xxh3_128(content).hexdigest()}.safetensors":
        raise CorruptionError(f"{path}: its bytes differ from what was written; {_AGAIN}")
    return _read(path, lambda: load(content))


def _calibration(body: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float64]]) -> Calibration:
    stored = body["adapter"]
    network = Network(*(arrays[name] for name in _NETWORK)) if "hidden" in arrays else None
    adapter = Adapter(
        stored["form"],
        stored["inputs"],
        Scaling(**stored["scaling"]),
        stored["depth"],
        arrays["shared"],
        network,
    )
    return Calibration(
        body["name"],
        adapter,
        body["threshold"],
        Target(**body["target"]),
        IndexVersion(**body["version"]),
        body["depth"],
        body["n_queries"],
        body["measured"],
    )


def _read(path: Path, read: Callable[[], Read]) -> Read:
    """What is read from bytes that may be anything."""
    try:
        return read()
    except (
        orjson.JSONDecodeError,
        SafetensorError,
        ShapeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise CorruptionError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
