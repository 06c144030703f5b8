"""What a service shows to other machines: keys, certificates, and when it stops."""

import asyncio
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lexmax.errors import InputError
from lexmax.service import Settings, serve
from lexmax.service.key_file import change_keys
from lexmax.service.keys import new_key
from lexmax.service.run import check_certificates, check_exposure

PATIENCE_S = 120


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of this test; it is not installed")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext"),
            *("subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_are_asked_for_a_key(tmp_path: Path, host: str) -> None:
    with pytest.raises(InputError, match=r"can be reached from other machines.*--insecure"):
        check_exposure(Settings(data=tmp_path), host)
    check_exposure(Settings(data=tmp_path, insecure=True), host)
    check_exposure(Settings(data=tmp_path, keys=tmp_path / "keys.json"), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_this_machine_is_not(tmp_path: Path, host: str) -> None:
    check_exposure(Settings(data=tmp_path), host)


def test_a_service_that_would_be_open_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would ask nobody for a key"):
        serve(Settings(data=tmp_path, host="0.0.0.0", port=0, warm=()))
    with pytest.raises(InputError, match="expected a file of keys"):
        serve(Settings(data=tmp_path, port=0, warm=(), keys=tmp_path / "none.json"))


def test_certificates_are_looked_at_before_anything_listens(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    check_certificates(Settings(data=tmp_path))
    check_certificates(Settings(data=tmp_path, tls_cert=cert, tls_key=key))
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    check_certificates(Settings(data=tmp_path, tls_cert=both))
    for given in (
        {"tls_cert": tmp_path / "none.pem", "tls_key": key},
        {"tls_cert": cert},
        {"tls_cert": key, "tls_key": cert},
        {"tls_key": key},
    ):
        with pytest.raises(InputError, match="--tls-key"):
            check_certificates(Settings(data=tmp_path, **given))


@contextmanager
def server(
    data: Path, *flags: str, verify: ssl.SSLContext | bool = True, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lexmax.cli", "serve", "--data", str(data), "--port", "0", *flags],
        env={**os.environ, "LEXMAX_WARM": "[]", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        listening: dict[str, Any] = json.loads(process.stderr.readline())
        assert listening["event"] == "listening"
        scheme = "https" if listening["tls"] else "http"
        address = f"{scheme}://{listening['host']}:{listening['port']}"
        with httpx.Client(
            base_url=address, timeout=PATIENCE_S, trust_env=False, verify=verify
        ) as client:
            yield process, client
    finally:
        process.kill()
        process.communicate()


def ready(client: httpx.Client) -> bool:
    return client.get("/ready").status_code == 200


def until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except httpx.ConnectError:
            pass
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_https_with_keys_from_first_to_last(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, tls_key = certificate
    keys = tmp_path / "keys.json"
    key, secret = new_key("one", {"*": "admin"})
    change_keys(keys, lambda known: (*known, key))
    flags = ("--keys", str(keys), "--tls-cert", str(cert), "--tls-key", str(tls_key))
    trusted = ssl.create_default_context(cafile=cert)
    with server(tmp_path / "data", *flags, verify=trusted) as (process, client):
        until(lambda: ready(client))
        assert client.get("/v1/collections").status_code == 401
        reply = client.get("/v1/collections", headers={"api-key": secret})
        assert reply.json() == {"collections": []}
        assert reply.headers["strict-transport-security"] == "max-age=31536000"
        change_keys(keys, lambda known: ())
        until(lambda: client.get("/v1/status", headers={"api-key": secret}).status_code == 401)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
    assert secret not in log


def test_it_says_that_it_stops_before_it_does(tmp_path: Path) -> None:
    with server(tmp_path, LEXMAX_DRAIN_SECONDS="1000") as (process, client):
        until(lambda: ready(client))
        process.send_signal(signal.SIGTERM)
        until(lambda: client.get("/ready").status_code == 503)
        # A load balancer has seen that by now; whoever has not is still answered.
        fresh = httpx.get(f"{client.base_url}/v1/collections", trust_env=False)
        assert fresh.status_code == 200
        assert "stopping" in client.get("/ready").json()["detail"]
        process.send_signal(signal.SIGTERM)  # told twice, it does not wait
        assert process.wait(PATIENCE_S) == 0


def test_after_the_drain_it_stops_by_itself(tmp_path: Path) -> None:
    with server(tmp_path, LEXMAX_DRAIN_SECONDS="0.1") as (process, client):
        until(lambda: ready(client))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_plain_bytes_at_a_tls_port_are_no_failure(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async def plainly(host: str, port: int) -> bytes:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = await reader.read(100)
        writer.close()
        return answer

    cert, key = certificate
    trusted = ssl.create_default_context(cafile=cert)
    flags = ("--tls-cert", str(cert), "--tls-key", str(key))
    with server(tmp_path / "data", *flags, verify=trusted) as (_, client):
        until(lambda: ready(client))
        try:
            answer = asyncio.run(plainly(client.base_url.host, client.base_url.port or 0))
        except OSError:
            answer = b""
        assert b"200" not in answer
        assert ready(client)
