"""A process that stands still for a while, and clocks that jump: nothing is lost, all goes on."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from served import Answer, Served
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app
from lexmax.service.key_file import change_keys
from lexmax.service.keys import new_key

PETS = "/v1/collections/pets"
DOCUMENTS = f"{PETS}/documents"


def document(i: int) -> dict[str, Any]:
    return {"documents": [{"doc_id": str(i), "text": f"cat {i}"}]}


def test_a_process_that_stood_still_goes_on(tmp_path: Path) -> None:
    with Served(tmp_path / "data", tmp_path / "log") as served:
        served.ready()
        with served.asking() as ask:
            assert ask("PUT", PETS, {"multivector": None}).status == 201
            answers: dict[int, Answer] = {}

            def store(i: int) -> None:
                # Odd ones wait for no more than a part of the pause.
                headers = {"x-request-timeout-ms": "300" if i % 2 else "60000"}
                with served.asking() as asking:
                    answers[i] = asking("POST", DOCUMENTS, document(i), headers=headers)

            threads = [threading.Thread(target=store, args=(i,)) for i in range(20)]
            for n, thread in enumerate(threads):
                if n == len(threads) // 2:
                    os.kill(served.process.pid, signal.SIGSTOP)
                thread.start()
            time.sleep(1.5)
            os.kill(served.process.pid, signal.SIGCONT)
            for thread in threads:
                thread.join()

            found = ask("POST", f"{PETS}/search", {"query": "cat", "k": 100}).value["hits"]
            stored = {int(hit["doc_id"]) for hit in found}
            assert stored == {i for i, answer in answers.items() if answer.status == 200}
            assert all(answers[i].status == 200 for i in range(0, 20, 2))
            late = {(a.status, a.code) for a in answers.values() if a.status != 200}
            assert late <= {(504, "deadline_exceeded")}
            began = time.monotonic()
            assert ask("POST", DOCUMENTS, document(100)).status == 200
            assert time.monotonic() - began < 5
            assert ask("GET", "/ready").status == 200
        assert served.stop() == 0
    assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize("jump_s", [-10 * 365 * 86_400.0, -3600.0, 3600.0, 10 * 365 * 86_400.0])
def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    key, text = new_key("one", {"*": "admin"}, per_second=1000)
    change_keys(tmp_path / "keys.json", lambda keys: (*keys, key))
    settings = Settings(data=tmp_path / "data", warm=(), keys=tmp_path / "keys.json")
    wall = time.time
    with TestClient(create_app(settings), headers={"api-key": text}) as client:
        client.put(PETS, json={"multivector": None}).raise_for_status()
        client.post(DOCUMENTS, json=document(0)).raise_for_status()
        monkeypatch.setattr(time, "time", lambda: wall() + jump_s)
        for i in range(1, 30):
            limited = {"x-request-timeout-ms": "30000"}
            client.post(DOCUMENTS, json=document(i), headers=limited).raise_for_status()
            asked = {"query": "cat", "k": 100, "timeout_ms": 30_000}
            found = client.post(f"{PETS}/search", json=asked).raise_for_status().json()
            assert len(found["hits"]) == i + 1
            assert not found["partial"]
        assert client.get("/ready").status_code == 200
        client.delete(f"{DOCUMENTS}/0").raise_for_status()
