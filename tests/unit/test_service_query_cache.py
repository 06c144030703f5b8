import numpy as np

from lexmax.service.query_cache import QueryCache


def row(value: float, n: int = 4) -> tuple[np.ndarray, ...]:
    return (np.full(n, value, np.float32),)


def test_what_was_kept_is_found() -> None:
    cache = QueryCache(10_000)
    assert cache.get(("sparse", "f", "a")) is None
    cache.put(("sparse", "f", "a"), row(1))
    found = cache.get(("sparse", "f", "a"))
    assert found is not None
    assert found[0].tolist() == [1, 1, 1, 1]
    for other in (("tokens", "f", "a"), ("sparse", "g", "a"), ("sparse", "f", "A")):
        assert cache.get(other) is None
    assert (cache.n_hits, cache.n_misses) == (1, 4)


def test_nobody_changes_what_is_kept() -> None:
    cache = QueryCache(10_000)
    batch = np.zeros((100, 4), np.float32)
    cache.put(("sparse", "f", "a"), (batch[0],))
    batch[:] = 7
    found = cache.get(("sparse", "f", "a"))
    assert found is not None
    assert found[0].tolist() == [0, 0, 0, 0]
    assert found[0].base is None  # and the batch is not kept for it
    assert not found[0].flags.writeable


def test_the_bytes_are_bounded_and_the_oldest_goes_first() -> None:
    cache = QueryCache(4 * 1500)
    for name in "abcd":
        cache.put(("s", "f", name), row(0, 250))  # 1,000 bytes, and what an entry takes
    assert len(cache) == 4
    assert cache.get(("s", "f", "a")) is not None
    cache.put(("s", "f", "e"), row(0, 250))
    assert cache.get(("s", "f", "b")) is None
    assert cache.get(("s", "f", "a")) is not None
    assert cache.n_bytes <= 6000
    cache.put(("s", "f", "large"), row(0, 10_000))
    assert cache.get(("s", "f", "large")) is None
    assert len(cache) == 4


def test_put_again_counts_once() -> None:
    cache = QueryCache(10_000)
    for _ in range(5):
        cache.put(("s", "f", "a"), row(0))
    assert len(cache) == 1
    assert cache.n_bytes < 1000


def test_zero_keeps_none() -> None:
    cache = QueryCache(0)
    cache.put(("s", "f", "a"), row(0))
    assert len(cache) == 0
