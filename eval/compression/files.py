"""Which files does a study leave?"""

from pathlib import Path

from lexmax.eval.compression.outcomes import CompressionStudy
from lexmax.eval.compression.picture import draw
from lexmax.eval.compression.table import markdown
from lexmax.eval.files import replace_file
from lexmax.eval.outcomes import write_json
from lexmax.index.failures import storage_errors


def write_study(study: CompressionStudy, folder: Path, *, picture: bool = True) -> list[Path]:
    """Write NAME.json, NAME.md and, if asked for, NAME.svg; their paths.

    Raises:
        EvaluationError: if a file cannot be written, or matplotlib is missing; the others are
            there all the same.
        DiskFullError: if there is no room.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    name = study.name.replace("/", "-")
    paths = [folder / f"{name}.json", folder / f"{name}.md"]
    write_json(paths[0], study.as_json())
    drawn = folder / f"{name}.svg"
    text = markdown(study, picture=drawn.name if picture else None)
    replace_file(paths[1], [text.encode()])
    if picture:
        draw(study, drawn)
        paths.append(drawn)
    return paths
