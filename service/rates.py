"""Has this caller asked too often? A token bucket a key."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CALLERS = 10_000


class TokenBucket:
    """Fills with `per_second` tokens a second up to `burst`; each request takes one.

    In any time of t seconds no more than burst + t * per_second tokens are taken.
    """

    def __init__(self, per_second: float, burst: float, *, now: float) -> None:
        """Full at the moment `now`, in seconds of any clock that never goes back."""
        self.per_second, self.burst = per_second, max(burst, 1.0)
        self._tokens, self._at = self.burst, now

    def take(self, now: float) -> float:
        """Take a token and give 0.0; where there is none, give the seconds until there is one."""
        passed = max(now - self._at, 0.0)
        self._tokens = min(self.burst, self._tokens + passed * self.per_second)
        self._at = max(now, self._at)
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self.per_second


class Rates:
    """The buckets of all callers; of very many, those that asked last."""

    def __init__(
        self, burst_seconds: float = 2.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """A caller that was silent may send at once what it may in `burst_seconds`."""
        self._burst_seconds, self._clock = burst_seconds, clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, caller: str, per_second: float | None) -> float:
        """0.0 if the caller may go on, or else the seconds until it may; None limits nothing."""
        if per_second is None:
            return 0.0
        now = self._clock()
        bucket = self._buckets.get(caller)
        if bucket is None or bucket.per_second != per_second:
            bucket = TokenBucket(per_second, per_second * self._burst_seconds, now=now)
            self._buckets[caller] = bucket
            if len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(caller)
        return bucket.take(now)
