import time

import pytest
from starlette.requests import ClientDisconnect

from lexmax.reranking import Deadline
from lexmax.service.calls import Call, asked_timeout_ms
from lexmax.service.problems import DEADLINE_EXCEEDED, INVALID_REQUEST, Refusal


def test_of_two_times_the_sooner_holds() -> None:
    call = Call()
    assert call.left_ms() is None
    call.ends_within(None)
    assert call.left_ms() is None
    call.ends_within(60_000)
    call.ends_within(120_000)
    left = call.left_ms()
    assert left is not None
    assert 59_000 < left <= 60_000
    call.ends_within(30_000)
    assert call.deadline.ends_at == call.arrived_at + 30


def test_time_counts_from_the_arrival() -> None:
    call = Call(arrived_at=time.monotonic() - 10)
    call.ends_within(9_000)
    assert call.left_ms() == 0.001
    with pytest.raises(Refusal) as refused:
        call.check()
    assert refused.value.problem is DEADLINE_EXCEEDED


def test_nobody_works_for_a_client_that_has_left() -> None:
    Call().check()
    Call(deadline=Deadline.within(60_000)).check()
    with pytest.raises(ClientDisconnect):
        Call(gone=True).check()


def test_the_header_gives_milliseconds() -> None:
    assert asked_timeout_ms({}, 1000) is None
    assert asked_timeout_ms({"x-request-timeout-ms": "250"}, 1000) == 250
    assert asked_timeout_ms({"x-request-timeout-ms": "0.5"}, 1000) == 0.5


@pytest.mark.parametrize("said", ["", "0", "-1", "1001", "nan", "inf", "-inf", "1e400", "a", "1 s"])
def test_a_header_that_gives_none_is_refused(said: str) -> None:
    with pytest.raises(Refusal, match="up to 1000") as refused:
        asked_timeout_ms({"x-request-timeout-ms": said}, 1000)
    assert refused.value.problem is INVALID_REQUEST
