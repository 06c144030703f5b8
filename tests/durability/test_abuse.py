"""Whatever is wrong with a request to whichever route: a 4xx that says so, and nothing changes.

The routes are those of the application itself, so that new ones are asked without being named here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from routes_asked import Asked, example, operations, places, types_of, with_value
from starlette.testclient import TestClient

from lexmax.encoders import Encoders
from lexmax.service import Settings, create_app
from lexmax.service.facades.failures import shape_at

LIMIT = 100_000
PETS = "/v1/collections/pets"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    settings = Settings(
        data=tmp_path_factory.mktemp("data"),
        warm=(),
        max_body_bytes=LIMIT,
        max_documents_bytes=LIMIT,
    )
    # No model is loaded here: a request that would need one is refused as well.
    return create_app(settings, encoders=Encoders(multivector={}, dense={}, pairs={}))


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        client.put(PETS, json={"multivector": None}).raise_for_status()
        documents = [{"doc_id": "cat", "text": "a cat"}]
        client.post(f"{PETS}/documents", json={"documents": documents}).raise_for_status()
        yield client


@pytest.fixture(autouse=True)
def nothing_has_changed(client: TestClient) -> Iterator[None]:
    before = kept(client)
    yield
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 200
    assert client.get("/v1/collections").json() == {"collections": [{"name": "pets"}]}
    assert kept(client) == before
    found = client.post(f"{PETS}/search", json={"query": "cat"}).json()
    assert [hit["doc_id"] for hit in found["hits"]] == ["cat"]
    service = client.app.state.service  # type: ignore[attr-defined]
    assert (service.in_flight.requests, service.in_flight.bytes) == (0, 0)


def kept(client: TestClient) -> dict[str, Any]:
    """Of the description, what no refused request may change."""
    described = client.get(PETS).json()
    return {name: described[name] for name in ("n_docs", "encoders", "fields", "passages")}


def assert_refused(reply: Any, asked: object) -> None:
    assert 400 <= reply.status_code < 500, (str(asked), reply.status_code, reply.text[:300])
    problem = reply.json()
    if shape_at(reply.request.url.path) is None:
        assert reply.headers["content-type"] == "application/problem+json", str(asked)
        assert problem["status"] == reply.status_code, str(asked)
        assert problem["code"] not in ("http_error", "internal_error"), str(asked)
        assert problem["detail"], str(asked)
    else:
        assert problem, str(asked)
    assert reply.headers["x-request-id"], str(asked)


def _nested(opening: str, closing: str, n: int) -> bytes:
    return (opening * n + "1" + closing * n).encode()


# Not JSON that can be trusted, whatever was expected.
MALFORMED: dict[str, bytes] = {
    "NaN": b'{"query": NaN}',
    "Infinity": b'{"query": Infinity}',
    "-Infinity": b'{"query": "a", "k": -Infinity}',
    "1e400": b'{"query": "a", "k": 1e400}',
    "-1e400": b"[-1e400]",
    "a lone surrogate": b'{"query": "\\ud800"}',
    "a lone low surrogate": b'{"query": "\\udc00 a"}',
    "surrogates the wrong way round": b'{"query": "\\udc00\\ud800"}',
    "a surrogate in UTF-8": b'{"query": "\xed\xa0\x80"}',
    "overlong UTF-8": b'{"query": "\xc0\xaf"}',
    "a cut UTF-8 sequence": b'{"query": "\xf0\x9f\x90"}',
    "Latin-1": b'{"query": "caf\xe9"}',
    "UTF-16": '{"query": "a"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"query": "a"}'.encode("utf-16-le"),
    "UTF-32": '{"query": "a"}'.encode("utf-32"),
    "a byte order mark": b'\xef\xbb\xbf{"query": "a"}',
    "U+0000 escaped": b'{"query": "a\\u0000b"}',
    "U+0000 in a name": b'{"a\\u0000b": 1}',
    "a zero byte": b'{"query": "a\0b"}',
    "zero bytes": b"\0" * 100,
    "a name twice": b'{"query": "a", "query": "b"}',
    "a name twice, escaped": b'{"query": "a", "quer\\u0079": "b"}',
    "a name twice, further in": b'{"documents": [{"text": "a", "text": "b"}]}',
    "5,000 digits": b'{"query": "a", "k": ' + b"9" * 5000 + b"}",
    "50,000 digits behind the point": b'{"k": 0.' + b"1" * 5000 + b"e999}",
    "deep lists": _nested("[", "]", 40_000),
    "deep mappings": _nested('{"a":', "}", 15_000),
    "65 levels": _nested("[", "]", 65),
    "never closed": b"[" * 90_000,
    "never opened": b"]" * 90_000,
    "a cut body": b'{"query": "a", "k": ',
    "a cut text": b'{"query": "a',
    "two values": b'{"query": "a"}{"query": "b"}',
    "something behind it": b'{"query": "a"} x',
    "a comma too many": b'{"query": "a",}',
    "single quotes": b"{'query': 'a'}",
    "no quotes": b"{query: 1}",
    "a comment": b'{"query": "a" /* b */}',
    "a hexadecimal number": b'{"k": 0x10}',
    "a leading zero": b'{"k": 010}',
    "a leading plus": b'{"k": +1}',
    "a bare point": b'{"k": .5}',
    "a newline in a text": b'{"query": "a\nb"}',
    "an unknown escape": b'{"query": "\\x41"}',
    "a form": b"query=a&k=5",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtin\x94.",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabVJ\x05\x00" + bytes(20),
    "blanks": b" \t\r\n" * 100,
    "a huge text": b'{"query": "' + b"a" * LIMIT + b'"}',
    "huge": b"[" + b"1," * LIMIT + b"1]",
}


def _with_body(app: FastAPI) -> list[Asked]:
    return [asked for asked in operations(app) if asked.media_types]


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_trustworthy_json_is_refused_by_every_route(
    app: FastAPI, client: TestClient, body: bytes
) -> None:
    for asked in _with_body(app):
        headers = {"content-type": "application/json"}
        reply = client.request(asked.method, asked.path, content=body, headers=headers)
        if not (asked.accepts and reply.status_code == 202):
            assert_refused(reply, asked)


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_bytes_that_nobody_can_read_change_nothing(
    app: FastAPI, client: TestClient, body: bytes
) -> None:
    for asked in _with_body(app):
        for media_type in set(asked.media_types) - {"application/json"}:
            headers = {"content-type": media_type}
            reply = client.request(asked.method, asked.path, content=body, headers=headers)
            # A stream that has begun to answer tells in its lines what it has not stored.
            if reply.status_code != (202 if asked.accepts else 200):
                assert_refused(reply, asked)


@pytest.mark.parametrize(
    "value", [None, True, 5, -0.0, "text", [], [[]], [None], {"": ""}, {"unknown": 1}], ids=str
)
def test_json_of_another_shape_is_refused(app: FastAPI, client: TestClient, value: Any) -> None:
    for asked in _with_body(app):
        if asked.takes_json and not _fits_any(asked, value):
            reply = client.request(asked.method, asked.path, json=value)
            assert_refused(reply, (asked, value))


def _fits_any(asked: Asked, value: Any) -> bool:
    """Bodies that may be left out may be null as well."""
    return value is None and "null" in types_of(asked.schema)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "text/plain",
        "application/jsonx",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "application/json\xa0",
        "x" * 5000,
    ],
)
def test_other_media_types_are_refused(app: FastAPI, client: TestClient, media_type: str) -> None:
    for asked in _with_body(app):
        headers = {b"content-type": media_type.encode("latin-1")}
        content = json.dumps(example(asked.schema)).encode()
        reply = client.request(asked.method, asked.path, content=content, headers=headers)
        assert_refused(reply, asked)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "identity, gzip", "x" * 1000])
def test_compressed_bodies_are_refused(app: FastAPI, client: TestClient, coding: str) -> None:
    for asked in _with_body(app):
        if not asked.takes_json:
            continue
        headers = {"content-type": "application/json", "content-encoding": coding}
        content = json.dumps(example(asked.schema)).encode()
        reply = client.request(asked.method, asked.path, content=content, headers=headers)
        assert_refused(reply, asked)


# By JSON's type; what a type's schema allows is passed over.
WRONG: dict[str, list[Any]] = {
    "boolean": [True],
    "integer": [5, 2**70, -(2**70), -1],
    "number": [5.5, 1e308, -1e308, 5e-324],
    "string": ["5", "", "😀", "é" * 300],
    "array": [[], [[]], [None], [5]],
    "object": [{}, {"a": {"b": []}}],
    "null": [None],
}


def _wrong_values(schema: Any) -> Iterator[Any]:
    allowed = types_of(schema)
    if not allowed:
        return
    for kind, values in WRONG.items():
        if kind in allowed or (kind == "integer" and "number" in allowed):
            continue
        yield from values


def test_each_value_of_another_type_is_refused(app: FastAPI, client: TestClient) -> None:
    n_asked = 0
    for asked in _with_body(app):
        whole = example(asked.schema)
        for path, schema in places(asked.schema, whole) if asked.takes_json else ():
            for wrong in _wrong_values(schema):
                body = with_value(whole, path, wrong)
                reply = client.request(asked.method, asked.path, json=body)
                # A façade passes over names that it does not know; those it knows are strict.
                assert_refused(reply, (asked, path, wrong))
                n_asked += 1
    assert n_asked > 500


def test_numbers_that_no_machine_holds_are_refused(app: FastAPI, client: TestClient) -> None:
    for asked in _with_body(app):
        whole = example(asked.schema)
        for path, schema in places(asked.schema, whole) if asked.takes_json else ():
            if types_of(schema) & {"integer"} and "array" not in types_of(schema):
                for wrong in (2**70, -(2**70), 2**63, -(2**63) - 1):
                    body = with_value(whole, path, wrong)
                    reply = client.request(asked.method, asked.path, json=body)
                    assert_refused(reply, (asked, path, wrong))


def test_unknown_names_are_refused_but_by_facades(app: FastAPI, client: TestClient) -> None:
    for asked in _with_body(app):
        whole = example(asked.schema)
        if not asked.takes_json or not isinstance(whole, dict) or shape_at(asked.path):
            continue
        for name in ("unknown", "__class__", "$where", "constructor", "é", "a" * 5000):
            reply = client.request(asked.method, asked.path, json={**whole, name: 1})
            assert_refused(reply, (asked, name))


PATHS = {
    "an encoded slash": "a%2Fb",
    "an encoded slash twice": "a%252Fb",
    "an encoded backslash": "a%5Cb",
    "encoded dots": "%2e%2e",
    "encoded dots and slashes": "..%2f..%2f..%2fetc%2fpasswd",
    "overlong dots": "%c0%ae%c0%ae%c0%af",
    "a zero byte": "a%00b",
    "a zero byte alone": "%00",
    "a newline": "a%0d%0aSet-Cookie:%20a=b",
    "a blank": "a%20b",
    "blanks": "%20%20",
    "Latin-1": "%e9",
    "cut UTF-8": "%f0%9f%90",
    "a surrogate in UTF-8": "%ed%a0%80",
    "no hexadecimal": "%zz",
    "a lone percent sign": "a%",
    "emoji": "%F0%9F%90%88%E2%80%8D%E2%AC%9B",
    "right to left": "%E2%80%AEtac",
    "combining": "e%CC%81%CC%81%CC%81",
    "capitals": "PETS",
    "a dot first": ".deleted-a",
    "a dash first": "-rf",
    "a semicolon": "pets;a=b",
    "a star": "*",
    "a tilde": "~root",
    "SQL": "a'%20OR%20'1'='1",
    "a template": "%7B%7B7*7%7D%7D",
    "8,000 letters": "a" * 8000,
    "8,000 encoded": "%C3%A9" * 8000,
}


@pytest.mark.parametrize("value", PATHS.values(), ids=PATHS.keys())
def test_paths_that_name_nothing_are_refused(app: FastAPI, client: TestClient, value: str) -> None:
    for asked in operations(app):
        for parameter in asked.parameters:
            path = asked.path_with({parameter: value})
            if asked.takes_json:
                reply = client.request(asked.method, path, json=example(asked.schema))
            else:
                reply = client.request(asked.method, path)
            assert_refused(reply, (asked, parameter))


@pytest.mark.parametrize(
    "value", ["", "NaN", "-1", "1e999", "true;", "9" * 5000, "%00", "%ed%a0%80", "a" * 8000]
)
def test_query_parameters_that_mean_nothing_do_no_harm(
    app: FastAPI, client: TestClient, value: str
) -> None:
    for asked in operations(app):
        for name in asked.query:
            path = f"{asked.path_with({'name': 'nowhere'})}?{name}={value}&{name}={value}"
            content = json.dumps(example(asked.schema)).encode() if asked.takes_json else None
            headers = {"content-type": asked.media_types[0]} if asked.media_types else {}
            reply = client.request(asked.method, path, content=content, headers=headers)
            if "{name}" in asked.template or reply.status_code >= 300:
                assert_refused(reply, (asked, name))


@pytest.mark.parametrize(
    "value", ["", "-1", "0", "NaN", "1e999", "five", "9" * 1000, "1,2", "\xff"]
)
def test_a_timeout_that_is_none_is_refused(app: FastAPI, client: TestClient, value: str) -> None:
    headers = {b"x-request-timeout-ms": value.encode("latin-1")}
    body = {"query": "cat"}
    assert_refused(client.post(f"{PETS}/search", json=body, headers=headers), "search")
    documents = {"documents": [{"doc_id": "new", "text": ""}]}
    assert_refused(client.post(f"{PETS}/documents", json=documents, headers=headers), "store")
    assert_refused(client.get(PETS, headers=headers), "describe")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-request-id": "a" * 5000},
        {"x-request-id": "a\x80b\xff"},
        {"x-request-id": "<script>"},
        {"accept": "application/xml"},
        {"accept": "\xff" * 1000},
        {"authorization": "Bearer " + "a" * 50_000},
        {"api-key": "\xff\xfe"},
        {"cookie": "a=" + "b" * 10_000},
        {"range": "bytes=0-99999999999999999999"},
        {"if-none-match": "*"},
        {"origin": "http://evil.example"},
        {"forwarded": "for=1.2.3.4;host=evil.example"},
        {"x-forwarded-for": "1.2.3.4" * 1000},
        {"x-http-method-override": "DELETE"},
        {"traceparent": "00-" + "f" * 5000},
        {f"x-{i}": "a" for i in range(500)},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_other_headers_do_nothing(client: TestClient, headers: dict[str, str]) -> None:
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    reply = client.post(f"{PETS}/search", json={"query": "cat"}, headers=sent)
    assert reply.status_code == 200
    assert reply.headers["x-request-id"] != headers.get("x-request-id")
    assert not any(name.startswith("access-control") for name in reply.headers)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "a." * 2000]
)
def test_other_names_are_refused_by_every_route(
    app: FastAPI, client: TestClient, host: str
) -> None:
    for asked in operations(app):
        if asked.method != "HEAD":
            reply = client.request(asked.method, asked.path, headers={"host": host})
            assert (reply.status_code, reply.request.url.path) == (421, asked.path)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH", "OPTIONS", "BREW", "A" * 100])
def test_other_methods_are_refused(app: FastAPI, client: TestClient, method: str) -> None:
    for path in sorted({asked.path for asked in operations(app)}):
        assert_refused(client.request(method, path), path)


def test_the_settings_folder_holds_nothing_else(app: FastAPI, client: TestClient) -> None:
    data: Path = app.state.service.settings.data
    assert [path.name for path in data.iterdir() if path.is_dir() and path.name[0] != "."] == [
        "pets"
    ]
