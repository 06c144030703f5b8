"""What do the Dockerfile's steps do, where there is no engine to run them?

python docker/steps.py lint
python docker/steps.py run FOLDER [--target STAGE] [--arg NAME=VALUE] [--python PROGRAM] [--no-deps]

`lint` finds what a build would stumble over, and what an image should not have. `run` goes through
the stages of a target in a clean folder: it copies what COPY names (.dockerignore holds), runs what
RUN says, and starts what ENTRYPOINT and CMD say until HEALTHCHECK is content. Absolute paths are
taken inside the folder. Left out is what only an image has: packages of the distribution, users,
owners. It knows the instructions that the Dockerfile uses and refuses others.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = Path(__file__).with_name("Dockerfile")
PORT = "8000"
_OF_STEPS = ("FROM", "ARG", "RUN", "WORKDIR", "COPY")
_OF_IMAGES = ("ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD")
_KNOWN = frozenset([*_OF_STEPS, *_OF_IMAGES])
# Programs that only root in an image runs; the rest of a RUN is run.
_ONLY_IN_IMAGES = ("apt-get ", "rm -rf /var/lib/apt/", "groupadd ", "useradd ")
_PATIENCE_S = 180.0


class Mistake(Exception):
    """Something that a build would not do, or an image should not have."""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: its name, and the rest of its lines joined."""

    name: str
    rest: str
    line: int


@dataclass(slots=True)
class Stage:
    """What stands between one FROM and the next."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def all_of(self, name: str) -> list[str]:
        """What stands behind every instruction of this name."""
        return [step.rest for step in self.steps if step.name == name]


def read_steps(text: str) -> list[Step]:
    """The instructions of a Dockerfile, in order.

    Raises:
        Mistake: if one is not known here.
    """
    steps: list[Step] = []
    held, begun = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        begun = begun if held else number
        held += line.strip()
        if held.endswith("\\"):
            held = held[:-1]
            continue
        name, _, rest = held.partition(" ")
        if name not in _KNOWN:
            raise Mistake(
                f"line {begun}: found {name}; expected one of {', '.join(sorted(_KNOWN))}"
            )
        steps.append(Step(name, rest.strip(), begun))
        held = ""
    if held:
        raise Mistake(f"line {begun}: found no end of this instruction; take the last \\ away")
    return steps


def read_stages(text: str) -> dict[str, Stage]:
    """The stages by name, in order; what stands before the first is the same for all.

    Raises:
        Mistake: if there is none, or one has no name or another's.
    """
    stages: dict[str, Stage] = {}
    for step in read_steps(text):
        if step.name == "FROM":
            found = re.fullmatch(r"(\S+) AS ([a-z][a-z0-9-]*)", step.rest)
            if found is None or found[2] in stages:
                raise Mistake(f"line {step.line}: expected FROM image AS a-name-of-its-own")
            stages[found[2]] = Stage(found[1], found[2])
        elif stages:
            next(reversed(stages.values())).steps.append(step)
    if not stages:
        raise Mistake("found no FROM")
    return stages


def lineage(stages: Mapping[str, Stage], name: str) -> list[Stage]:
    """The stage and those that it is made from, first ones first."""
    stage = stages[name]
    return [*(lineage(stages, stage.base) if stage.base in stages else []), stage]


def is_ignored(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore keeps this path, relative to the root, out of the build."""
    ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!").rstrip("/").removeprefix("**/")
        parts = path.split("/")
        upper = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        anywhere = "**/" in pattern
        if any(fnmatch(name, wanted) for name in (*upper, *(parts if anywhere else ()))):
            ignored = not pattern.startswith("!")
    return ignored


def ignore_patterns() -> list[str]:
    """The lines of .dockerignore that say something."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def lint(text: str) -> list[str]:
    """What is wrong with a Dockerfile of ours; nothing where all is well."""
    try:
        stages = read_stages(text)
    except Mistake as mistake:
        return [str(mistake)]
    found = [problem for stage in stages.values() for problem in _copies(stage, stages)]
    found += _image(lineage(stages, next(reversed(stages))))
    if re.search(r"\bADD\b|:latest\b|curl .*\| *sh", text):
        found.append("found ADD, :latest or a script from the network; expected COPY and versions")
    return [*found, *(p for stage in stages.values() for p in _left_behind(stage))]


def _image(stages: list[Stage]) -> Iterator[str]:
    """What is wrong with how an image runs."""
    said = {name: [rest for stage in stages for rest in stage.all_of(name)] for name in _OF_IMAGES}
    for name in ("USER", "HEALTHCHECK", "ENTRYPOINT", "CMD", "STOPSIGNAL"):
        if len(said[name]) != 1:
            yield f"{name}: found {len(said[name])} for the last stage; expected one"
    if any(re.fullmatch(r"(root|0)(:.*)?", user) for user in said["USER"]):
        yield "USER: found root; expected a number that is nobody's"
    for name in ("ENTRYPOINT", "CMD"):
        if any(not rest.startswith("[") for rest in said[name]):
            yield f"{name}: found words for a shell; expected a JSON list, for signals"


def _left_behind(stage: Stage) -> Iterator[str]:
    for step in stage.all_of("RUN"):
        if "apt-get install" in step and "rm -rf /var/lib/apt/lists" not in step:
            yield "RUN: apt-get leaves its lists in the image; remove them in the same step"
        if re.search(r"\bpip (install|wheel)", step) and "--no-cache-dir" not in step:
            yield "RUN: pip leaves its cache in the image; give --no-cache-dir"


def _copies(stage: Stage, stages: Mapping[str, Stage]) -> Iterator[str]:
    for rest in stage.all_of("COPY"):
        words = shlex.split(rest)
        if words[0].startswith("--from="):
            if words[0].removeprefix("--from=") not in stages:
                yield f"{stage.name}: COPY {rest}: no such stage"
            continue
        for source in words[:-1]:
            if not (ROOT / source).exists():
                yield f"{stage.name}: COPY {rest}: found no {source}"
            elif is_ignored(source.rstrip("/"), ignore_patterns()):
                yield f"{stage.name}: COPY {rest}: .dockerignore keeps {source} out"


@dataclass(slots=True)
class Run:
    """Runs the stages that a target needs, each in a folder of its own below `folder`."""

    folder: Path
    python: str
    given: Mapping[str, str]
    no_deps: bool
    stages: Mapping[str, Stage]
    done: dict[str, Path] = field(default_factory=dict[str, Path])

    def stage(self, name: str) -> Path:
        """The folder that stands for the root of a stage, once its steps have run."""
        if name in self.done:
            return self.done[name]
        place = self.folder / name
        place.mkdir(parents=True)
        workdir, environment = "/", dict(self.given)
        for stage in lineage(self.stages, name):
            for step in stage.steps:
                if step.name == "ARG":
                    key, _, value = step.rest.partition("=")
                    environment.setdefault(key, value)
                elif step.name == "WORKDIR":
                    workdir = step.rest
                    self._inside(place, workdir).mkdir(parents=True, exist_ok=True)
                elif step.name == "COPY":
                    self._copy(step.rest, place, workdir)
                elif step.name == "RUN":
                    self._run(step.rest, place, workdir, environment)
        self.done[name] = place
        return place

    def _inside(self, place: Path, path: str) -> Path:
        return place / path.lstrip("/")

    def _copy(self, rest: str, place: Path, workdir: str) -> None:
        words = shlex.split(rest)
        if words[0].startswith("--from="):
            made = self.stage(words[0].removeprefix("--from="))
            _copied(self._inside(made, words[1]), self._inside(place, words[2]), [])
            return
        target = self._inside(place, str(Path(workdir, words[-1])))
        for source in words[:-1]:
            path = ROOT / source
            into = target if path.is_dir() else target / path.name
            _copied(path, into, ignore_patterns())

    def _run(self, rest: str, place: Path, workdir: str, environment: dict[str, str]) -> None:
        for command in rest.split("&&"):
            command = command.strip()
            if command.startswith(_ONLY_IN_IMAGES):
                _say(f"left out: {command}")
                continue
            inside = self._rewritten(command, place)
            _say(f"$ {inside}")
            subprocess.run(
                ["sh", "-euc", inside],
                cwd=self._inside(place, workdir),
                env={**os.environ, **environment},
                check=True,
            )
            if self.no_deps and " -m venv " in inside:
                self._share_dependencies(Path(inside.split()[-1]))

    def _share_dependencies(self, made: Path) -> None:
        """Let a virtual environment see what is installed beside `python`, behind its own."""
        asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
        command = [self.python, "-c", asked]
        theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for packages in made.glob("lib/python*/site-packages"):
            (packages / "shared.pth").write_text(theirs)

    def _rewritten(self, command: str, place: Path) -> str:
        """Absolute paths inside the folder, no owners, and the Python that was asked for."""
        command = re.sub(r"--(owner|group)=\S+ ", "", command)
        command = re.sub(r"(?<![\w.:/])/(?=(wheels|opt|data|build)\b)", f"{place}/", command)
        if self.no_deps:
            command = command.replace("pip install ", "pip install --no-deps --no-index ")
            command = command.replace("pip wheel ", "pip wheel --no-build-isolation ")
        command = re.sub(r"^python ", f"{self.python} ", command)
        return re.sub(r"^pip ", f"{self.python} -m pip ", command)


def _copied(source: Path, target: Path, patterns: list[str]) -> None:
    """As COPY does: symbolic links stay links, what is ignored stays behind."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        return

    def ignored(folder: str, names: list[str]) -> list[str]:
        if not patterns:
            return []
        below = Path(folder).relative_to(ROOT)
        return [name for name in names if is_ignored(str(below / name), patterns)]

    shutil.copytree(source, target, symlinks=True, ignore=ignored, dirs_exist_ok=True)


def environment_of(stages: list[Stage]) -> dict[str, str]:
    """What ENV sets, later ones over former ones."""
    pairs = [
        word.split("=", 1) for s in stages for rest in s.all_of("ENV") for word in shlex.split(rest)
    ]
    return {name: value for name, value in pairs}


def command_of(stages: list[Stage]) -> list[str]:
    """What a container runs."""
    rests = [rest for name in ("ENTRYPOINT", "CMD") for s in stages for rest in s.all_of(name)]
    return [word for rest in rests for word in json.loads(rest)]


def health_check_of(stages: list[Stage]) -> list[str]:
    """What an engine runs to learn whether it is well."""
    rest = next(rest for s in stages for rest in s.all_of("HEALTHCHECK"))
    command: list[str] = json.loads(rest.partition("CMD ")[2])
    return command


def start(run: Run, target: str) -> None:
    """Start the service as the image would, and ask whether it is well.

    Raises:
        Mistake: if it does not become so.
    """
    place, stages = run.stage(target), lineage(run.stages, target)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    set_by_image = environment_of(stages)
    path = set_by_image["PATH"].replace("${PATH}", os.environ["PATH"])
    environment = {**os.environ, **set_by_image, "LEXMAX_INSECURE": "true"}
    environment["PATH"] = path.replace("/opt/lexmax", f"{place}/opt/lexmax", 1)
    moved = [
        re.sub(r"^/data$", f"{place}/data", word.replace(PORT, port)) for word in command_of(stages)
    ]
    moved[0] = shutil.which(moved[0], path=environment["PATH"]) or moved[0]
    asked = [word.replace(f":{PORT}/", f":{port}/") for word in health_check_of(stages)]
    asked[0] = shutil.which(asked[0], path=environment["PATH"]) or asked[0]
    process = subprocess.Popen(moved, cwd=place / "data", env=environment)
    try:
        ends_at = time.monotonic() + _PATIENCE_S
        while process.poll() is None and time.monotonic() < ends_at:
            if (
                subprocess.run(asked, env=environment, capture_output=True, check=False).returncode
                == 0
            ):
                break
            time.sleep(0.5)
        else:
            raise Mistake("the health check was not content")
        process.terminate()
        if process.wait(60) != 0:
            raise Mistake(f"stopped with exit code {process.returncode}; expected 0")
    finally:
        process.kill()
        process.wait()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main() -> int:
    """Do what the arguments ask for; 0 where all is well."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("lint")
    running = commands.add_parser("run")
    running.add_argument("folder", type=Path)
    running.add_argument("--target", default="cpu")
    running.add_argument("--arg", action="append", default=[])
    running.add_argument("--python", default=sys.executable)
    running.add_argument(
        "--no-deps", action="store_true", help="take dependencies from --python's environment"
    )
    asked = parser.parse_args()
    text = DOCKERFILE.read_text()
    found = lint(text)
    for problem in found:
        _say(problem)
    if found or asked.command == "lint":
        return 1 if found else 0
    given = dict(one.split("=", 1) for one in asked.arg)
    run = Run(asked.folder.resolve(), asked.python, given, asked.no_deps, read_stages(text))
    try:
        start(run, asked.target)
    except (Mistake, subprocess.CalledProcessError) as mistake:
        _say(str(mistake))
        return 1
    _say(f"{asked.target}: every step has run, and the service was well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
