import asyncio
import time
from dataclasses import dataclass

from lexmax.service.pace import LATE_S, Pace, keep_pace, share

LATE, IN_TIME = LATE_S * 2, 0.0


@dataclass(frozen=True)
class Crowd:
    pace: Pace
    n_running: int = 0


def test_it_falls_at_once_and_never_to_nothing() -> None:
    pace = Pace(3)
    seen = []
    for _ in range(4):
        pace.seen(LATE)
        seen.append(pace.allowed)
    assert seen == [2, 1, 1, 1]


def test_it_rises_slowly_and_never_above_what_there_is() -> None:
    pace = Pace(3)
    for _ in range(3):
        pace.seen(LATE)
    allowed = []
    for _ in range(80):
        pace.seen(IN_TIME)
        allowed.append(pace.allowed)
    assert allowed[18:20] == [1, 2]
    assert allowed[38:40] == [2, 3]
    assert allowed[-1] == 3


def test_being_late_begins_the_calm_anew() -> None:
    pace = Pace(2)
    pace.seen(LATE)
    for _ in range(19):
        pace.seen(IN_TIME)
    pace.seen(LATE)
    for _ in range(19):
        pace.seen(IN_TIME)
    assert pace.allowed == 1
    pace.seen(IN_TIME)
    assert pace.allowed == 2


def test_a_loop_that_is_held_up_is_noticed() -> None:
    said: list[float] = []

    async def scene() -> int:
        searching = Crowd(Pace(4))
        task = asyncio.create_task(keep_pace(searching, Crowd(Pace(2)), said.append))
        await asyncio.sleep(0.001)
        time.sleep(0.3)  # nobody else has a turn meanwhile
        while not said:
            await asyncio.sleep(0.001)
        task.cancel()
        return searching.pace.allowed

    assert asyncio.run(scene()) == 3
    assert said[0] > 0.2


def test_those_who_write_give_way_before_those_who_search() -> None:
    searching, writing = Crowd(Pace(4), 4), Crowd(Pace(2), 1)
    for _ in range(3):
        share(LATE, searching, writing)
    assert (searching.pace.allowed, writing.pace.allowed) == (4, 1)

    nobody_writes = Crowd(writing.pace, 0)
    share(LATE, searching, nobody_writes)
    assert (searching.pace.allowed, writing.pace.allowed) == (3, 1)
    for _ in range(20):
        share(IN_TIME, searching, nobody_writes)
    assert (searching.pace.allowed, writing.pace.allowed) == (4, 2)
