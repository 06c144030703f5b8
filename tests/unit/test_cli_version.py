"""What `lexmax` says of itself."""

import sys

import pytest

from lexmax.cli import app, main
from lexmax.cli_version import _GROUPS, version_lines
from lexmax.index import _native, manifest, schema


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # noqa: ANN201
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lexmax", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return call


def test_version_formats_and_kernels(run) -> None:  # noqa: ANN001
    code, out = run("--version")
    assert code == 0
    assert out.splitlines() == list(version_lines())
    said = dict(line.partition(": ")[::2] for line in out.splitlines()[2:])
    newest = manifest.FORMAT_VERSION
    assert said["format of segments"] == f"{newest}, reads {manifest.OLDEST_READABLE} to {newest}"
    assert said["format of collections"].startswith(f"{schema.FORMAT_VERSION}")
    fastest, *others = _native.available_paths()
    assert said["native kernels"].split(" ")[0] == fastest
    assert all(path in said["native kernels"] for path in others)
    assert "extras that are installed" in said


def test_a_machine_with_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "available_paths", lambda: ["portable"])
    assert "native kernels: portable" in list(version_lines())


def test_kernels_that_cannot_be_loaded_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lexmax.index._native", None)
    (line,) = [line for line in version_lines() if line.startswith("native kernels")]
    assert "cannot be loaded" in line
    assert line.endswith("install lexmax again")


def test_an_extra_that_is_not_there_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexmax.cli_version.find_spec", lambda name: None)
    assert list(version_lines())[-1] == "extras that are installed: none"


def test_every_command_stands_in_a_group(run) -> None:  # noqa: ANN001
    code, out = run("--help")
    assert code == 0
    names = {one.name or getattr(one.callback, "__name__", "") for one in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names.add(str(group.name or group.typer_instance.info.name))
    assert {name for group in _GROUPS.values() for name in group} == names
    assert [out.index(group) for group in _GROUPS] == sorted(out.index(group) for group in _GROUPS)
