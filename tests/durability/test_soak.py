"""What the soak calls a failure."""

import random

import pytest
from served import Answer
from soak import Limits, Sample, Seen, is_right, judged, one_request, slope

LIMITS = Limits()


def samples(
    *, mb_per_minute: float = 0.0, files: int = 0, threads: int = 0, minutes: int = 10
) -> list[Sample]:
    """One a second; what grows does so from the beginning to the end."""
    n = minutes * 60
    return [
        Sample(i, 500 + mb_per_minute * i / 60, 60 + files * i // n, 12 + threads * i // n)
        for i in range(n)
    ]


def searches(early_ms: float, late_ms: float) -> Seen:
    return Seen([(i, (early_ms if i < 360 else late_ms) / 1e3) for i in range(120, 600)])


def test_what_stays_as_it_is_is_no_failure() -> None:
    found, problems = judged(samples(), searches(10, 10), warm_s=120, limits=LIMITS)
    assert problems == []
    assert found["rss_mb_per_minute"] == pytest.approx(0, abs=1e-9)
    assert found["p99_ms"] == pytest.approx([10, 10])


@pytest.mark.parametrize(
    ("grown", "seen", "said"),
    [
        (samples(mb_per_minute=1.1), searches(10, 10), "memory grows by 1.10 MB a minute"),
        (samples(files=60), searches(10, 10), "descriptors have grown by 32"),
        (samples(threads=12), searches(10, 10), "threads have grown by 6"),
        (samples(), searches(10, 13), "p99 of searches has grown from 10.0 to 13.0 ms"),
        (samples(), Seen(problems=["search got 500", "search got 500"]), "search got 500"),
    ],
    ids=["memory", "descriptors", "threads", "latency", "answers"],
)
def test_what_grows_is_a_failure(grown: list[Sample], seen: Seen, said: str) -> None:
    assert judged(grown, seen, warm_s=120, limits=LIMITS)[1] == [said]


def test_growth_during_the_warm_up_is_none() -> None:
    grown = [Sample(i, 100.0 + i, 10 + i, 4) for i in range(120)]
    grown += [Sample(i, 500, 60, 12) for i in range(120, 600)]
    assert judged(grown, searches(10, 10), warm_s=120, limits=LIMITS)[1] == []


def test_a_slope_is_per_minute() -> None:
    assert slope([0, 60, 120], [1.0, 3.0, 5.0]) == pytest.approx(2)
    assert slope([0], [1.0]) == 0


def answer(status: int, code: str = "", **headers: str) -> Answer:
    kind = {"content-type": "application/problem+json"} if code else {}
    return Answer(status, kind | headers, b'{"code": "%s"}' % code.encode())


def test_only_what_was_asked_for_is_right() -> None:
    assert is_right("search", answer(200))
    assert not is_right("search", answer(500, "internal_error"))
    assert not is_right("search", answer(404, "collection_not_found"))
    assert is_right("read", answer(404, "document_not_found"))
    assert is_right("refused", answer(422, "over_limit"))
    assert not is_right("refused", answer(200))
    assert is_right("store", answer(503, "overloaded", **{"retry-after": "1"}))
    assert not is_right("store", answer(503, "overloaded"))


def test_every_kind_of_request_is_made() -> None:
    rng = random.Random(0)
    kinds = {one_request(rng)[0] for _ in range(500)}
    assert kinds >= {"search", "search-batch", "store", "delete", "encode", "rerank", "refused"}
