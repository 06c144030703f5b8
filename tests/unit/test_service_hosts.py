import pytest

from lexmax.service.hosts import is_local_name, is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1:8000",
        "192.0.2.7",
        "[::1]:8000",
        "lexmax:8000",
        "app.localhost:8000",
        "search.example.org",
        "Search.Example.Org:443",
    ],
)
def test_names_that_nobody_else_can_take(host: str) -> None:
    assert is_local_name(host, ("search.example.org",))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example.",
        "xsearch.example.org",
        "127.0.0.1 evil.example",
    ],
)
def test_names_that_could_point_anywhere(host: str) -> None:
    assert not is_local_name(host, ("search.example.org",))


def test_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("127.9.9.9")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("::")
    assert not is_loopback("192.0.2.7")
    assert not is_loopback("localhost.evil.example")
