"""A disk of a few megabytes that can fill up or become read-only, where the machine lets us.

It is a tmpfs in a mount namespace of its own, which a shell keeps alive: only what is started
inside sees it, and it is gone when the shell ends, however that comes about.
"""

import shutil
import subprocess
from pathlib import Path
from types import TracebackType

import pytest

_BALLAST = "ballast"


class SmallDisk:
    """Mounted over `folder`; skips the test where that is not allowed."""

    def __init__(self, folder: Path, *, megabytes: int = 16) -> None:
        if shutil.which("unshare") is None or shutil.which("nsenter") is None:
            pytest.skip("unshare makes the disk of this test; it is not installed")
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._shell = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = self._run(f"mount -t tmpfs -o size={megabytes}m none '{folder}' && echo mounted")
        if said != ["mounted"]:
            self.close()
            pytest.skip(f"this machine lets us mount no disk: {' '.join(said)}")

    def __enter__(self) -> "SmallDisk":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command begins with that is to see the disk; it keeps its process id."""
        target = ("--target", str(self._shell.pid))
        return ("nsenter", *target, "--user", "--mount", "--preserve-credentials")

    def glob(self, pattern: str) -> list[Path]:
        """Paths on it, as seen from outside; SQLite cannot open them there."""
        return list(self._path.glob(pattern))

    @property
    def _path(self) -> Path:
        return Path(f"/proc/{self._shell.pid}/root{self._folder}")

    def fill(self) -> None:
        """Leave no room at all."""
        with (self._path / _BALLAST).open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Give the room back."""
        (self._path / _BALLAST).unlink()

    def let(self, mode: str) -> None:
        """Remount it `ro`, which nobody may be writing to then, or `rw`."""
        said = self._run(f"mount -o remount,{mode} '{self._folder}' && echo done")
        if said != ["done"]:
            raise OSError(" ".join(said))

    def close(self) -> None:
        self._shell.kill()
        self._shell.communicate()

    def _run(self, command: str) -> list[str]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        try:
            self._shell.stdin.write(f"{command}\necho end-of-answer\n")
            self._shell.stdin.flush()
        except BrokenPipeError:
            return ["the shell has ended"]
        said: list[str] = []
        while (line := self._shell.stdout.readline()) and line.strip() != "end-of-answer":
            said.append(line.strip())
        return said
