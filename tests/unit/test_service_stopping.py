"""A service that cannot put everything away ends all the same: nothing acknowledged is lost."""

import io
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lexmax.errors import DiskFullError
from lexmax.service import Settings, create_app
from lexmax.service.collections import OpenCollections
from lexmax.service.logs import make_log


def test_a_full_disk_at_the_end_is_told_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    app = create_app(Settings(data=tmp_path, warm=()), log=make_log("info", said))
    close = OpenCollections.close

    def full(self: OpenCollections) -> None:
        close(self)
        raise DiskFullError("/pets: the disk is full")

    monkeypatch.setattr(OpenCollections, "close", full)
    with TestClient(app) as client:
        client.get("/health").raise_for_status()
    entries = [json.loads(line) for line in said.getvalue().splitlines()]
    failed = [entry for entry in entries if entry["level"] == "error"]
    assert [(entry["event"], entry["error"]) for entry in failed] == [
        ("not_closed", "DiskFullError")
    ]
    assert entries[-1]["event"] == "stopped"
