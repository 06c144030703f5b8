"""docs/api.md says what the service does: it is not stale, and its examples are answered so."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

import lexmax
from lexmax.client import Client, ClientError

ROOT = Path(__file__).parents[3]
CORPUS = [{"_id": f"page-{i}", "text": f"page {i} tells of animals"} for i in range(20)]
STREAM = [{"doc_id": "bird", "text": "a bird sings"}, {"doc_id": "none"}]

JUDGED = {
    "queries": {f"q{i}": "cat" if i % 2 else "fish" for i in range(20)},
    "qrels": {f"q{i}": {"cat" if i % 2 else "fish": 1} for i in range(20)},
}


@pytest.fixture(scope="module")
def make_api() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_api"] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_api"]


@pytest.fixture
def address(start: Callable[..., str], tmp_path: Path) -> str:
    (tmp_path / "imports").mkdir()
    corpus = "".join(json.dumps(line) + "\n" for line in CORPUS)
    for folder in (tmp_path, tmp_path / "imports"):
        (folder / "corpus.jsonl").write_text(corpus)
    stream = "".join(json.dumps(line) + "\n" for line in STREAM)
    (tmp_path / "documents.ndjson").write_text(stream)
    (tmp_path / "judged.json").write_text(json.dumps(JUDGED))
    return start(import_dir=tmp_path / "imports")


def test_the_page_is_what_the_schema_says(make_api: ModuleType) -> None:
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == make_api.made(), (
        "run: python docs/make_api.py"
    )


def test_a_route_without_an_example_is_an_error(make_api: ModuleType) -> None:
    schema = {"paths": {"/new": {"get": {}}}}
    with pytest.raises(SystemExit, match="GET /new"):
        make_api.page(schema, [])


def test_every_curl_example_is_answered_as_it_says(
    make_api: ModuleType, address: str, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    (tmp_path / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')
    environment = {**os.environ, "LEXMAX": address, "CURL_HOME": str(tmp_path), "NO_PROXY": "*"}
    for _, _, examples in make_api.read_examples():
        for example in examples:
            said = subprocess.run(
                ["bash", "-c", example.curl],
                env=environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            body, _, status = said.rpartition("\n")
            assert int(status) in example.statuses, f"{example.curl}\n{said}"
            for name, where in example.names:
                environment[name] = json.loads(body)[where]
    assert (tmp_path / "pets.tar").stat().st_size > 10_000


class Recording(httpx.HTTPTransport):
    """Remembers how requests were answered."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        reply = super().handle_request(request)
        self.statuses.append(reply.status_code)
        return reply


def test_every_python_example_is_answered_as_it_says(
    make_api: ModuleType, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = Recording()
    with (
        Client(address, transport=recording) as client,
        httpx.Client(transport=recording) as plain,
    ):
        names: dict[str, Any] = {"lexmax": lexmax, "client": client, "httpx": plain, "print": id}
        names |= {"json": json, "Path": Path}
        for _, _, examples in make_api.read_examples():
            for example in examples:
                recording.statuses.clear()
                source = example.python.replace("http://127.0.0.1:8000", address)
                with suppress(ClientError):
                    exec(source, names)
                assert recording.statuses, source
                assert set(recording.statuses) <= set(example.statuses) | {200}, (
                    source,
                    recording.statuses,
                )
                assert set(recording.statuses) & set(example.statuses), source
