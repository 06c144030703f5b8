"""The container's files fit each other and the service; `docker/check.sh` runs the steps."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from lexmax.service import Settings, create_app
from lexmax.service.permissions import PERMISSIONS
from lexmax.service.settings import PREFIX

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


@pytest.fixture(scope="module")
def steps() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docker_steps", DOCKER / "steps.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text() -> str:
    return (DOCKER / "Dockerfile").read_text()


class Loader(yaml.SafeLoader):
    """Compose has a tag of its own, which takes back what another file says."""


Loader.add_constructor("!reset", lambda loader, node: None)


def composed(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((DOCKER / name).read_text(), Loader)
    return found


def test_the_dockerfile_has_no_mistake_that_we_know(steps: ModuleType, text: str) -> None:
    assert steps.lint(text) == []


@pytest.mark.parametrize(
    ("found", "instead", "problem"),
    [
        ("USER 10001:10001", "USER root", "USER"),
        ("USER 10001:10001", "", "USER: found 0"),
        ('ENTRYPOINT ["lexmax"]', "ENTRYPOINT lexmax", "ENTRYPOINT"),
        ("COPY index/ index/", "COPY indexes/ index/", "found no indexes/"),
        ("COPY index/ index/", "COPY tests/ tests/", "keeps tests/ out"),
        ("--from=wheel", "--from=wheels", "no such stage"),
        ("--no-cache-dir --no-deps", "--no-deps", "--no-cache-dir"),
        ("    && rm -rf /var/lib/apt/lists/*", "    && true", "apt-get leaves"),
        ("STOPSIGNAL SIGTERM", "ADD https://example.org/x /x", "found ADD"),
        ("FROM bare AS cpu", "FROM bare", "FROM image AS"),
    ],
)
def test_a_mistake_is_found(
    steps: ModuleType, text: str, found: str, instead: str, problem: str
) -> None:
    assert found in text
    assert any(problem in one for one in steps.lint(text.replace(found, instead)))


def test_check_runs_the_instructions_of_the_dockerfile(steps: ModuleType, text: str) -> None:
    """Every RUN of the stages that are needed, but what is only in images, by its own words."""
    stages = steps.read_stages(text)
    assert list(stages)[-2:] == ["gpu", "cpu"]
    for target in ("gpu", "cpu"):
        needed = steps.lineage(stages, target)
        assert [stage.name for stage in needed] == ["bare", target]
        assert steps.command_of(needed)[:2] == ["lexmax", "serve"]
        assert "/ready" in steps.health_check_of(needed)[-1]
    programs = {
        command.strip().split()[0]
        for stage in stages.values()
        for rest in stage.all_of("RUN")
        for command in rest.split("&&")
    }
    left_out = {command.split()[0] for command in steps._ONLY_IN_IMAGES}
    ran = {"pip", "python", "/opt/lexmax/bin/pip", "/opt/lexmax/bin/lexmax", "install"}
    assert programs <= ran | left_out
    assert "steps.py" in (DOCKER / "check.sh").read_text()


def test_what_the_wheel_is_made_of_is_copied(steps: ModuleType, text: str) -> None:
    copied = {
        word.rstrip("/")
        for rest in steps.read_stages(text)["wheel"].all_of("COPY")
        for word in rest.split()[:-1]
    }
    links = {path.readlink().name for path in (ROOT / "src/lexmax").iterdir() if path.is_symlink()}
    assert links < copied
    assert {"pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE", "src"} < copied


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("src/lexmax/cli.py", False),
        ("index/native/module.cpp", False),
        ("index/__pycache__/x.pyc", True),
        ("index/_native.so", True),
        ("tests/conftest.py", True),
        (".git", True),
    ],
)
def test_what_dockerignore_keeps_out(steps: ModuleType, path: str, ignored: bool) -> None:
    assert steps.is_ignored(path, steps.ignore_patterns()) is ignored


def test_absolute_paths_are_taken_inside_the_folder(steps: ModuleType, tmp_path: Path) -> None:
    run = steps.Run(tmp_path, "/usr/bin/python3", {}, False, {})
    rewritten = run._rewritten("python -m venv /opt/lexmax", tmp_path)
    assert rewritten == f"/usr/bin/python3 -m venv {tmp_path}/opt/lexmax"
    command = "install --directory --owner=1 --group=1 --mode=0750 /data"
    assert run._rewritten(command, tmp_path) == f"install --directory --mode=0750 {tmp_path}/data"


def settings_of(service: dict[str, Any]) -> set[str]:
    return {
        name.removeprefix(PREFIX).lower()
        for name in service.get("environment", {})
        if name.startswith(PREFIX)
    }


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml", "compose.proxy.yaml"])
def test_compose_names_settings_and_files_that_there_are(
    steps: ModuleType, text: str, name: str
) -> None:
    said = composed(name)
    service = said["services"]["lexmax"]
    for one in said["services"].values():
        assert settings_of(one) <= set(Settings.model_fields)
    target = service.get("build", {}).get("target")
    assert target in (None, *steps.read_stages(text))
    for one in said["services"].values():
        for volume in one.get("volumes", []):
            source = volume.split(":")[0]
            place = DOCKER / source if source.startswith(".") else None
            assert place.is_file() if place else source in said["volumes"]


def test_the_service_may_write_nowhere_but_to_its_volume(steps: ModuleType, text: str) -> None:
    service = composed("compose.yaml")["services"]["lexmax"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["volumes"] == ["collections:/data"]
    last = steps.lineage(steps.read_stages(text), "cpu")
    assert service["healthcheck"]["test"][1:] == steps.health_check_of(last)
    places = [value for value in steps.environment_of(last).values() if value.startswith("/")]
    assert all(place.startswith(("/tmp/", "/opt/lexmax/bin")) for place in places)


def test_alerts_ask_for_metrics_that_there_are(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path, warm=()))
    app.state.service.metrics.turned_away("search")
    app.state.service.metrics.problem("internal_error")
    said = app.state.service.metrics.text().decode()
    families = list(text_string_to_metric_families(said))
    known = {family.name for family in families}
    known |= {sample.name for family in families for sample in family.samples}
    rules = yaml.safe_load((DOCKER / "alerts.yml").read_text())["groups"][0]["rules"]
    asked = {name for rule in rules for name in re.findall(r"lexmax_\w+", rule["expr"])}
    assert asked
    assert asked <= known
    scraped = yaml.safe_load((DOCKER / "prometheus.yml").read_text())
    assert scraped["rule_files"] == ["alerts.yml"]
    for service in app.state.service.lanes.values():
        service.close()


def test_nginx_knows_the_routes() -> None:
    said = (DOCKER / "nginx.conf").read_text()
    assert said.count("{") == said.count("}")
    patterns = re.findall(r"location ~ (\S+) \{", said)
    paths = [re.sub(r"\{[^}]+\}", "x", path) for _, path in PERMISSIONS]
    for pattern in patterns:
        assert any(re.search(pattern, path) for path in paths), pattern
    readers = re.compile(patterns[0])
    read = {path for (method, path), one in PERMISSIONS.items() if readers.search(path)}
    assert read == {
        f"/v1/collections/{{name}}/{what}" for what in ("search", "search/batch", "explain")
    }
