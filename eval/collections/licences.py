"""Under which licence does a collection say that it comes?

Nothing is known by heart: what counts is what stands beside the files, in a metadata.json, in the
first lines of a README, in a table of collections in the README of the folder above, or as a file
LICENSE.
"""

import re
from pathlib import Path
from typing import Any

import orjson

_LONGEST = 80
_MOST_BYTES = 1 << 20
_WORD = re.compile(r"licen[cs]es?", re.IGNORECASE)
_LINE = re.compile(r"^\W*licen[cs]es?\W*[:=]\s*(?P<licence>\S.*)$", re.IGNORECASE | re.MULTILINE)
_LIST = re.compile(r"^licen[cs]es?:\s*\n\s*-\s*(?P<licence>\S.*)$", re.IGNORECASE | re.MULTILINE)
_DITTO = ("as above", "ditto")
_READMES = ("README.md", "README.txt", "README", "readme.md")
_METADATA = ("metadata.json", "dataset_info.json", "dataset_infos.json")


def licence_of(folder: Path) -> str:
    """What the folder, or the README above it, says; empty if they say nothing."""
    found = (
        *(_in_metadata(folder / name) for name in _METADATA),
        *(_in_readme(folder / name) for name in _READMES),
        *(_in_table(folder.resolve().parent / name, folder.resolve().name) for name in _READMES),
        _in_file(folder),
    )
    return next((licence for licence in found if licence), "")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _in_metadata(path: Path) -> str:
    try:
        about: Any = orjson.loads(_read(path))
        found = next(str(about[name]) for name in ("license", "licence") if about.get(name))
    except (orjson.JSONDecodeError, AttributeError, StopIteration):
        return ""
    return _short(found)


def _in_readme(path: Path) -> str:
    text = _read(path)
    found = _LIST.search(text) or _LINE.search(text)
    return _short(found["licence"]) if found else ""


def _in_table(path: Path, name: str) -> str:
    """The cell under "licence" in the row of that name, of a table in Markdown."""
    column: int | None = None
    above = ""
    for line in _read(path).splitlines():
        cells = [cell.strip(" `*") for cell in line.strip().strip("|").split("|")]
        if len(cells) < 2:
            column = None
        elif column is None:
            column = next((i for i, cell in enumerate(cells) if _WORD.fullmatch(cell)), None)
        elif column < len(cells):
            above = above if cells[column].lower() in _DITTO else cells[column]
            if cells[0] == name:
                return _short(above)
    return ""


def _in_file(folder: Path) -> str:
    for name in ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE"):
        if lines := _read(folder / name).split("\n"):
            first = next((line for line in lines if line.strip(" #")), "")
            if first:
                return _short(first)
    return ""


def _short(text: str) -> str:
    plain = " ".join(text.strip(" \"'#*`|").split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."
