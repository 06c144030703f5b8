"""Are the figures that lexmax publishes found again? `python docs/reproductions.py run`.

run    builds and evaluates, in the order of docs/reproductions.yaml, what the datasets at hand
       allow, by the commands that stand there, and says which figures are as expected. What was
       interrupted goes on where it was; what has been evaluated is not evaluated again without
       --again. Exit code 1 where a figure differs or a command fails.
write  makes docs/reproductions.md of docs/reproductions.yaml.
check  says whether that file is as `write` would make it.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from lexmax.errors import LexmaxError
from lexmax.eval.reproductions import Reproduction, compared, read_reproductions, verdict

FOLDER = Path(__file__).parent
FIGURES, PAGE = FOLDER / "reproductions.yaml", FOLDER / "reproductions.md"
_WIDTH = 78

_HEAD = """\
# Reproductions

Made of [reproductions.yaml](reproductions.yaml) by `python docs/reproductions.py write`.

Each table is what two commands print: one builds what is searched, the other evaluates it and
compares. `$DATA` is a folder of datasets in BEIR layout, `$WORK` a folder for collections:

```
export DATA=~/collections WORK=~/reproductions
```

`--expect` sets each figure beside the one that stands here, and ends with exit code 1 where they
differ by more than the tolerance. `make reproduce DATA=$DATA WORK=$WORK` runs all for which there
is a dataset, `ONLY="scifact cacm"` some of them; interrupted, it goes on where it was. Figures
are deterministic on one machine; on another processor the last digits of a vector may differ,
which is what the tolerance is for. Minutes are those of two shared cores of a cloud machine.
"""


def main() -> int:
    """Do what the command line asks for; its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["run", "write", "check"])
    parser.add_argument("names", nargs="*", help="which; by default all")
    parser.add_argument("--data", type=Path, default=Path("collections"))
    parser.add_argument("--work", type=Path, default=Path("build/reproductions"))
    parser.add_argument("--again", action="store_true", help="evaluate again what was evaluated")
    given = parser.parse_args()
    try:
        every = read_reproductions(FIGURES)
        if given.verb == "run":
            return _run(_chosen(every, given.names), given.data, given.work, again=given.again)
    except LexmaxError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if given.verb == "write":
        PAGE.write_text(page(every), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page(every):
        return 0
    sys.stderr.write(f"{PAGE} is stale; run: python docs/reproductions.py write\n")
    return 1


def _chosen(every: Mapping[str, Reproduction], names: list[str]) -> dict[str, Reproduction]:
    if unknown := sorted(set(names) - set(every)):
        raise LexmaxError(
            f"found no reproduction {', '.join(unknown)}; expected some of {', '.join(every)}"
        )
    return {name: one for name, one in every.items() if not names or name in names}


def _run(chosen: Mapping[str, Reproduction], data: Path, work: Path, *, again: bool) -> int:
    work.mkdir(parents=True, exist_ok=True)
    verdicts: dict[str, str] = {}
    for name, one in chosen.items():
        _say(f"\n== {name}: {one.title}")
        lacking = lacks(one, data)
        verdicts[name] = f"skipped: {lacking}" if lacking else _done(name, one, data, work, again)
        _say(verdicts[name])
    _say("\n" + "\n".join(f"{name}: {said}" for name, said in verdicts.items()))
    return int(any(said.startswith(("differs", "failed")) for said in verdicts.values()))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def lacks(one: Reproduction, data: Path) -> str | None:
    """What of the dataset is not there, in words."""
    folder = data / one.folder
    if not folder.is_dir():
        return f"there is no {folder}"
    missing = [name for name in one.needs if not (folder / name).exists()]
    return f"{folder} has no {', '.join(missing)}" if missing else None


def _done(name: str, one: Reproduction, data: Path, work: Path, again: bool) -> str:
    """Builds and evaluates what is not there yet; the verdict."""
    found = work / f"{name}.json"
    began = time.perf_counter()
    if again or not found.exists():
        asked = [one.build] if one.build else []
        for command in [*asked, f"{one.evaluate} --json $WORK/{name}.json"]:
            _say(f"$ {command}")
            if code := subprocess.run(words(command, data, work), check=False).returncode:
                return f"failed: `{command}` ended with exit code {code}"
    else:
        _say(f"from {found}; --again evaluates again")
    lines = compared(json.loads(found.read_bytes())["pipelines"], one)
    *each, total = verdict(lines)
    _say("\n".join(each))
    minutes = (time.perf_counter() - began) / 60
    differs = "" if all(line.agrees for line in lines) else "differs: "
    return f"{differs}{total}, {minutes:.1f} min"


def words(command: str, data: Path, work: Path) -> list[str]:
    """A command of the file for this interpreter, its folders put in.

    Raises:
        LexmaxError: if it is not a command of lexmax.
    """
    program, *rest = shlex.split(command)
    if program != "lexmax":
        raise LexmaxError(f"found the command {command!r}; expected lexmax ...")
    folders = {"DATA": str(data), "WORK": str(work)}
    return [sys.executable, "-m", "lexmax.cli", *(Template(w).substitute(folders) for w in rest)]


def page(every: Mapping[str, Reproduction]) -> str:
    """docs/reproductions.md."""
    parts = [_HEAD, *(_section(name, one) for name, one in every.items())]
    return "\n".join(parts)


def _section(name: str, one: Reproduction) -> str:
    expect = f"--expect docs/reproductions.yaml#{name}"
    commands = [*([one.build] if one.build else []), f"{one.evaluate} {expect}"]
    blocks = "\n".join(_wrapped(command) for command in commands)
    quoted = f"\n{one.quoted}\n" if one.quoted else ""
    time_needed = f"about {one.minutes:g} min, tolerance {one.tolerance:g}"
    return (
        f"## {name}\n\n{one.title}. Dataset: `{one.folder}`; {time_needed}.\n\n"
        f"```\n{blocks}\n```\n\n" + "\n".join(_table(one)) + f"\n{quoted}"
    )


def _wrapped(command: str) -> str:
    """The command over as many lines as it needs, an option and its values together if they fit."""
    first, *options = command.split(" --")
    lines, line = list[str](), ""
    for part in [*first.split(), *(f"--{option}" for option in options)]:
        for word in [part] if len(part) < _WIDTH - 4 else part.split():
            if line and len(line) + 1 + len(word) > _WIDTH:
                lines.append(line)
                line = "   "
            line = f"{line} {word}" if line else word
    return " \\\n".join([*lines, line])


def _table(one: Reproduction) -> Iterator[str]:
    measures = list(dict.fromkeys(m for by_measure in one.expected.values() for m in by_measure))
    what = "run" if one.build is None else "pipeline"
    yield f"| {what} | {' | '.join(measures)} |"
    yield "|" + "---|" * (len(measures) + 1)
    for system, figures in one.expected.items():
        cells = (_digits(figures.get(measure)) for measure in measures)
        yield f"| `{system}` | {' | '.join(cells)} |"


def _digits(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.4f}".removeprefix("0")


if __name__ == "__main__":
    sys.exit(main())
