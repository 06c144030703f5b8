"""What must be in no log, no metric and no trace: keys, queries, texts, ids."""

import io
from pathlib import Path

from starlette.testclient import TestClient

from lexmax.service import Settings, create_app
from lexmax.service.key_file import change_keys
from lexmax.service.keys import new_key
from lexmax.service.logs import make_log

CANARY = "quetzal"


def test_nothing_that_was_sent_is_logged_or_counted(tmp_path: Path) -> None:
    path, written = tmp_path / "keys.json", io.StringIO()
    key, secret = new_key("canary", {"*": "admin"})
    change_keys(path, lambda keys: (*keys, key))
    settings = Settings(data=tmp_path / "data", warm=(), keys=path)
    app = create_app(settings, log=make_log("debug", written))
    with TestClient(app, headers={"authorization": f"Bearer {secret}"}) as client:
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        document = {"doc_id": CANARY, "text": CANARY, "metadata": {CANARY: CANARY}}
        documents = {"documents": [document]}
        client.post("/v1/collections/pets/documents", json=documents).raise_for_status()
        search = "/v1/collections/pets/search"
        assert client.post(search, json={"query": CANARY}).json()["hits"]
        client.post(search, json={"query": CANARY, "filter": f"{CANARY}>3"})
        client.post(search, json={"query": CANARY, "pipeline": CANARY})
        client.post(search, json={"query": CANARY}, headers={"x-request-timeout-ms": CANARY})
        client.post(search, json={"query": CANARY}, headers={"api-key": CANARY})
        client.post(search, json={"query": CANARY}, headers={"authorization": CANARY})
        client.get(f"/v1/collections/pets/documents/{CANARY}")
        seen = client.get("/metrics").text + client.get("/v1/status").text
        logged = written.getvalue()
    assert logged.count('"event":"request"') == 11
    assert f'"key":"{key.key_id}"' in logged
    for secret_thing in (CANARY, secret, key.sha256, "canary"):
        assert secret_thing not in logged.lower()
        assert secret_thing not in seen.lower()
