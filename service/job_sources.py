"""Which files is a job to read? Those of the import folder, and nothing else of this machine."""

from pathlib import Path, PurePosixPath

from lexmax.corpus import source_files
from lexmax.errors import CorpusError
from lexmax.service.problems import (
    IMPORT_NOT_FOUND,
    IMPORT_REFUSED,
    IMPORTS_DISABLED,
    Refusal,
)


def import_files(folder: Path | None, path: str) -> list[Path]:
    """The file that `path`, relative to the import folder, means; links are followed.

    Of a folder it is its corpus, which may be several Parquet files.

    Raises:
        Refusal: 403 without an import folder, 422 if the path leads out of it or to what is no
            corpus, 404 if there is nothing.
    """
    if folder is None:
        raise Refusal(
            IMPORTS_DISABLED,
            "this service has no import folder; expected LEXMAX_IMPORT_DIR to name one; set it, "
            "or send the file itself to the route jobs/upload",
        )
    asked = PurePosixPath(path)
    if asked.is_absolute() or ".." in asked.parts or "\0" in path:
        raise _refused("a path that leads out of the import folder")
    try:
        root = folder.resolve(strict=True)
        found = _inside(root / asked, root)
        files = [_inside(file, root) for file in source_files([found])]
    except FileNotFoundError:
        raise Refusal(
            IMPORT_NOT_FOUND,
            "the import folder has no such file; expected one that is there; correct the path",
        ) from None
    except CorpusError as error:
        raise _refused(_without(str(error), folder)) from None
    except (OSError, RuntimeError, ValueError):
        raise _refused("a path that cannot be followed") from None
    if not all(file.is_file() for file in files):  # a pipe would be waited for without end
        raise _refused("what is no file")
    return files


def _inside(path: Path, root: Path) -> Path:
    found = path.resolve(strict=True)
    if not found.is_relative_to(root):
        raise _refused("a link that leads out of the import folder")
    return found


def _refused(found: str) -> Refusal:
    return Refusal(
        IMPORT_REFUSED,
        f"path: found {found}; expected one relative to the import folder, of a .jsonl or .tsv "
        "file inside, plain, gzip or zstd, of a .parquet file, or of a folder that holds a corpus; "
        "correct it",
    )


def _without(text: str, folder: Path) -> str:
    """A message without the places of this machine."""
    return text.replace(str(folder.resolve()), "").replace(str(folder), "")
