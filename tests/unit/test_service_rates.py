import pytest

from lexmax.service.rates import Rates, TokenBucket


def test_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(2.0, 3.0, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(0.25) == 0.25
    assert bucket.take(0.5) == 0.0
    assert bucket.take(0.5) == 0.5


def test_it_never_holds_more_than_a_burst() -> None:
    bucket = TokenBucket(2.0, 3.0, now=0.0)
    assert [bucket.take(1000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1.0, 1.0, now=10.0)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(5.0) == 1.0
    assert bucket.take(10.5) == 0.5


def test_less_than_one_a_second_still_lets_one_through() -> None:
    bucket = TokenBucket(0.1, 0.2, now=0.0)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.0) == pytest.approx(10.0)


def test_callers_do_not_share() -> None:
    rates = Rates(burst_seconds=1.0, clock=lambda: 0.0)
    assert [rates.take("a", 1.0), rates.take("a", 1.0)] == [0.0, 1.0]
    assert rates.take("b", 1.0) == 0.0
    assert [rates.take("c", None) for _ in range(100)] == [0.0] * 100


def test_another_rate_begins_anew() -> None:
    rates = Rates(burst_seconds=1.0, clock=lambda: 0.0)
    assert [rates.take("a", 1.0), rates.take("a", 1.0)] == [0.0, 1.0]
    assert rates.take("a", 2.0) == 0.0


def test_callers_are_forgotten_in_the_end() -> None:
    rates = Rates(burst_seconds=1.0, clock=lambda: 0.0)
    for caller in range(10_001):
        assert rates.take(str(caller), 1.0) == 0.0
    assert rates.take("10000", 1.0) == 1.0
    assert rates.take("0", 1.0) == 0.0
