"""A disk that is full or refuses, and descriptors that run out.

What can be answered is, the rest is refused by the right status, and when the fault ends everything
goes on without a restart.
"""

import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from served import SERVE, Asking, Served
from small_disk import SmallDisk

PETS = "/v1/collections/pets"
DOCUMENTS = f"{PETS}/documents"
VERIFY = (sys.executable, "-m", "lexmax.cli", "verify")


def documents(start: int, n: int) -> dict[str, object]:
    text = "milk " * 20
    return {
        "documents": [{"doc_id": str(i), "text": f"cat {text}"} for i in range(start, start + n)]
    }


def n_found(ask: Asking) -> int:
    answer = ask("POST", f"{PETS}/search", {"query": "cat", "k": 5000})
    assert answer.status == 200, answer
    return len(answer.value["hits"])


def codes(served: Served) -> set[str]:
    return {entry["code"] for entry in served.failures() if entry["event"] == "failure"}


def make_pets(ask: Asking, n_docs: int) -> None:
    assert ask("PUT", PETS, {"multivector": None}).status == 201
    assert ask("POST", DOCUMENTS, documents(0, n_docs)).status == 200


def test_a_full_disk_takes_no_writes_and_answers_searches(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk") as disk:
        command = (*disk.inside, *SERVE)
        with Served(tmp_path / "disk", tmp_path / "log", command=command) as served:
            served.ready()
            with served.asking() as ask:
                make_pets(ask, 1000)
                disk.fill()
                assert_full(ask)
                assert_full(ask)
                disk.free()
                assert_goes_on(ask)
                disk.fill()
            assert served.stop() == 0  # though there is no room for a segment
            assert codes(served) == {"disk_full"}
            assert "Traceback" not in served.log.read_text()
        with Served(tmp_path / "disk", tmp_path / "log", command=command) as served:
            served.ready()
            with served.asking() as ask:
                disk.free()
                assert n_found(ask) == 1001
        found = subprocess.run(
            [*disk.inside, *VERIFY, str(tmp_path / "disk" / "pets")], check=False
        )
        assert found.returncode == 0


def assert_full(ask: Asking) -> None:
    for method, path, body in (
        ("POST", DOCUMENTS, documents(5000, 1)),
        ("POST", DOCUMENTS, documents(5000, 1000)),
        ("POST", f"{DOCUMENTS}/delete", {"doc_ids": ["7"]}),
        ("PUT", "/v1/collections/other", {"multivector": None}),
    ):
        answer = ask(method, path, body)
        assert (answer.status, answer.code) == (507, "disk_full"), path
    assert n_found(ask) == 1000
    assert ask("GET", f"{DOCUMENTS}/7").status == 200
    assert ask("GET", f"{DOCUMENTS}/5000").code == "document_not_found"
    assert ask("GET", "/v1/collections/other").code == "collection_not_found"
    assert [one["name"] for one in ask("GET", "/v1/collections").value["collections"]] == ["pets"]
    assert ask("GET", "/ready").status == 200


def assert_goes_on(ask: Asking) -> None:
    assert ask("POST", DOCUMENTS, documents(5000, 1)).value["added"] == 1
    assert n_found(ask) == 1001
    assert ask("PUT", "/v1/collections/other", {"multivector": None}).status == 201
    assert ask("DELETE", "/v1/collections/other").status == 204


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    # Root may write anywhere, but not as root of a namespace that the files do not belong to.
    outside = ("unshare", "--user") if os.geteuid() == 0 else ()
    if outside and subprocess.run([*outside, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets root give up no rights")
    data = tmp_path / "data"
    with Served(data, tmp_path / "log", command=(*outside, *SERVE)) as served:
        served.ready()
        with served.asking() as ask:
            make_pets(ask, 100)
            data.chmod(0o500)
            try:
                refused = ask("PUT", "/v1/collections/other", {"multivector": None})
                assert (refused.status, refused.code) == (500, "storage_failed")
                assert str(tmp_path) not in refused.content.decode()
                refused = ask("DELETE", PETS)
                assert (refused.status, refused.code) == (500, "storage_failed")
                assert n_found(ask) == 100
            finally:
                data.chmod(0o700)
            assert ask("PUT", "/v1/collections/other", {"multivector": None}).status == 201
            assert n_found(ask) == 100
        assert served.stop() == 0


def test_a_collection_that_may_not_be_written_to_answers_searches(tmp_path: Path) -> None:
    outside = ("unshare", "--user") if os.geteuid() == 0 else ()
    if outside and subprocess.run([*outside, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets root give up no rights")
    data = tmp_path / "data"
    with Served(data, tmp_path / "log") as served:
        served.ready()
        with served.asking() as ask:
            make_pets(ask, 100)
            assert ask("PUT", "/v1/collections/cars", {"multivector": None}).status == 201
        assert served.stop() == 0
    (data / "pets").chmod(0o500)
    try:
        with Served(data, tmp_path / "log", command=(*outside, *SERVE)) as served:
            served.ready()
            with served.asking() as ask:
                assert n_found(ask) == 100
                assert ask("GET", PETS).value["n_docs"] == 100
                for path, body in (
                    (DOCUMENTS, documents(100, 1)),
                    (f"{DOCUMENTS}/delete", {"doc_ids": ["1"]}),
                ):
                    answer = ask("POST", path, body)
                    assert (answer.status, answer.code) == (500, "storage_failed"), path
                assert n_found(ask) == 100
                stored = ask("POST", "/v1/collections/cars/documents", documents(0, 10))
                assert stored.value["added"] == 10
                (data / "pets").chmod(0o700)
                assert n_found(ask) == 100
                assert ask("POST", DOCUMENTS, documents(100, 1)).value["added"] == 1
                assert n_found(ask) == 101
    finally:
        (data / "pets").chmod(0o700)


def test_a_disk_that_is_mounted_to_be_read_only(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk") as disk:
        command = (*disk.inside, *SERVE)
        with Served(tmp_path / "disk", tmp_path / "log", command=command) as served:
            served.ready()
            with served.asking() as ask:
                make_pets(ask, 100)
            assert served.stop() == 0
        disk.let("ro")
        reads = {"LEXMAX_READ_ONLY": "1"}
        with Served(
            tmp_path / "disk", tmp_path / "log", command=command, environment=reads
        ) as served:
            served.ready()
            with served.asking() as ask:
                assert n_found(ask) == 100
                assert ask("GET", f"{DOCUMENTS}/7").status == 200
                answer = ask("POST", DOCUMENTS, documents(100, 1))
                assert (answer.status, answer.code) == (403, "read_only")
                assert n_found(ask) == 100
            assert served.stop() == 0
        found = subprocess.run(
            [*disk.inside, *VERIFY, str(tmp_path / "disk" / "pets")], check=False
        )
        assert found.returncode == 0


def test_descriptors_that_run_out_come_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Served(data, tmp_path / "log") as served:
        served.ready()
        with served.asking() as ask:
            make_pets(ask, 100)
        assert served.stop() == 0
    most = 80

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    with Served(data, tmp_path / "log", preexec_fn=limit) as served:
        served.ready()
        with served.asking(timeout_s=20) as ask:
            assert n_found(ask) == 100
            idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(most)]
            try:
                while served.n_files() < most - 1:  # until it has taken them
                    time.sleep(0.01)
                for method, path, body in (
                    ("POST", DOCUMENTS, documents(100, 1)),
                    ("PUT", "/v1/collections/other", {"multivector": None}),
                ):
                    answer = ask(method, path, body)
                    assert (answer.status, answer.code) == (503, "too_many_open_files"), answer
                    assert answer.headers["retry-after"] == "1"
                assert n_found(ask) == 100
            finally:
                for connection in idle:
                    connection.close()
            assert ask("POST", DOCUMENTS, documents(100, 1)).value["added"] == 1
            assert ask("PUT", "/v1/collections/other", {"multivector": None}).status == 201
            with served.asking() as new:
                assert n_found(new) == 101
        assert served.stop() == 0
    assert "Traceback" not in served.log.read_text()
