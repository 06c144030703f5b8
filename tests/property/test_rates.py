from hypothesis import given
from hypothesis import strategies as st

from lexmax.service.rates import TokenBucket

steps = st.lists(st.floats(0, 5), min_size=1, max_size=60)
rates = st.floats(0.1, 100)


@given(steps, rates, st.floats(1, 20))
def test_no_stretch_of_time_has_more_than_burst_and_rate_allow(
    waits: list[float], per_second: float, burst: float
) -> None:
    bucket = TokenBucket(per_second, burst, now=0.0)
    now, taken = 0.0, []
    for wait in waits:
        now += wait
        if bucket.take(now) == 0.0:
            taken.append(now)
    for i, start in enumerate(taken):
        for n, end in enumerate(taken[i:], start=1):
            assert n <= burst + (end - start) * per_second + 1e-6


@given(steps, rates, st.floats(1, 20))
def test_who_waits_as_told_is_let_through(
    waits: list[float], per_second: float, burst: float
) -> None:
    bucket = TokenBucket(per_second, burst, now=0.0)
    now = 0.0
    for wait in waits:
        now += wait
        if told := bucket.take(now):
            now += told + 1e-6
            assert bucket.take(now) == 0.0
